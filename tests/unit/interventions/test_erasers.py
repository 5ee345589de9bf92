"""Erasers take out what they say, and an altered head answers as the head does to erased features."""

import numpy as np
import pytest
import scipy.linalg
import torch
from concept_erasure import LeaceFitter

from causalgrok.interventions.erasers import leace_eraser, orthogonal_eraser, orthonormal_basis
from causalgrok.interventions.features import Head


@pytest.fixture
def sample():
    """Features (300, 12) of hospitals 0, 3 and 4 whose channels differ in scale and mean."""
    rng = np.random.default_rng(0)
    hospitals = rng.choice([0, 3, 4], 300)
    shift = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.8]])[np.searchsorted([0, 3, 4], hospitals)]
    values = rng.standard_normal((300, 12)) @ rng.standard_normal((12, 12)) + shift @ rng.standard_normal((2, 12))
    return values * rng.uniform(0.1, 5, 12) + rng.uniform(-2, 4, 12), hospitals


def erasers(values, hospitals):
    """One of every variant."""
    mean, scale = values.mean(axis=0), values.std(axis=0)
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 3)))[0]
    return {
        "raw": orthogonal_eraser(basis),
        "raw centred": orthogonal_eraser(basis, mean=mean),
        "scaled": orthogonal_eraser(basis, scale=scale),
        "scaled centred": orthogonal_eraser(basis, mean=mean, scale=scale),
        "leace": leace_eraser(values, hospitals),
    }


def test_basis_is_that_of_scipy_and_drops_what_is_not_there():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((5, 3)) @ rng.standard_normal((3, 30))
    rows -= rows.mean(axis=0)
    basis = orthonormal_basis(rows)
    reference = scipy.linalg.orth(rows.T, rcond=1e-6)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(basis @ basis.T, reference @ reference.T, atol=1e-12)
    assert orthonormal_basis(np.zeros((3, 30))).shape == orthonormal_basis(np.zeros((0, 30))).shape == (30, 0)


@pytest.mark.parametrize("classes", [2, 4])
def test_altered_head_answers_as_the_head_does_to_erased_features(sample, classes):
    values, hospitals = sample
    rng = np.random.default_rng(2)
    head = Head(rng.standard_normal((classes, 12)), rng.standard_normal(classes))
    for eraser in erasers(values, hospitals).values():
        for strength in (0.0, 0.4, 1.0):
            for part in (eraser, eraser.leading(1)):
                altered = part.alter(head, strength).logits(values)
                np.testing.assert_allclose(altered, head.logits(part.erase(values, strength)), atol=1e-9)
        assert np.abs(eraser.alter(head).logits(values) - head.logits(values)).max() > 0.1


def test_erased_features_are_those_of_the_projection_of_scipy(sample):
    values, _ = sample
    mean, scale = values.mean(axis=0), values.std(axis=0)
    rows = np.random.default_rng(1).standard_normal((3, 12))
    basis = orthonormal_basis(rows)
    keep = np.eye(12) - (orth := scipy.linalg.orth(rows.T)) @ orth.T
    expected = {
        "raw": values @ keep,
        "raw centred": (values - mean) @ keep + mean,
        "scaled": (values / scale) @ keep * scale,
        "scaled centred": ((values - mean) / scale) @ keep * scale + mean,
    }
    for name, erased in expected.items():
        options = {"mean": mean if "centred" in name else None, "scale": scale if "scaled" in name else None}
        eraser = orthogonal_eraser(basis, **options)
        np.testing.assert_allclose(eraser.erase(values), erased, atol=1e-9)
        np.testing.assert_allclose(eraser.erase(values, 0.25), 0.75 * values + 0.25 * erased, atol=1e-9)
        assert (eraser.space, eraser.centred, eraser.rank) == (name.split()[0], "centred" in name, 3)


def test_erasing_twice_is_erasing_once_and_centring_keeps_the_mean(sample):
    values, hospitals = sample
    for name, eraser in erasers(values, hospitals).items():
        erased = eraser.erase(values)
        np.testing.assert_allclose(eraser.erase(erased), erased, atol=1e-8)
        np.testing.assert_allclose(eraser.right @ eraser.left, np.eye(eraser.rank), atol=1e-9)
        assert np.allclose(erased.mean(axis=0), values.mean(axis=0)) == eraser.centred, name


@pytest.mark.parametrize("n", [300, 30])
@pytest.mark.parametrize("dead", [False, True])
def test_leace_is_the_librarys_and_leaves_no_covariance_with_hospitals(sample, n, dead):
    values, hospitals = sample[0][:n], sample[1][:n]
    values = np.hstack([values, np.full((n, 40), 0.5)]) if dead else values
    onehot = (hospitals[:, None] == [0, 3, 4]).astype(float)
    eraser = leace_eraser(values, hospitals)
    fitter = LeaceFitter(values.shape[1], 3, dtype=torch.float64, constrain_cov_trace=False, svd_tol=1e-6)
    library = fitter.update(torch.from_numpy(values), torch.from_numpy(onehot)).eraser
    others = np.random.default_rng(3).standard_normal((40, values.shape[1]))
    np.testing.assert_allclose(eraser.erase(others), library(torch.from_numpy(others)).numpy(), atol=1e-9)

    def covariance(features):
        return (features - features.mean(axis=0)).T @ (onehot - onehot.mean(axis=0)) / len(features)

    assert np.abs(covariance(values)).max() > 0.1
    assert np.abs(covariance(eraser.erase(values))).max() < 1e-12
    assert (eraser.rank, eraser.space, eraser.centred) == (2, "raw", True)


def test_leace_reads_what_mean_differences_span(sample):
    values, hospitals = sample
    means = np.stack([values[hospitals == hospital].mean(axis=0) for hospital in (0, 3, 4)])
    angles = scipy.linalg.subspace_angles(leace_eraser(values, hospitals).right.T, (means - means.mean(axis=0))[:2].T)
    assert np.degrees(angles).max() < 1e-4


def test_leace_of_nearly_isotropic_features_is_the_orthogonal_projection():
    rng = np.random.default_rng(1)
    hospitals = np.repeat([0, 1], 200)
    values = np.linalg.qr(rng.standard_normal((400, 2)))[0] + 1e-3 * hospitals[:, None] * [1, 0]
    eraser = leace_eraser(values, hospitals)
    difference = values[:200].mean(axis=0) - values[200:].mean(axis=0)
    projected = orthogonal_eraser(orthonormal_basis(difference[None]), mean=values.mean(axis=0))
    np.testing.assert_allclose(eraser.erase(values), projected.erase(values), atol=1e-9)


def test_leace_of_constant_features_takes_nothing_out_and_of_one_hospital_is_refused(sample):
    _, hospitals = sample
    assert leace_eraser(np.full((300, 12), 0.1), hospitals).rank == 0
    assert leace_eraser(np.zeros((300, 12), np.float32), hospitals).rank == 0
    with pytest.raises(ValueError, match=r"at least two hospitals.*\[7\]"):
        leace_eraser(np.ones((5, 2)), np.full(5, 7))
