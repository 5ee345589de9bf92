"""INLP takes out nested directions, and each classifier reads nothing of what went before it."""

import numpy as np
import pytest
import scipy.linalg

from causalgrok.interventions.design import Design
from causalgrok.interventions.features import PROBE
from causalgrok.interventions.inlp import fit_inlp
from causalgrok.interventions.logistic import fit_logistic


@pytest.fixture
def sample(planted_features):
    planted = planted_features(epochs=(0,), slide=0.0, patches=60)
    values, hospitals = planted.features.at(0, PROBE).astype(np.float64), planted.features.domains(PROBE)
    fitting = np.arange(len(values)) % 2 == 0
    return planted, Design.of(values[fitting]), hospitals[fitting], values[~fitting], hospitals[~fitting]


def test_ranks_are_nested_and_what_went_is_not_read(sample):
    _, design, hospitals, _, _ = sample
    long, short = (fit_inlp(design, hospitals, C=0.1, iterations=count) for count in (4, 2))
    assert long.ranks.tolist() == [0, 2, 4, 6, 8] and short.ranks.tolist() == [0, 2, 4]
    np.testing.assert_array_equal(long.basis[:, :4], short.basis)
    np.testing.assert_allclose(long.basis.T @ long.basis, np.eye(8), atol=1e-9)
    for rank, probe in zip(long.ranks, long.probes, strict=True):
        np.testing.assert_allclose(probe.raw_weight @ long.basis[:, :rank], 0, atol=1e-9)
    rows = long.probes[1].raw_weight
    assert np.degrees(scipy.linalg.subspace_angles(rows[:2].T, long.basis[:, 2:4])).max() < 1e-4


def test_information_falls_to_chance(sample):
    planted, design, hospitals, judged, truth = sample
    inlp = fit_inlp(design, hospitals, C=0.1, iterations=6)
    accuracy = [np.mean(probe.predict(judged) == truth) for probe in inlp.probes]
    assert accuracy[0] > 0.9 and accuracy[-1] < 0.45
    assert (np.diff(accuracy) < 0.04).all()
    # The planted plane is the first to go, but for what regularisation and noise make of it.
    assert np.degrees(scipy.linalg.subspace_angles(inlp.basis[:, :2], planted.hospital_axes)).max() < 25


def test_first_probe_is_taken_and_weights_are_heeded(sample):
    _, design, hospitals, _, _ = sample
    weights = np.where(hospitals == 0, 2.0, 0.5)
    first = fit_logistic(design, hospitals, C=0.1, weights=weights)
    given = fit_inlp(design, hospitals, C=0.1, iterations=2, weights=weights, first=first)
    assert given.probes[0] is first
    np.testing.assert_allclose(given.basis, fit_inlp(design, hospitals, C=0.1, iterations=2, weights=weights).basis)
    assert not np.allclose(given.basis, fit_inlp(design, hospitals, C=0.1, iterations=2).basis, atol=1e-3)


def test_ends_where_nothing_is_left():
    rng = np.random.default_rng(0)
    hospitals = np.repeat([0, 1, 2], 50)
    values = rng.standard_normal((150, 3)) + np.eye(3)[hospitals]
    inlp = fit_inlp(Design.of(values), hospitals, C=1.0, iterations=8)
    assert inlp.ranks.tolist() == [0, 2, 3] and inlp.basis.shape == (3, 3)
    none = fit_inlp(Design.of(np.full((150, 3), 0.1)), hospitals, C=1.0, iterations=8)
    assert none.ranks.tolist() == [0] and none.basis.shape == (3, 0) and len(none.probes) == 1
