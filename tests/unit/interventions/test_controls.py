"""Controls have the law they claim, are nested, and are keyed by purpose."""

from itertools import permutations

import numpy as np
import pytest

from causalgrok.interventions.controls import (
    covariance_matched_directions,
    covariance_matched_subspaces,
    generator,
    isotropic_directions,
    isotropic_subspaces,
    permute_by_slide,
    permuted_domains,
    slide_ids,
    without_label_means,
)


@pytest.fixture
def features():
    """Features (500, 6) with a known anisotropic covariance, far from the origin."""
    rng = np.random.default_rng(0)
    return 5 + rng.standard_normal((500, 6)) @ (np.diag([4, 2, 1, 1, 0.5, 0.1]) @ rng.standard_normal((6, 6)))


def test_subspaces_are_orthonormal_and_isotropic():
    bases = isotropic_subspaces(12, 3, 400, seed=0)
    np.testing.assert_allclose(bases.transpose(0, 2, 1) @ bases, np.broadcast_to(np.eye(3), (400, 3, 3)), atol=1e-12)
    # The mean projection of an isotropic subspace of rank r is r / d times the identity.
    for rank in (1, 2, 3):
        projection = np.mean(bases[:, :, :rank] @ bases[:, :, :rank].transpose(0, 2, 1), axis=0)
        np.testing.assert_allclose(projection, rank / 12 * np.eye(12), atol=0.06)


def test_leading_columns_and_draws_do_not_depend_on_rank_or_repeats(features):
    three, one = isotropic_subspaces(12, 3, 4, seed=0), isotropic_subspaces(12, 1, 2, seed=0)
    np.testing.assert_allclose(three[:2, :, :1], one)
    assert isotropic_subspaces(2, 5, 3, seed=0).shape == (3, 2, 2)
    three, one = (covariance_matched_subspaces(features, rank, rank + 1, seed=0) for rank in (3, 1))
    np.testing.assert_allclose(three[:2, :, :1], one)
    assert covariance_matched_subspaces(features, 9, 3, seed=0).shape == (3, 6, 6)
    many, few = (covariance_matched_directions(features, repeats, seed=0) for repeats in (5, 2))
    np.testing.assert_allclose(many[:2], few)


def test_directions_are_unit_vectors_around_nothing():
    vectors = isotropic_directions(12, 2000, seed=0)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.abs(vectors.mean(axis=0)).max() < 0.03


def test_matched_directions_have_the_law_of_factor_times_noise(features):
    """Unit vectors lose their length, so they are compared with L g / |L g| of an explicit factor L."""
    matched = covariance_matched_directions(features, 4000, seed=0)
    np.testing.assert_allclose(np.linalg.norm(matched, axis=1), 1)
    factor = np.linalg.cholesky(np.cov(features.T))
    explicit = np.random.default_rng(1).standard_normal((4000, 6)) @ factor.T
    explicit /= np.linalg.norm(explicit, axis=1, keepdims=True)
    np.testing.assert_allclose(matched.T @ matched / 4000, explicit.T @ explicit / 4000, atol=0.04)
    assert np.abs(matched.mean(axis=0)).max() < 0.06
    isotropic = isotropic_directions(6, 4000, seed=0)
    assert np.abs(isotropic.T @ isotropic - explicit.T @ explicit).max() > 0.1 * 4000


def test_matched_directions_before_they_are_scaled_have_the_features_covariance(features, monkeypatch):
    monkeypatch.setattr("causalgrok.interventions.controls._unit", lambda vectors: vectors)
    vectors = covariance_matched_directions(features, 8000, seed=0)
    covariance = np.cov(features.T)
    spread = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    # The standard error of a covariance over m draws is at most sqrt(2 / m) of the spread, here .016.
    np.testing.assert_array_less(np.abs(vectors.T @ vectors / 8000 - covariance) / spread, 0.06)


