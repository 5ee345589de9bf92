"""Probes read what was planted, on slides they were not fitted on; the permuted control reads nothing."""

import numpy as np
import pandas as pd
import pytest

from causalgrok.columns import COLUMNS
from causalgrok.interventions import probing
from causalgrok.interventions.estimates import estimate
from causalgrok.interventions.features import PROBE, STAGES
from causalgrok.interventions.probing import judging_mask, permute_by_slide, probe_layers, slide_folds
from causalgrok.interventions.settings import Measurement

SETTINGS = Measurement(permutations=6, inverse_regularisation=[1e-2, 1e-1])


def test_planted_signal_is_decoded_and_permuted_is_not(planted_features):
    planted = planted_features(epochs=(0,), slides=10, patches=8)
    frame = probe_layers(planted.features, SETTINGS)
    assert list(frame.columns) == list(COLUMNS["probing"])
    assert list(frame["stage"].unique()) == list(STAGES)
    assert len(frame) == len(STAGES) * (2 + SETTINGS.permutations)
    scores = frame.groupby(["target", "control"])["accuracy"].mean()
    assert scores["hospital", "none"] > 0.9
    assert scores["tumour", "none"] > 0.8
    assert abs(scores["hospital", "permuted"] - 1 / 3) < 0.12
    assert set(frame["C"]) <= set(SETTINGS.inverse_regularisation)
    chance = frame.groupby("target")["chance"].unique()
    assert chance["hospital"].tolist() == [pytest.approx(1 / 3)]
    assert chance["tumour"].tolist() == [0.5]
    assert set(frame["n_fit"]) == {144} and set(frame["n_test"]) == {96}


def test_absent_signal_is_not_decoded(planted_features):
    planted = planted_features(epochs=(0,), hospital=0.0, tumour=0.0, slides=10, patches=20)
    scores = probe_layers(planted.features, Measurement()).groupby("target")["accuracy"].mean()
    assert scores["hospital"] < 0.45
    assert scores["tumour"] < 0.6


def test_permuted_labels_of_patches_on_fitted_slides_never_reach_the_judge(planted_features):
    """With loud slides a probe fitted on judging slides would tell every slide; disjoint slides tell it nothing."""
    planted = planted_features(epochs=(0,), hospital=0.0, slide=3.0, slides=10, patches=6)
    frame = probe_layers(planted.features, SETTINGS).query("control == 'permuted'")
    assert frame["accuracy"].mean() < 0.5


def test_probes_see_fitting_slides_only(planted_features, monkeypatch):
    planted = planted_features(epochs=(0,))
    seen = []
    original = probing.Design.of
    monkeypatch.setattr(probing.Design, "of", lambda values, **how: (seen.append(values), original(values, **how))[1])
    probe_layers(planted.features, SETTINGS)
    judging = judging_mask(planted.features.domains(PROBE), planted.features.groups(PROBE), 0.4, 0)
    assert len(seen) == len(STAGES)
    for values in seen:
        np.testing.assert_array_equal(values, planted.features.at(0, PROBE)[~judging])


def test_judging_patches_do_not_change_the_probe(planted_features):
    planted = planted_features(epochs=(0,))
    before = estimate(planted.features, 0, Measurement()).probe
    judging = judging_mask(planted.features.domains(PROBE), planted.features.groups(PROBE), 0.4, 0)
    planted.arrays["0/probe/pooled"][judging] = 1e3
    np.testing.assert_array_equal(before.weight, estimate(planted.features, 0, Measurement()).probe.weight)


@pytest.mark.parametrize(("slides", "fraction", "judged"), [(10, 0.4, 4), (5, 0.4, 2), (2, 0.9, 1), (3, 0.01, 1)])
def test_judging_mask_takes_whole_slides_of_every_hospital(slides, fraction, judged):
    domains = np.repeat([0, 3, 4], slides * 7)
    groups = np.tile(np.repeat(np.arange(slides), 7), 3)  # slide numbers that start over in every hospital
    mask = judging_mask(domains, groups, fraction, 0)
    for domain in (0, 3, 4):
        counts = [mask[(domains == domain) & (groups == slide)].mean() for slide in range(slides)]
        assert set(counts) == {0, 1} and sum(counts) == judged


def test_judging_mask_depends_on_slides_and_seed_alone():
    domains = np.repeat([0, 3], 60)
    groups = np.repeat(np.arange(20), 6)
    mask = judging_mask(domains, groups, 0.4, 0)
    order = np.random.default_rng(0).permutation(120)[:100]
    np.testing.assert_array_equal(judging_mask(domains[order], groups[order], 0.4, 0), mask[order])
    assert (judging_mask(domains, groups, 0.4, 1) != mask).any()


def test_judging_mask_refuses_a_hospital_with_one_slide():
    with pytest.raises(ValueError, match="hospital 3 has 1 slide"):
        judging_mask(np.array([0, 0, 3, 3]), np.array([0, 1, 2, 2]), 0.4, 0)


def test_folds_hold_whole_slides_and_every_label():
    labels, slides = np.repeat([0, 3, 4], 60), np.repeat(np.arange(15), 12)
    folds = slide_folds(labels, slides, 3, 0)
    assert all(len(np.unique(folds[slides == slide])) == 1 for slide in range(15))
    assert all(len(np.unique(labels[folds == fold])) == 3 for fold in range(3))
    assert np.unique(folds, return_counts=True)[1].tolist() == [60, 60, 60]


def test_permutation_moves_whole_slides_and_keeps_their_number():
    domains, slides = np.repeat([0, 3, 4], 60), np.repeat(np.arange(15), 12)
    permuted = permute_by_slide(domains, slides, np.random.default_rng(0))
    assert (permuted != domains).any()
    assert all(len(np.unique(permuted[slides == slide])) == 1 for slide in range(15))
    assert np.unique(permuted, return_counts=True)[1].tolist() == [60, 60, 60]


def test_twice_the_same(planted_features):
    planted = planted_features(epochs=(0,))
    frames = [probe_layers(planted.features, SETTINGS) for _ in range(2)]
    pd.testing.assert_frame_equal(*frames)
