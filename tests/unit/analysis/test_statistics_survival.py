import itertools

import numpy as np
import pytest
from lifelines.statistics import logrank_test
from scipy import stats
from statsmodels.duration.survfunc import survdiff

from causalgrok.analysis.statistics.survival import kaplan_meier, log_rank, log_rank_scores, median_time

TIMES_A, GROKKED_A = np.array([5.0, 6.0, 7.0, 10.0, 10.0]), np.array([1, 1, 1, 0, 0], bool)
TIMES_B, GROKKED_B = np.array([8.0, 10.0, 10.0]), np.array([1, 0, 0], bool)


def test_the_curve_by_hand():
    """Runs end at 2 (grokked), 3 (stopped), 4 (both grokked): 3/4, then 3/4 * 0."""
    curve = kaplan_meier([2, 3, 4, 4], [True, False, True, True]).set_index("time")
    assert curve["not_grokked"].to_dict() == pytest.approx({0: 1, 2: 0.75, 3: 0.75, 4: 0})
    assert curve["at_risk"].to_dict() == {0: 4, 2: 4, 3: 3, 4: 2}
    assert ((curve["low"] <= curve["not_grokked"]) & (curve["not_grokked"] <= curve["high"])).all()


def test_censored_runs_move_the_median():
    everyone = median_time(TIMES_A, np.ones(5, bool))
    assert (everyone.median, everyone.runs, everyone.events) == (7, 5, 5)
    some = median_time([5, 6, 7, 5.5, 5.5], [True, True, True, False, False])
    assert some.median == 6, "1, 4/5, then 4/5 * 1/2"
    dropped = median_time([5, 6, 7], [True, True, True])
    assert dropped.median == 6


def test_a_median_that_was_not_reached_is_infinite():
    found = median_time([5, 6, 10, 10, 10], [True, True, False, False, False])
    assert found.median == np.inf
    assert found.high == np.inf
    assert found.events == 2


def test_the_interval_holds_the_median_and_narrows_with_runs():
    few, many = (median_time(stats.expon.ppf((np.arange(n) + 0.5) / n), np.ones(n, bool)) for n in (10, 400))
    assert few.low <= few.median <= few.high
    assert many.low < np.log(2) < many.high
    assert many.high - many.low < few.high - few.low


def test_log_rank_scores_by_hand():
    """Pooled hazard: 1/8, + 1/7, + 1/6, + 1/5 at times 5, 6, 7, 8."""
    scores = log_rank_scores(np.concatenate([TIMES_A, TIMES_B]), np.concatenate([GROKKED_A, GROKKED_B]))
    hazard = np.cumsum([1 / 8, 1 / 7, 1 / 6, 1 / 5])
    expected = [1 - hazard[0], 1 - hazard[1], 1 - hazard[2], -hazard[3], -hazard[3], 1 - hazard[3], *([-hazard[3]] * 2)]
    assert scores == pytest.approx(expected)
    assert scores.sum() == pytest.approx(0)


def test_the_exact_p_agrees_with_listing_every_labeling():
    times, events = np.concatenate([TIMES_A, TIMES_B]), np.concatenate([GROKKED_A, GROKKED_B])

    def observed_minus_expected(rows) -> float:
        inside = np.isin(np.arange(8), rows)
        total = 0.0
        for moment in np.unique(times[events]):
            risk, dies = times >= moment, (times == moment) & events
            total += (dies & inside).sum() - dies.sum() * (risk & inside).sum() / risk.sum()
        return total

    every = np.array([observed_minus_expected(rows) for rows in itertools.combinations(range(8), 5)])
    found = log_rank(TIMES_A, GROKKED_A, TIMES_B, GROKKED_B)
    assert found.estimate == pytest.approx(every[0])
    assert found.p == pytest.approx(2 * min(np.mean(every >= every[0] - 1e-9), np.mean(every <= every[0] + 1e-9)))
    assert found.smallest_p == pytest.approx(2 / 56)


def test_a_clear_difference_reaches_the_smallest_p():
    found = log_rank([1, 2, 3, 4, 5], [True] * 5, [9, 9, 9], [False] * 3)
    assert found.p == found.smallest_p == pytest.approx(2 / 56)
    assert found.estimate > 0, "arm a groks earlier"
    assert log_rank([1, 2, 3], [True] * 3, [9, 9, 9], [False] * 3, paired=True).p == 2 / 8


def test_the_approximation_agrees_with_two_libraries():
    found = log_rank(TIMES_A, GROKKED_A, TIMES_B, GROKKED_B, exact=False)
    other = survdiff(
        np.concatenate([TIMES_A, TIMES_B]),
        np.concatenate([GROKKED_A, GROKKED_B]).astype(int),
        np.repeat([0, 1], [5, 3]),
    )
    assert found.p == pytest.approx(logrank_test(TIMES_A, TIMES_B, GROKKED_A, GROKKED_B).p_value)
    assert found.p == pytest.approx(other[1])
    assert not found.exact


def test_the_exact_and_the_approximate_p_meet_for_many_runs():
    rng = np.random.default_rng(1)
    a, b = np.minimum(rng.exponential(1, 40), 2), np.minimum(rng.exponential(1.6, 40), 2)
    exact, approximate = (log_rank(a, a < 2, b, b < 2, exact=exact) for exact in (True, False))
    assert exact.p == pytest.approx(approximate.p, abs=0.02)


def test_invariances():
    found = log_rank(TIMES_A, GROKKED_A, TIMES_B, GROKKED_B)
    swapped = log_rank(TIMES_B, GROKKED_B, TIMES_A, GROKKED_A)
    assert swapped.p == found.p
    assert swapped.estimate == pytest.approx(-found.estimate)
    logarithmic = log_rank(np.log(TIMES_A), GROKKED_A, np.log(TIMES_B), GROKKED_B)
    assert logarithmic.p == found.p, "only the order of times counts"


@pytest.mark.parametrize("exact", [False, True])
def test_runs_that_never_grok_tell_nothing(exact):
    assert log_rank([9, 9], [False] * 2, [9, 9], [False] * 2, exact=exact).p == 1


@pytest.mark.parametrize(
    ("times", "grokked", "message"),
    [
        ([], [], "0 values"),
        ([1.0, np.nan], [True, True], "is nan"),
        ([0.0, 1.0], [True, True], "expected times above 0"),
        ([1.0], [True, False], "lengths differ"),
        ([1.0], [2], "expected true or false"),
    ],
)
def test_bad_times_are_refused(times, grokked, message):
    with pytest.raises(ValueError, match=message):
        median_time(times, grokked)
    with pytest.raises(ValueError, match=message):
        log_rank([1.0], [True], times, grokked)


def test_pairs_are_checked():
    with pytest.raises(ValueError, match="paired arms have 5 and 3"):
        log_rank(TIMES_A, GROKKED_A, TIMES_B, GROKKED_B, paired=True)
    with pytest.raises(ValueError, match="no approximation"):
        log_rank(TIMES_A, GROKKED_A, TIMES_A, GROKKED_A, paired=True, exact=False)
