"""Hospital subspaces are estimated from the fitting slides, alike for true and for permuted hospitals."""

import numpy as np
import pytest
import scipy.linalg

from causalgrok.interventions.estimates import (
    balancing_weights,
    control_erasers,
    estimate,
    hospital_erasers,
    labelless_slides,
    permuted_hospitals,
    shrunken_means,
)
from causalgrok.interventions.features import PROBE
from causalgrok.interventions.settings import Measurement

SETTINGS = Measurement(inlp_iterations=2)


def angle(eraser, axes):
    return np.degrees(scipy.linalg.subspace_angles(eraser.right.T, axes)).max()


def test_weights_balance_one_within_the_other():
    target, nuisance = np.array([0, 0, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 1, 0, 1, 1, 1])
    weights = balancing_weights(target, nuisance)
    np.testing.assert_allclose(weights, [2 / 3, 2 / 3, 2 / 3, 2, 1, 1, 1, 1])


def test_parts_are_slide_disjoint_and_only_the_fitting_part_is_seen(planted_features):
    planted = planted_features(epochs=(0,))
    first = estimate(planted.features, 0, SETTINGS)
    assert not set(first.fitting.slides) & set(first.judging.slides)
    assert len(first.fitting.labels) + len(first.judging.labels) == len(first.pool.labels)
    values = planted.arrays["0/probe/pooled"]
    values[np.isin(first.pool.slides, first.judging.slides)] += 100
    second = estimate(planted.features, 0, SETTINGS)
    for (_, one), (_, other) in zip(hospital_erasers(first), hospital_erasers(second), strict=True):
        np.testing.assert_array_equal(one.left, other.left)
        np.testing.assert_array_equal(one.centre, other.centre)


def test_every_way_finds_the_planted_plane(planted_features):
    # No slide effects: with a few slides a hospital these alone turn the rows by tens of degrees.
    planted = planted_features(epochs=(0,), d=12, patches=400, hospital=0.7, slide=0.0)
    found = [
        (method, eraser.space, eraser.centred, eraser.rank)
        for method, eraser in hospital_erasers(estimate(planted.features, 0, SETTINGS))
        # Scaled rows are orthogonal in standardised channels, which is another angle.
        if angle(eraser.leading(2), planted.hospital_axes) < (9 if eraser.space == "raw" else 20)
    ]
    variants = [("raw", False), ("raw", True), ("scaled", True)]
    assert found == [
        *(("logistic", *variant, 2) for variant in variants),
        *(("mean_difference", *variant, 2) for variant in variants),
        ("leace", "raw", True, 2),
        ("inlp", "raw", False, 4),
        ("inlp", "raw", True, 4),
    ]


def test_an_unbalanced_label_is_not_taken_for_the_hospital(planted_features):
    planted = planted_features(epochs=(0,), d=12, patches=400, hospital=0.7, slide=0.0, tumour=4.0)
    hospitals, labels = planted.arrays["probe/domains"], planted.arrays["probe/labels"]
    # Nine in ten tumour patches of hospital 0 never came: its mean lies off by tumour.
    kept = (hospitals != 0) | (labels == 0) | (np.arange(len(labels)) % 20 == 1)
    for name in ("0/probe/pooled", "probe/domains", "probe/labels", "probe/groups"):
        planted.arrays[name] = planted.arrays[name][kept]
    values = planted.features.at(0, PROBE)
    means = [values[planted.features.domains(PROBE) == hospital].mean(axis=0) for hospital in (0, 3, 4)]
    naive = scipy.linalg.orth((np.stack(means) - np.mean(means, axis=0)).T, rcond=1e-3)
    assert np.linalg.norm(naive.T @ planted.tumour_axis) > 0.7
    for method, eraser in hospital_erasers(estimate(planted.features, 0, SETTINGS)):
        if method in ("logistic", "mean_difference") and eraser.space == "raw":
            basis = eraser.right.T
            assert np.linalg.norm(basis.T @ planted.tumour_axis) < 0.2


def test_controls_have_the_rank_asked_for_and_repeat(planted_features):
    estimates = estimate(planted_features(epochs=(0,)).features, 0, SETTINGS)
    controls = list(control_erasers(estimates, rank=2, repeats=4, refits=6))
    numbers = {"matched": 4, "permuted": 6, "isotropic": 4, "permuted_mean": 6, "permuted_leace": 6}
    assert [(method, repeat) for method, repeat, _ in controls] == [
        (method, repeat) for method, number in numbers.items() for repeat in range(number)
    ]
    for method, _, eraser in controls:
        fractions = np.diag(eraser.right @ eraser.left)
        np.testing.assert_allclose(eraser.right @ eraser.left, np.diag(fractions), atol=1e-9)
        assert np.allclose(fractions, 1) or (method == "permuted_mean" and 0 <= fractions.min() <= fractions.max() < 1)
        assert (eraser.space, eraser.centred) == ("raw", method == "permuted_leace")
    fewer = {(method, repeat): one for method, repeat, one in control_erasers(estimates, rank=2, repeats=2, refits=2)}
    for method, repeat, eraser in controls:
        if (method, repeat) in fewer:
            assert angle(eraser, fewer[method, repeat].right.T) < 1.5  # side by side fits stop a little apart
    # No control contains the planted plane as the true estimates do.
    true = np.linalg.norm(next(hospital_erasers(estimates))[1].right @ planted_features().hospital_axes)
    assert max(np.linalg.norm(one.right @ planted_features().hospital_axes) for _, _, one in controls) < true


def test_means_are_shrunken_by_the_noise_of_their_slides(planted_features):
    planted = planted_features(epochs=(0,), hospital=0.5, slide=0.2, tumour=0.0)
    estimates = estimate(planted.features, 0, SETTINGS)
    eraser = shrunken_means(estimates, estimates.fitting.hospitals[None])[0]
    slides = labelless_slides(estimates.fitting, estimates.design)
    hospitals, sizes = estimates.fitting.hospitals[slides.first], slides.sizes
    means, noise = [], []
    for hospital in np.unique(hospitals):
        own = slides.means[hospitals == hospital]
        means.append(np.average(own, axis=0, weights=sizes[hospitals == hospital]))
        noise.append(np.sum(own.var(axis=0, ddof=1)) / len(own))
    left, values, _ = np.linalg.svd(np.stack(means) - np.mean(means, axis=0), full_matrices=False)
    fractions = 1 - np.square(left[:, :2]).T @ noise / values[:2] ** 2
    assert len(set(sizes)) == 1 and 0 < fractions[1] < fractions[0] < 1
    np.testing.assert_allclose(np.diag(eraser.right @ eraser.left), fractions, rtol=1e-9)


def test_shrunken_means_take_out_a_strong_effect_and_leave_what_permuting_makes_of_it(planted_features):
    estimates = estimate(planted_features(epochs=(0,), hospital=3.0).features, 0, SETTINGS)
    groupings = np.vstack([estimates.fitting.hospitals, estimates.permuted])
    fractions = [np.diag(eraser.right @ eraser.left) for eraser in shrunken_means(estimates, groupings)]
    assert fractions[0].min() > 0.95
    assert np.mean(fractions[1:]) < 0.3


def test_hospitals_that_cannot_be_permuted_are_refused(planted_features):
    estimates = estimate(planted_features(epochs=(0,), slides=2).features, 0, SETTINGS)
    with pytest.raises(ValueError, match=r"part of the probe pool.*one way only"):
        permuted_hospitals(estimates.fitting, 3, seed=0)
