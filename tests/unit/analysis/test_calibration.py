import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from causalgrok.analysis import calibration
from causalgrok.analysis.calibration import (
    all_cases,
    calibrate,
    clopper_pearson,
    confusion,
    false_alarms,
    known_tests,
)
from causalgrok.analysis.decline_cases import SEEDS, across_seeds, draw
from causalgrok.analysis.settings import DetectorSettings
from causalgrok.analysis.statistics.null_cases import NullCase


def case(rate: float, size: float = 0.05, bound: bool = False) -> NullCase:
    return NullCase(
        test="coin",
        design="one",
        condition="tossed",
        rejects=lambda rng: rng.random() < rate,
        size=size,
        bound=bound,
    )


def test_clopper_pearson_agrees_with_statsmodels():
    assert clopper_pearson(7, 200) == pytest.approx(proportion_confint(7, 200, method="beta"))
    assert clopper_pearson(0, 50)[0] == 0
    with pytest.raises(ValueError, match="successes of"):
        clopper_pearson(3, 2)


@pytest.mark.parametrize(
    ("rate", "size", "bound", "inside"),
    [(0.05, 0.05, False, True), (0.15, 0.05, False, False), (0.0, 0.05, False, False), (0.0, 0.05, True, True),
     (0.15, 0.05, True, False), (0.0, 0.0, False, True)],
)  # fmt: skip
def test_a_rate_is_held_against_its_size(monkeypatch, rate, size, bound, inside):
    monkeypatch.setattr(calibration, "all_cases", lambda: [case(rate, size, bound)])
    row = calibrate(repeats=500).iloc[0]
    assert row["inside"] == inside
    assert row["rejected"] == pytest.approx(500 * rate, abs=4 * (500 * 0.15) ** 0.5 * (rate > 0))
    assert row["low"] <= row["rate"] <= row["high"]


def test_slow_tests_get_fewer_repeats_and_a_case_draws_the_same_alone():
    fisher = calibrate("Fisher", repeats=60)
    assert set(fisher["test"]) == {"Fisher"}
    assert fisher.equals(calibrate("Fisher", repeats=60))
    assert not fisher["rejected"].equals(calibrate("Fisher", repeats=60, seed=1)["rejected"])
    assert calibrate("Holm", repeats=8)["repeats"].tolist() == [2, 2]


def test_every_test_has_a_case_and_every_case_a_name_of_its_own():
    cases = all_cases()
    assert len({(case.test, case.design, case.condition) for case in cases}) == len(cases)
    assert {"permutation", "paired permutation", "Fisher", "Holm", "monotone runs", "log-rank", "TOST"} <= set(
        known_tests()
    )


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: f"{case.test} {case.design} {case.condition}")
def test_every_case_runs(case):
    assert bool(case.rejects(np.random.default_rng(0))) in (True, False)


@pytest.mark.parametrize(
    "test", ["permutation", "paired permutation", "log-rank", "monotone runs", "decline, selection-free"]
)
def test_no_more_is_found_than_the_labelings_allow(test):
    frame = calibrate(test, repeats=60)
    met = frame[frame["assumption"] == "met"]
    assert met["inside"].all()
    assert (met.loc[met["attainable"] == 0, "rejected"] == 0).all()


def test_what_breaks_the_assumption_is_seen(monkeypatch):
    broken = [case for case in all_cases() if case.condition == "one subset an arm"]
    monkeypatch.setattr(calibration, "all_cases", lambda: broken)
    assert not calibrate(repeats=150)["inside"].any()


def test_a_peak_is_no_measure_of_decline():
    assert (calibrate("decline, peak minus end", repeats=200)["rate"] == 1).all()
    chosen = calibrate("decline, epoch of the other hospital", repeats=400).set_index("condition")["rate"]
    assert chosen["hospitals correlate by 0.9"] > 0.9 > chosen["hospitals correlate by 0"]


def test_epochs_of_other_seeds_are_unbiased_and_not_independent():
    rng = np.random.default_rng(0)
    declines = np.stack([across_seeds(*draw(rng, 0.9)) for _ in range(60)])
    assert declines.mean() == pytest.approx(0, abs=4 * declines.mean(axis=1).std() / 60**0.5)
    assert declines.mean(axis=1).std() > 1.2 * declines.std() / SEEDS**0.5


def test_unknown_tests_are_refused():
    with pytest.raises(ValueError, match="test 'chance' is unknown: expected one of permutation"):
        calibrate("chance")
    with pytest.raises(ValueError, match="repeats is 0"):
        calibrate(repeats=0)


@pytest.fixture(scope="module")
def table():
    return confusion(repeats=25)


def test_the_detector_tells_kinds_of_runs_apart(table):
    matrix = table.pivot(index=["scatter", "true"], columns="detected", values="rate")
    assert matrix.sum(axis=1).to_numpy() == pytest.approx(np.ones(10))
    ordinary = matrix.loc["ordinary"]
    assert min(ordinary.loc[label, label] for label in ("grokked", "peak_decline", "plateau", "never_memorised")) >= 0.9
    assert ordinary.loc["semi_grokked", "semi_grokked"] >= 0.5
    assert matrix.loc[("strong", "grokked"), "grokked"] >= 0.7


def test_the_detector_rarely_sees_grokking_where_there_is_none(table):
    alarms = false_alarms(table).set_index(["scatter", "true"])
    assert alarms.loc[("strong", "all"), "runs"] == 100
    assert (alarms["count"] <= 2).all()


def test_false_alarms_by_hand(table):
    counts = (table["true"] == "plateau") & (table["detected"] == "grokked") & (table["scatter"] == "strong")
    alarms = false_alarms(table.assign(count=np.where(counts, 5, 0))).set_index(["scatter", "true"])
    assert alarms.loc[("strong", "plateau"), "rate"] == 5 / 25
    assert alarms.loc[("strong", "all"), "rate"] == 5 / 100
    assert alarms.loc[("strong", "all"), "low"] == pytest.approx(clopper_pearson(5, 100)[0])
    assert alarms.loc[("ordinary", "all"), "rate"] == 0


def test_lower_thresholds_raise_more_alarms(table):
    lax = DetectorSettings(delta=0.03, semi_delta=0.01, rho=1.5, support=0.0)
    alarms = [false_alarms(found).query("true == 'all'")["count"].sum() for found in (table, confusion(25, 0, lax))]
    assert alarms[1] > 10 * max(alarms[0], 1)
