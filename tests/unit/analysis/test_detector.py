import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from causalgrok.analysis.detector import detect, mean_error, running_median, sensitivity
from causalgrok.analysis.settings import DetectorSettings
from causalgrok.analysis.synthetic_curves import synthetic_curve

STEPS = np.arange(0, 2001, 10)
SETTINGS = DetectorSettings()


def memorising(at=50) -> np.ndarray:
    return np.where(at <= STEPS, 1.0, 0.5)


def rising(to=0.9, at=500, start=0.1) -> np.ndarray:
    return np.where(at <= STEPS, to, start)


def run(test, train=None, chance=0.1, **thresholds):
    train = memorising() if train is None else train
    return detect(STEPS, train, test, chance, DetectorSettings(**thresholds))


def noisy(test, size=0.01, seed=0) -> np.ndarray:
    return test + size * np.random.default_rng(seed).normal(size=len(test))


def test_a_delayed_jump_is_read_off_exactly():
    found = run(rising())
    assert found.label == "grokked"
    assert (found.alpha_0, found.alpha_0_test, found.alpha_1) == (50, 490, 500)
    assert (found.sigma_S, found.sigma_E) == (0.1, pytest.approx(0.9))
    assert found.delta_S == pytest.approx(0.8)
    assert found.delta_T == pytest.approx(0.1)
    assert found.delay == 10
    assert found.support == 1500
    assert (found.censored, found.time) == (False, 500)
    assert (found.drift, found.plateau_error, found.decline) == pytest.approx((0, 0, 0))


@pytest.mark.parametrize("level", [0.7, 0.3 + 0.6, 0.1 * 7, 0.55])
def test_rounding_of_a_constant_plateau_moves_nothing(level):
    found = run(rising(to=level, start=level - 0.1), delta=0.1)
    assert (found.label, found.alpha_1) == ("grokked", 500)


def test_noise_moves_little():
    found = run(noisy(rising()))
    assert found.label == "grokked"
    assert found.alpha_1 == 500
    assert found.plateau == pytest.approx(0.9, abs=0.01)
    assert found.sigma_E == found.plateau - 2 * found.plateau_error
    assert 0 < found.plateau_error < 0.003


def test_creeping_towards_the_limit_is_not_waited_for():
    """Nine tenths of the way at step 500 + 100 ln 10, then on without any scatter."""
    test = np.where(STEPS < 500, 0.1, 1 - 0.9 * np.exp(-(STEPS - 500) / 100))
    found = run(test)
    assert found.label == "grokked"
    assert found.alpha_1 == pytest.approx(500 + 100 * np.log(10), abs=10)
    assert run(test, tolerance=0.0).alpha_1 > 1200


def test_a_ceiling_below_one_can_be_grokked_unless_the_task_has_none():
    assert run(rising(to=0.5)).label == "grokked"
    assert run(rising(to=0.5), ceiling=1.0).label == "semi_grokked"
    assert run(rising(to=0.95), ceiling=1.0).label == "grokked"


def test_what_has_not_stayed_as_long_as_it_took_is_not_grokked_yet():
    found = run(rising(at=1300))
    assert found.label == "semi_grokked"
    assert (found.censored, found.time) == (True, 2000)
    assert run(rising(at=1300), support=0.5).label == "grokked"
    assert run(rising(at=1020)).label == "grokked", "S = 980 >= 970"
    assert run(rising(at=1030)).label == "semi_grokked", "S = 970 < 980"


def test_a_small_delayed_rise_is_semi_grokking():
    assert run(rising(to=0.18)).label == "semi_grokked"
    assert run(rising(to=0.14)).label == "plateau"
    assert run(rising(to=0.18), delta=0.07).label == "grokked"


def test_generalising_with_the_training_set_is_no_grokking():
    together = rising(at=50)
    found = run(together)
    assert found.label == "plateau"
    assert found.censored
    assert found.delta_S == pytest.approx(0)
    soon = run(rising(at=140))
    assert soon.label == "plateau"
    assert soon.delay == pytest.approx(2.8)
    assert run(rising(at=140), rho=2.5).label == "grokked"


