"""The generator plants what it says: means, spectrum, slide effects, the head; equal seeds, equal features."""

import numpy as np
import pytest

from causalgrok.interventions.features import PROBE, SPLITS, STAGES
from causalgrok.planted.feature_model import PLACES, SECOND_SPREAD, FeatureModel, generate, with_strength

LARGE = FeatureModel(d=8, slides=200, patches=40, tumour=2.0)


def pool(planted):
    features = planted.features
    return features.at(0, PROBE).astype(np.float64), features.domains(PROBE), features.groups(PROBE)


def units(planted, axes):
    """Standard deviations of the noise along unit vectors (d, r)."""
    return np.sqrt(np.diag(axes.T @ planted.truth.covariance @ axes))


def slide_means(values, slides):
    return np.stack([values[slides == slide].mean(axis=0) for slide in np.unique(slides)])


def test_places_have_mean_zero_and_mean_square_one():
    places = np.array(list(next(iter(PLACES.values())).values()))
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.mean(places**2, axis=0), 1)
    assert places[:, 0] @ places[:, 1] == pytest.approx(0)


@pytest.mark.parametrize("exponent", [0.0, 1.5])
def test_hospitals_lie_where_they_were_put_in_units_of_the_noise(exponent):
    model = FeatureModel(d=8, slides=200, patches=40, rank=2, strength=1.5, exponent=exponent)
    planted = generate(model, 0)
    axes = planted.truth.hospital_axes
    for splits, places in PLACES.items():
        for domain, place in places.items():
            chosen = planted.features.domains(splits[-1]) == domain
            mean = planted.features.at(0, splits[-1])[chosen].mean(axis=0, dtype=np.float64) - model.offset
            measured = mean @ axes / units(planted, axes)
            np.testing.assert_allclose(measured, 1.5 * np.array([place[0], SECOND_SPREAD * place[1]]), atol=0.06)


def test_rank_one_leaves_the_second_axis_out():
    one, two = (generate(FeatureModel(slides=200, patches=40, rank=rank, strength=3.0), 0) for rank in (1, 2))
    assert one.truth.hospital_axes.shape == (32, 1)
    np.testing.assert_array_equal(one.truth.hospital_axes[:, 0], two.truth.hospital_axes[:, 0])
    values, domains, _ = pool(one)
    means = np.stack([values[domains == domain].mean(axis=0) for domain in (0, 3, 4)])
    assert np.ptp(means @ two.truth.hospital_axes[:, 1]) < 0.2


def test_axes_are_orthonormal_and_the_loud_one_has_the_highest_variance():
    truth = generate(FeatureModel(rank=2, exponent=1.0), 3).truth
    axes = np.column_stack([truth.hospital_axes, truth.tumour_axis, truth.loud_axis])
    np.testing.assert_allclose(axes.T @ axes, np.eye(4), atol=1e-12)
    assert truth.loud_axis @ truth.covariance @ truth.loud_axis == pytest.approx(
        np.linalg.eigvalsh(truth.covariance)[-1]
    )


def test_noise_has_the_spectrum_of_the_model():
    model = FeatureModel(d=8, slides=200, patches=40, tumour=0.0, exponent=1.0)
    planted = generate(model, 0)
    expected = np.arange(1, 9.0) ** -1 / np.mean(np.arange(1, 9.0) ** -1)
    np.testing.assert_allclose(np.linalg.eigvalsh(planted.truth.covariance)[::-1], expected)
    measured = np.cov(pool(planted)[0].T)
    np.testing.assert_allclose(measured, planted.truth.covariance, atol=0.06 * expected[0])


@pytest.mark.parametrize("slide_effect", [0.0, 0.5])
def test_slides_vary_as_planted(slide_effect):
    model = FeatureModel(d=8, slides=300, patches=20, tumour=0.0, slide_effect=slide_effect, exponent=0.5)
    planted = generate(model, 1)
    values, _, slides = pool(planted)
    measured = np.cov(slide_means(values, slides).T)
    np.testing.assert_allclose(measured, (slide_effect**2 + 1 / 20) * planted.truth.covariance, atol=0.05)


