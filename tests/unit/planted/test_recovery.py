"""What is recovered is measured against the truth: angles, covariances and the table's bounds."""

import numpy as np
import pytest

from causalgrok.columns import COLUMNS
from causalgrok.interventions import erasure
from causalgrok.interventions.erasers import leace_eraser, orthogonal_eraser
from causalgrok.planted.cases import STRONG
from causalgrok.planted.recovery import angle_between, cross_covariance, recovery_of_case


def test_angle_between_known_subspaces():
    axis = np.array([[np.cos(0.3)], [np.sin(0.3)], [0.0]])
    assert angle_between(np.eye(3)[:, :1], axis) == pytest.approx(np.degrees(0.3))
    assert angle_between(np.eye(3)[:, :1], -2 * axis) == pytest.approx(np.degrees(0.3))
    assert angle_between(np.eye(3)[:, :2], axis) == pytest.approx(0, abs=1e-6)
    assert angle_between(np.eye(3)[:, 1:], np.eye(3)[:, :2]) == pytest.approx(90)


def test_cross_covariance_is_what_is_left_of_the_largest():
    rng = np.random.default_rng(0)
    hospitals = np.repeat([0, 3, 4], 50)
    features = rng.standard_normal((150, 5)) + np.outer(hospitals == 3, [4, 0, 0, 0, 0]) + 7
    nothing = orthogonal_eraser(np.zeros((5, 1)))
    assert cross_covariance(nothing, features, hospitals) == pytest.approx(1)
    assert cross_covariance(leace_eraser(features, hospitals), features, hospitals) < 1e-9
    first = orthogonal_eraser(np.eye(5)[:, :1])
    one_hot = np.equal.outer(hospitals, [0, 3, 4]).astype(float)
    covariance = np.abs(np.cov(features.T, one_hot.T)[:5, 5:])
    assert cross_covariance(first, features, hospitals) == pytest.approx(covariance[1:].max() / covariance.max())


def test_recovery_of_the_easy_case_meets_what_is_demanded(monkeypatch):
    monkeypatch.setattr(erasure, "_EPOCHS", 2)  # its networks are tested where they live
    table = recovery_of_case("iid", repeats=20, seed=0)
    assert list(table) == list(COLUMNS["recovery"])
    assert not table.duplicated(["strength", "measure"]).any()
    assert set(table["strength"]) == {STRONG}
    rows = table.set_index("measure")
    assert rows.loc["direction_angle", "value"] < rows.loc["direction_angle", "expected"] == 10
    assert rows.loc["rank", "value"] == 1
    assert rows.loc["leace_cross_covariance", "high"] < rows.loc["leace_cross_covariance", "expected"]
    assert rows.loc["leace_heldout_accuracy", "value"] == pytest.approx(1 / 3, abs=0.02)
    assert rows.loc["none_heldout_accuracy", "value"] > 0.9
    assert rows.loc["between_participation", "value"] == pytest.approx(1, abs=0.05)
    assert rows.loc["leace_fresh_accuracy", "value"] < 0.45
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()


def test_unknown_cases_are_refused():
    with pytest.raises(ValueError, match="'flat' is not one of"):
        recovery_of_case("flat", repeats=20, seed=0)
