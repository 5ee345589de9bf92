"""Hospitals' means and their distances, with and without the noise of slides."""

import numpy as np
import pytest
import scipy.linalg

from causalgrok.interventions.between import (
    between_gram,
    draw_slides,
    hospital_shares,
    participation_ratio,
    slide_means,
    smallest_angle,
    without_noise,
)

HOSPITALS = np.repeat([0, 3, 4], 6)


def gram_of(means, hospitals, sizes, counts=None):
    counts = np.ones(hospitals.shape) if counts is None else counts
    return without_noise(*between_gram(means @ means.T, hospitals, sizes, counts))


def test_means_of_groupings_are_those_of_their_patches():
    rng = np.random.default_rng(0)
    slides = rng.permutation(np.repeat(np.arange(18), rng.integers(1, 6, 18)))
    values = rng.standard_normal((len(slides), 4))
    summed = slide_means(values, slides)
    np.testing.assert_array_equal(slides[summed.first], np.arange(18))
    groupings = np.stack([HOSPITALS, rng.permutation(HOSPITALS)])
    counts = rng.integers(0, 3, (2, 18)) + (np.arange(18) % 6 == 0)
    for times in (None, counts):
        means = hospital_shares(groupings, summed.sizes, times) @ summed.means
        for index, grouping in enumerate(groupings):
            repeated = np.repeat(np.arange(len(slides)), 1 if times is None else times[index][slides])
            own = grouping[slides[repeated]]
            expected = [values[repeated][own == hospital].mean(axis=0) for hospital in (0, 3, 4)]
            np.testing.assert_allclose(means[index], expected)


def test_a_slide_that_counts_twice_is_two_slides():
    rng = np.random.default_rng(1)
    means, sizes = rng.standard_normal((18, 5)), rng.integers(1, 9, 18)
    counts = rng.integers(1, 4, 18)
    again = np.repeat(np.arange(18), counts)
    expected = gram_of(means[again], HOSPITALS[None, again], sizes[again])
    np.testing.assert_allclose(gram_of(means, HOSPITALS[None], sizes, counts[None]), expected)


def test_noise_of_slides_is_taken_out_in_any_number_of_channels():
    rng = np.random.default_rng(2)
    truth = np.zeros((3, 200))
    truth[:, :2] = [[-1, 0], [1, 0], [0, 0.6]]
    centred = truth - truth.mean(axis=0)
    sizes = rng.integers(5, 15, 18)
    draws = truth[np.searchsorted([0, 3, 4], HOSPITALS)] + 0.25 * rng.standard_normal((400, 18, 200))
    mean = np.mean([gram_of(one, HOSPITALS[None], sizes)[0] for one in draws], axis=0)
    np.testing.assert_allclose(mean, centred @ centred.T, atol=0.04)
    naive = draws[0].reshape(3, 6, 200).mean(axis=1)
    naive = naive - naive.mean(axis=0)
    assert np.trace(naive @ naive.T) > np.trace(centred @ centred.T) + 2
    ratios = [participation_ratio(gram_of(one, HOSPITALS[None], sizes))[0] for one in draws]
    assert np.median(ratios) == pytest.approx(participation_ratio(centred @ centred.T), abs=0.1)
    assert participation_ratio(naive @ naive.T) > participation_ratio(centred @ centred.T) + 0.5


def test_participation_counts_directions():
    line = np.array([[-1.0, 0], [0, 0], [1, 0]])
    triangle = np.array([[0, 1], [np.sqrt(3) / 2, -0.5], [-np.sqrt(3) / 2, -0.5]])
    grams = np.stack([line @ line.T, triangle @ triangle.T, 7 * triangle @ triangle.T])
    np.testing.assert_allclose(participation_ratio(grams), [1, 2, 2])
    assert np.isnan(participation_ratio(np.zeros((3, 3)))) and np.isnan(participation_ratio(-np.eye(3)))


@pytest.mark.parametrize("rank", [1, 2])
def test_angle_is_that_of_scipy(rank):
    rng = np.random.default_rng(3)
    means, other = rng.standard_normal((4, 9)), np.linalg.qr(rng.standard_normal((9, rank)))[0]
    centred = means - means.mean(axis=0)
    along = centred @ other
    expected = np.degrees(scipy.linalg.subspace_angles(centred[:3].T, other)).min()
    assert smallest_angle(centred @ centred.T, along @ along.T) == pytest.approx(expected, abs=1e-6)
    assert np.isnan(smallest_angle(np.zeros((3, 3)), np.eye(3)))


def test_draws_keep_every_hospitals_number_of_slides():
    counts = draw_slides(np.array([0, 0, 0, 5, 5]), 500, np.random.default_rng(4))
    assert (counts[:, :3].sum(axis=1) == 3).all() and (counts[:, 3:].sum(axis=1) == 2).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.15)
    assert counts.max() == 3
