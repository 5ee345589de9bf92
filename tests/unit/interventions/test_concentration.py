"""Concentrated shortcuts are told from spread ones, and intervals cover what was planted."""

import numpy as np
import pytest

from causalgrok.columns import COLUMNS
from causalgrok.interventions.ablation import ablate_features
from causalgrok.interventions.concentration import inlp_measures
from causalgrok.interventions.features import PROBE
from causalgrok.interventions.settings import Measurement

SETTINGS = Measurement(inverse_regularisation=[0.1], inlp_iterations=5, bootstraps=100, refits=9)
QUICK = Measurement(inverse_regularisation=[0.1], folds=2, inlp_iterations=1, bootstraps=100, refits=3)
PARTICIPATION = 8.96**2 / (8**2 + 0.96**2)
"""Of the places of the train hospitals: (-2, 0), (2, 0) and (0, 1.2)."""


def measured(features, settings=SETTINGS):
    frame = ablate_features(features, settings, ("concentration",))["concentration"]
    assert list(frame.columns) == list(COLUMNS["concentration"])
    return frame[frame["epoch"] == frame["epoch"].min()].set_index("measure")


def test_curves_by_hand():
    ranks = np.array([0, 2, 4])
    curves = np.array([[0.4, 0.0, 0.0], [0.4, 0.4, 0.4], [0.4, 0.3, -0.1], [0.0, 0.2, 0.1], [-0.1, 0.2, 0.0]])
    area, half = inlp_measures(curves, ranks, 4)
    np.testing.assert_allclose(area, [0.25, 1, (1.75 + 0.75) / 4, np.nan, np.nan])
    np.testing.assert_allclose(half, [1, 4, 2 + 2 / 3, np.nan, np.nan])
    # A curve that ended early goes on as it ended, and its unit does not matter.
    area, half = inlp_measures(10 * curves[1:3], ranks, 8)
    np.testing.assert_allclose(area, [1, 2.5 / 8])
    np.testing.assert_allclose(half, [8, 2 + 2 / 3])


def test_a_spread_shortcut_has_more_area_than_a_concentrated_one(planted_features):
    areas, halves = [], []
    for copies in (1, 2, 4):
        planted = planted_features(epochs=(0,), hospital=0.0, slide=0.0, patches=60, rotate=False)
        values, hospitals = planted.arrays["0/probe/pooled"], planted.features.domains(PROBE)
        place = np.array([[-2.0, 0], [2, 0], [0, 1.2]])[np.searchsorted([0, 3, 4], hospitals)]
        for copy in range(copies):
            # Each copy of the plane tells hospitals apart on its own, on a scale of its own: on equal scales their sum
            # would be the one plane that does.
            values[:, 4 + 2 * copy : 6 + 2 * copy] = 4**copy * (values[:, 4 + 2 * copy : 6 + 2 * copy] + place)
        row = measured(planted.features)
        assert (row["low"] <= row["value"] + 1e-9).all() and (row["value"] <= row["high"] + 1e-9).all()
        areas.append(row["value"]["inlp_area"])
        halves.append(row["value"]["inlp_half_rank"])
    assert areas[0] < areas[1] - 0.05 < areas[2] - 0.1 and areas[0] < 0.25
    assert halves[0] < halves[1] < halves[2] and halves[0] < 2.5


@pytest.mark.parametrize(("reads", "angle"), [("hospital", 0), ("both", 45), ("tumour", 90)])
def test_angle_of_the_head(planted_features, reads, angle):
    planted = planted_features(epochs=(0,), reads=reads, slide=0.02, patches=60, tumour=4.0)
    assert measured(planted.features, QUICK)["value"]["head_angle"] == pytest.approx(angle, abs=5)


def test_angle_of_a_head_of_more_classes(planted_features):
    planted = planted_features(epochs=(0,), slide=0.02, patches=60)
    rows = np.stack([planted.tumour_axis, planted.hospital_axes[:, 0], np.zeros(24)])
    # A row that all classes have in common does not matter.
    common = 5 * np.random.default_rng(0).standard_normal(24)
    planted.arrays["0/head.weight"] = (rows + common).astype(np.float32)
    assert measured(planted.features, QUICK)["value"]["head_angle"] == pytest.approx(0, abs=5)
    planted.arrays["0/head.weight"] = np.tile(common, (3, 1)).astype(np.float32)
    assert measured(planted.features, QUICK).loc["head_angle", ["value", "low", "high", "null"]].isna().all()


def test_scale_and_rotation_change_nothing(planted_features):
    row = measured(planted_features(epochs=(0,), reads="both").features)
    for turned in (False, True):
        planted = planted_features(epochs=(0,), reads="both")
        rotation = np.linalg.qr(np.random.default_rng(5).standard_normal((24, 24)))[0] if turned else np.eye(24)
        for name in ("0/probe/pooled", "0/head.weight"):
            planted.arrays[name] = (4 * planted.arrays[name].astype(np.float64) @ rotation).astype(np.float32)
        other = measured(planted.features)
        numbers = ["value", "low", "high"]
        means = ["between_participation", "head_angle"]
        np.testing.assert_allclose(row.loc[means, numbers], other.loc[means, numbers], rtol=1e-3)
        if not turned:  # INLP standardises channels
            np.testing.assert_allclose(row[numbers].astype(float), other[numbers].astype(float), rtol=1e-3)


def test_intervals_cover_what_was_planted(planted_features):
    covered = {"between_participation": [], "head_angle": []}
    for seed in range(40):
        planted = planted_features(epochs=(0,), reads="both", slide=0.3, slides=8, patches=4, seed=seed)
        row = measured(planted.features, QUICK)
        for measure, truth in {"between_participation": PARTICIPATION, "head_angle": 45.0}.items():
            covered[measure].append(row.loc[measure, "low"] <= truth <= row.loc[measure, "high"])
    assert all(np.mean(hits) >= 0.85 for hits in covered.values())


def test_where_hospitals_are_alike_nothing_is_concentrated(planted_features):
    missing = {"inlp_area": 0, "between_participation": 0}
    for seed in range(8):
        row = measured(planted_features(epochs=(0,), hospital=0.0, slide=0.3, seed=seed).features, QUICK)
        for measure in missing:
            assert row.loc[measure, ["value", "low", "high"]].isna().nunique() == 1
            missing[measure] += np.isnan(row.loc[measure, "value"])
    assert min(missing.values()) >= 6


def test_constant_features_have_no_measure(planted_features):
    planted = planted_features(epochs=(0,))
    planted.arrays["0/probe/pooled"] = np.full_like(planted.arrays["0/probe/pooled"], 0.1)
    frame = ablate_features(planted.features, QUICK, ("concentration",))["concentration"]
    assert len(frame) == 4 and frame[["value", "low", "high", "null"]].isna().all(axis=None)


def test_one_judging_slide_a_hospital_is_enough(planted_features):
    row = measured(planted_features(epochs=(0,), slides=3).features, QUICK)
    assert row["value"].notna().all() and np.isnan(row.loc["inlp_area", "null"])


def test_the_same_in_every_call_and_at_equal_checkpoints(planted_features):
    frame = ablate_features(planted_features().features, QUICK, ("concentration",))["concentration"]
    first, second = (frame[frame["epoch"] == epoch].drop(columns="epoch").to_numpy() for epoch in (0, 10))
    np.testing.assert_array_equal(first[:, 0], second[:, 0])
    np.testing.assert_array_equal(first[:, 1:].astype(float), second[:, 1:].astype(float))