def test_coming_up_to_chance_is_no_grokking():
    assert run(rising(start=0.2, to=0.5), chance=0.5).label == "plateau"
    assert run(rising(start=0.2, to=0.5), chance=0.1).label == "grokked"


def test_a_late_decline_is_seen():
    test = noisy(np.where(STEPS < 300, 0.8, 0.65))
    found = run(test, chance=0.5)
    assert found.label == "peak_decline"
    assert found.decline == pytest.approx(0.15, abs=0.02)
    assert found.decline_step < 300
    assert found.censored


def test_noise_is_no_decline_though_its_maximum_always_is():
    found = [run(noisy(np.full(len(STEPS), 0.7), 0.03, seed), chance=0.5).label for seed in range(60)]
    assert found.count("plateau") >= 58


def test_a_run_that_never_memorises_is_censored():
    found = run(rising(), train=np.full(len(STEPS), 0.98))
    assert found.label == "never_memorised"
    assert np.isnan([found.alpha_0, found.sigma_S, found.delta_S, found.delay]).all()
    assert (found.censored, found.time) == (True, 2000)


def test_a_spike_is_bridged_and_a_collapse_is_not():
    spiked, collapsed = noisy(rising()), noisy(rising())
    spiked[100:102] = 0.2
    collapsed[100:106] = 0.2
    assert run(spiked).alpha_1 == 500
    assert run(collapsed).alpha_1 == STEPS[106]


def test_a_run_that_grokked_and_lost_it_declined():
    test = noisy(np.where((STEPS >= 500) & (STEPS < 1200), 0.9, 0.1))
    assert run(test).label == "peak_decline"


def test_a_run_that_still_rises_has_a_low_bound_and_a_drift():
    found = run(np.linspace(0.1, 0.9, len(STEPS)))
    assert found.drift > 0.05
    assert found.sigma_E < found.plateau - 0.05


def test_only_ratios_of_steps_count():
    test = noisy(rising())
    one = detect(STEPS, memorising(), test, 0.1, SETTINGS)
    other = detect(STEPS * 32, memorising(), test, 0.1, SETTINGS)
    assert other.label == one.label
    assert (other.alpha_0, other.alpha_1, other.support) == (32 * one.alpha_0, 32 * one.alpha_1, 32 * one.support)
    assert other.delay == one.delay


def test_log_spaced_evaluations():
    steps = np.unique(np.geomspace(1, 1e5, 120).round())
    train, test = np.where(steps >= 100, 1.0, 0.5), np.where(steps >= 5_000, 0.9, 0.1)
    found = detect(steps, train, test, 0.1, SETTINGS)
    assert found.label == "grokked"
    assert found.alpha_1 == steps[steps >= 5_000][0]


def test_memorised_from_the_start():
    found = run(rising(), train=np.ones(len(STEPS)))
    assert found.alpha_0 == 0
    assert found.delay == 50, "against the first step there is"


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_the_standard_error_respects_autocorrelation(memory):
    rng = np.random.default_rng(0)
    shocks = rng.normal(size=(60, 1_000)) * np.sqrt(1 - memory**2)
    series = np.empty_like(shocks)
    series[0] = rng.normal(size=1_000)
    for step in range(1, 60):
        series[step] = memory * series[step - 1] + shocks[step]
    claimed = np.mean([mean_error(values) for values in series.T])
    assert claimed == pytest.approx(series.mean(axis=0).std(), rel=0.15)


def test_the_standard_error_of_a_constant_is_none_and_never_above_the_spread():
    assert mean_error(np.full(10, 0.1)) == pytest.approx(0, abs=1e-12)
    trend = np.arange(10.0)
    assert mean_error(trend) == pytest.approx(trend.std(ddof=1))