def test_matched_subspaces_are_orthonormal_and_lie_where_features_vary(features):
    flat = np.hstack([features[:, :2], np.zeros((500, 3))])
    bases = covariance_matched_subspaces(flat, 3, 50, seed=0)
    np.testing.assert_allclose(bases.transpose(0, 2, 1) @ bases, np.broadcast_to(np.eye(3), (50, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(bases[:, 2:, :2], 0, atol=1e-12)
    np.testing.assert_allclose(bases[:, :2, 2], 0, atol=1e-12)
    leading = covariance_matched_subspaces(features, 1, 2000, seed=0)[:, :, 0]
    directions = covariance_matched_directions(features, 2000, seed=1)
    np.testing.assert_allclose(leading.T @ leading / 2000, directions.T @ directions / 2000, atol=0.05)


def test_features_that_do_not_vary_give_no_direction():
    assert not covariance_matched_directions(np.full((9, 4), 2.0), 3, seed=0).any()


def test_equal_slide_numbers_of_two_hospitals_are_two_slides():
    ids = slide_ids(np.array([0, 0, 3, 3, 3]), np.array([7, 8, 7, 7, 9]))
    assert ids.tolist() == [0, 1, 2, 2, 3]


def test_permuted_domains_move_whole_slides_and_keep_their_number():
    domains, slides = np.repeat([0, 3, 4], 60), np.tile(np.repeat(np.arange(5), 12), 3)
    draws = permuted_domains(domains, slides, 30, seed=0)
    assert draws.shape == (30, 180)
    ids = slide_ids(domains, slides)
    for draw in draws:
        assert all(len(np.unique(draw[ids == slide])) == 1 for slide in range(15))
        assert np.unique(draw, return_counts=True)[1].tolist() == [60, 60, 60]
        assert set(draw) == {0, 3, 4}
        # Names are dealt out by first appearance, as in the true grouping.
        assert draw[0] == 0
    assert len(np.unique(draws, axis=0)) == 30
    np.testing.assert_array_equal(draws[:4], permuted_domains(domains, slides, 4, seed=0))
    assert (draws[0] != permuted_domains(domains, slides, 1, seed=0, purpose="other")[0]).any()
    assert (draws[0] != permuted_domains(domains, slides, 1, seed=1)[0]).any()


def test_order_of_examples_does_not_matter():
    domains, slides = np.repeat([0, 3, 4], 8), np.tile(np.repeat(np.arange(4), 2), 3)
    order = np.random.default_rng(0).permutation(24)
    draws = permuted_domains(domains, slides, 10, seed=0)
    np.testing.assert_array_equal(draws[:, order], permuted_domains(domains[order], slides[order], 10, seed=0))


def test_every_grouping_comes_up_equally_often_whatever_its_hospitals_are_called():
    domains, slides = np.array([1, 1, 5, 5]), np.array([0, 1, 2, 3])
    groupings, counts = np.unique(permuted_domains(domains, slides, 3000, seed=0), axis=0, return_counts=True)
    assert groupings.tolist() == [[1, 1, 5, 5], [1, 5, 1, 5], [1, 5, 5, 1]]
    assert np.abs(counts - 1000).max() < 100


def test_uneven_hospitals_give_every_split_of_their_slides():
    domains, slides = np.array([2, 2, 2, 9, 9]), np.arange(5)
    draws = permuted_domains(domains, slides, 500, seed=0)
    same = {tuple(draw == draw[0]) for draw in draws}
    assert same == {tuple(np.array(p) == p[0]) for p in permutations([2, 2, 2, 9, 9])}


@pytest.mark.parametrize(("domains", "slides"), [([0, 0, 0], [1, 2, 3]), ([0, 0, 3, 4, 4], [1, 1, 1, 2, 2])])
def test_hospitals_that_can_be_grouped_in_one_way_only_are_refused(domains, slides):
    with pytest.raises(ValueError, match="one way only; take two hospitals or more, and two slides"):
        permuted_domains(np.array(domains), np.array(slides), 3, seed=0)


@pytest.mark.parametrize("slides", [2, 4])
def test_rank_among_refits_is_exact_however_few_the_slides_are(slides):
    """With 2 + 2 slides there are three groupings: a test at 40 % may reject in one data set of three, at most."""
    domains, ids = np.repeat([0, 1], slides), np.arange(2 * slides)
    draws = permuted_domains(domains, ids, 39, seed=0)
    rng = np.random.default_rng(slides)
    p = []
    for _ in range(400):
        values = rng.standard_normal(2 * slides)
        gap, *others = (abs(values[draw == 0].mean() - values[draw == 1].mean()) for draw in [domains, *draws])
        p.append((1 + np.sum(np.array(others) >= gap)) / 40)
    p = np.array(p)
    for level in (0.05, 0.2, 0.4):
        # Three standard errors of a share of 400.
        assert np.mean(p <= level) < level + 3 * np.sqrt(level * (1 - level) / 400)
    assert np.mean(p <= 0.4) > 0.25


def test_label_means_are_taken_out_and_balanced_hospitals_keep_their_differences():
    rng = np.random.default_rng(0)
    domains, labels = np.repeat([0, 1, 2], 20), np.tile([0, 1], 30)
    values = rng.standard_normal((60, 4)) + domains[:, None] + 10 * labels[:, None]
    left = without_label_means(values.astype(np.float32), labels)
    for label in (0, 1):
        np.testing.assert_allclose(left[labels == label].mean(axis=0), 0, atol=1e-12)
    gap = values[domains == 2].mean(axis=0) - values[domains == 0].mean(axis=0)
    np.testing.assert_allclose(left[domains == 2].mean(axis=0) - left[domains == 0].mean(axis=0), gap, atol=1e-5)
    # Tumour of hospital 2 against all of hospital 0: the labels' difference, 5 here, is gone, the hospitals' stays.
    gap = left[(domains == 2) & (labels == 1)].mean(axis=0) - left[domains == 0].mean(axis=0)
    assert np.abs(gap - 2).max() < 1.5


def test_permuting_by_slide_moves_whole_slides():
    domains, slides = np.repeat([0, 3, 4], 60), np.repeat(np.arange(15), 12)
    permuted = permute_by_slide(domains, slides, np.random.default_rng(0))
    assert (permuted != domains).any()
    assert all(len(np.unique(permuted[slides == slide])) == 1 for slide in range(15))
    assert np.unique(permuted, return_counts=True)[1].tolist() == [60, 60, 60]


def test_generators_of_different_purposes_are_different():
    draws = {
        generator(*key).random() for key in [(0, "a"), (1, "a"), (0, "b"), (0, "a", 1), (0, "a", 2), (0, "a", 1, 2)]
    }
    assert len(draws) == 6
    assert generator(0, "a", 1).random() == generator(0, "a", 1).random()
