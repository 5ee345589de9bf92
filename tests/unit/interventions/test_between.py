"""Hospitals' means and their distances, with and without the noise of slides."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from causalgrok.interventions.between import (
    SlideMeans,
    between_gram,
    draw_slides,
    hospital_fractions,
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


def test_fraction_of_a_channel_is_what_noise_does_not_reach():
    rng = np.random.default_rng(5)
    slides = np.repeat(np.arange(18), rng.integers(2, 9, 18))
    summed = slide_means(rng.standard_normal((len(slides), 7)) + np.outer(HOSPITALS[slides], np.arange(7) / 4), slides)
    groupings = np.stack([HOSPITALS, rng.permutation(HOSPITALS)])
    once, centring, reached = np.ones(groupings.shape), np.eye(3) - 1 / 3, scipy.stats.f.ppf(0.99, 2, 15)
    found = hospital_fractions(summed, groupings)
    assert found.shape == (2, 7)
    for channel in range(7):
        column = summed.means[:, [channel]]
        grams, noises = between_gram(column @ column.T, groupings, summed.sizes, once)
        noise, between = noises.sum(axis=1) * 2 / 3, np.trace(centring @ grams @ centring, axis1=1, axis2=2)
        np.testing.assert_allclose(found[:, channel], np.clip(1 - reached * noise / between, 0, 1), atol=1e-12)
    assert found[0, 6] > 0.7 and found[0, 0] == 0, "planted and not"


def test_one_channel_of_a_hundred_without_a_hospital_effect_has_a_share():
    rng = np.random.default_rng(7)
    summed = SlideMeans(rng.standard_normal((18, 20_000)), np.full(18, 5), np.arange(18))
    assert np.mean(hospital_fractions(summed, HOSPITALS[None]) > 0) == pytest.approx(0.01, abs=0.002)


def test_a_hospital_of_one_slide_has_the_noise_of_the_others():
    rng = np.random.default_rng(8)
    hospitals, sizes = np.repeat([0, 3, 4], [1, 8, 8])[None], np.full(17, 5)
    means = rng.standard_normal((17, 4000))
    gram, noise = between_gram(means @ means.T, hospitals, sizes, np.ones(hospitals.shape))
    assert noise[0, 0] == pytest.approx(4000, rel=0.1) and noise[0, 1] == pytest.approx(500, rel=0.1)
    signal = np.trace(without_noise(gram, noise)[0])
    assert abs(signal) < 0.1 * np.trace(gram[0])
    assert np.isfinite(hospital_fractions(SlideMeans(means, sizes, np.arange(17)), hospitals)).all()


def test_a_channel_that_does_not_vary_has_no_hospital_share():
    values = np.random.default_rng(0).standard_normal((36, 2)) * (1, 0)
    assert hospital_fractions(slide_means(values, np.repeat(np.arange(18), 2)), HOSPITALS[None])[0, 1] == 0