def test_the_running_median_by_hand():
    assert running_median(np.array([1.0, 9.0, 2.0, 3.0, 4.0]), 3).tolist() == [1, 2, 3, 3, 4]
    assert running_median(np.array([3.0, 1.0]), 1).tolist() == [3, 1]


def test_the_sensitivity_table_holds_the_verdict_under_every_threshold():
    test = noisy(rising(to=0.3))
    table = sensitivity(STEPS, memorising(), test, 0.1, SETTINGS, deltas=(0.1, 0.3), rhos=(3.0, 20.0))
    assert len(table) == 2 * 2 * 2 * 2
    labels = table.groupby(["delta", "rho"])["label"].unique().map(list).to_dict()
    assert labels == {(0.1, 3): ["grokked"], (0.1, 20): ["plateau"], (0.3, 3): ["semi_grokked"], (0.3, 20): ["plateau"]}
    same = table[(table["delta"] == 0.1) & (table["rho"] == 3) & (table["plateau"] == 0.25)].iloc[-1]
    assert same["delta_S"] == run(test).delta_S


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ((STEPS[:5], memorising(), rising()), "shapes are"),
        ((STEPS[::-1], memorising(), rising()), "do not ascend"),
        ((STEPS - 10, memorising(), rising()), "do not ascend"),
        ((STEPS, memorising(), 100 * rising()), "test_accuracy has values outside 0 to 1"),
        ((STEPS, np.full(len(STEPS), np.nan), rising()), "train_accuracy has values outside 0 to 1"),
        ((STEPS[:8], memorising()[:8], rising()[:8]), "8 evaluations are too few"),
    ],
)
def test_bad_curves_are_refused(curves, message):
    with pytest.raises(ValueError, match=message):
        detect(*curves, 0.1, SETTINGS)


def test_a_chance_that_is_none_is_refused():
    with pytest.raises(ValueError, match="chance has values outside"):
        detect(STEPS, memorising(), rising(), 10, SETTINGS)


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"delta": 0.02}, "semi_delta 0.05 is above delta 0.02"),
        ({"median": 4}, "median 4 is even"),
        ({"rho": 1.0}, "greater than 1"),
        ({"sigma": 0.1}, "Extra inputs"),
        ({"delta": True}, "delta"),
    ],
)
def test_bad_thresholds_are_refused(thresholds, message):
    with pytest.raises(ValidationError, match=message):
        DetectorSettings(**thresholds)


def test_alpha_1_lies_where_the_synthetic_run_turned():
    rng = np.random.default_rng(0)
    runs = [synthetic_curve("grokked", rng) for _ in range(40)]
    found = [detect(run.steps, run.train, run.test, run.chance, SETTINGS) for run in runs]
    ratio = np.array([one.alpha_1 / run.turn for one, run in zip(found, runs, strict=True) if one.label == "grokked"])
    assert len(ratio) >= 36
    assert np.median(ratio) == pytest.approx(1.2, abs=0.3), "past half of the rise, by its width"
    assert np.mean((ratio > 0.8) & (ratio < 2)) >= 0.9
    converged = np.array([one.alpha_0 / run.memorised for one, run in zip(found, runs, strict=True)])
    assert np.median(converged) == pytest.approx(1.7, abs=0.4)


def test_synthetic_runs_are_what_real_ones_are_like():
    rng = np.random.default_rng(1)
    for label, scatter in itertools.product(("grokked", "plateau", "never_memorised"), ("ordinary", "strong")):
        run = synthetic_curve(label, rng, scatter=scatter)
        assert run.steps[0] == 0
        assert (np.diff(run.steps) > 0).all()
        assert len(run.steps) == len(run.train) == len(run.test) > 90
        assert run.test.min() >= 0 and run.test.max() <= 1
        assert (run.train.max() >= 0.99) == (label != "never_memorised")
    with pytest.raises(ValueError, match="label 'ungrokked' is unknown"):
        synthetic_curve("ungrokked", rng)