def test_splits_share_slides_as_the_data_set_does_and_hold_different_patches():
    features = generate(FeatureModel(slide_effect=3.0, patches=50, tumour=0.0), 0).features
    means = {split: slide_means(features.at(0, split), features.groups(split)) for split in ("train", "id_val", PROBE)}
    assert np.abs(means["train"] - means[PROBE]).max() < 1
    assert np.abs(means["id_val"] - means[PROBE]).max() < 1
    patches = [row.tobytes() for split in means for row in features.at(0, split)]
    assert len(set(patches)) == len(patches)


def test_labels_are_balanced_in_every_slide_unless_their_share_varies():
    for spread, even in ((0.0, True), (0.4, False)):
        features = generate(FeatureModel(share_spread=spread), 0).features
        for split in (*SPLITS, PROBE):
            shares = slide_means(features.labels(split)[:, None], features.groups(split))
            assert np.all(shares == 0.5) == even
            assert shares.min() >= 0.5 - spread - 1 / 24 and shares.max() <= 0.5 + spread + 1 / 24


def test_tumour_lies_along_its_axis():
    planted = generate(LARGE, 0)
    values, _, _ = pool(planted)
    labels = planted.features.labels(PROBE)
    difference = values[labels == 1].mean(axis=0) - values[labels == 0].mean(axis=0)
    sd = units(planted, planted.truth.tumour_axis[:, None])[0]
    np.testing.assert_allclose(difference, LARGE.tumour * sd * planted.truth.tumour_axis, atol=0.06)


def test_head_reads_what_it_is_told_and_is_unbiased():
    model = FeatureModel(d=8, slides=200, patches=40, reliance=0.5, loud=2.0, exponent=1.0)
    planted = generate(model, 0)
    head, truth = planted.features.head(0), planted.truth
    row = head.weight[1] - head.weight[0]
    expected = truth.tumour_axis + 0.5 * truth.hospital_axes[:, 0] + 2.0 * truth.loud_axis
    np.testing.assert_allclose(row, expected, atol=1e-6)
    logits = head.logits(planted.features.at(0, "ood_test"))
    assert abs(np.mean(logits[:, 1] - logits[:, 0])) < 0.15


def test_equal_seeds_give_equal_features_and_strength_moves_hospitals_only():
    model = FeatureModel(slide_effect=0.5, exponent=1.0)
    first, again, other = generate(model, 5), generate(model, 5), generate(model, 6)
    np.testing.assert_array_equal(first.features.at(0, "train"), again.features.at(0, "train"))
    assert not np.array_equal(first.features.at(0, "train"), other.features.at(0, "train"))
    moved = generate(with_strength(model, 2.0), 5)
    shift = moved.features.at(0, PROBE) - first.features.at(0, PROBE)
    for domain in (0, 3, 4):
        chosen = shift[first.features.domains(PROBE) == domain]
        np.testing.assert_allclose(chosen, np.broadcast_to(chosen[0], chosen.shape), atol=1e-5)


def test_features_stand_where_the_pipeline_looks_for_them():
    features = generate(FeatureModel(), 0).features
    assert features.epochs == [0] and features.splits == SPLITS
    assert features.at(0, "train").dtype == np.float32
    for stage in STAGES:
        assert features.at(0, PROBE, stage).shape == (360, 32)
    assert features.at(0, "ood_test").shape == (480, 32)
    assert {split: set(features.domains(split)) for split in SPLITS} == {
        "train": {0, 3, 4},
        "id_val": {0, 3, 4},
        "ood_val": {1},
        "ood_test": {2},
    }
    assert len(np.unique(features.groups(PROBE))) == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 3}, "rank: 3"),
        ({"d": 3}, "d: 3"),
        ({"slides": 1}, "slides, patches, ood_patches: 1, 12, 48"),
        ({"strength": -1.0}, "strength"),
        ({"share_spread": 0.6}, "share_spread"),
    ],
)
def test_models_that_cannot_be_generated_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        FeatureModel(**change)
