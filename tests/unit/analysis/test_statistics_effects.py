import numpy as np
import pytest
from scipy import stats

from causalgrok.analysis.statistics.effects import effect, interquartile_mean

A, B = [3.0, 4.0, 5.0, 7.0], [1.0, 4.0, 6.0]


def test_effects_by_hand():
    """Of the 12 pairs, a wins 7 (3>1, 4>1, 5>1, 5>4, 7>1, 7>4, 7>6), ties 1 and loses 4."""
    assert effect("mean_difference", A, B, resamples=99).estimate == pytest.approx(4.75 - 11 / 3)
    assert effect("cliffs_delta", A, B, resamples=99).estimate == pytest.approx((7 - 4) / 12)
    assert effect("probability_of_improvement", A, B, resamples=99).estimate == pytest.approx(7.5 / 12)
    assert effect("iqm_difference", A, B, resamples=99).estimate == pytest.approx(4.5 - 11 / 3)


def test_probability_of_improvement_is_the_mann_whitney_statistic():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=8).round(1), rng.normal(size=6).round(1)
    expected = stats.mannwhitneyu(a, b).statistic / 48
    assert effect("probability_of_improvement", a, b, resamples=99).estimate == pytest.approx(expected)


def test_the_interquartile_mean_cuts_a_quarter_of_all_scores_at_either_end():
    assert interquartile_mean([0, 1, 2, 3, 4, 5, 6, 100], resamples=99).estimate == pytest.approx(3.5)
    assert interquartile_mean([1.0, 2.0, 6.0], resamples=99).estimate == pytest.approx(3)
    both_tasks = np.array([[0, 10], [1, 11], [2, 12], [3, 13]])
    assert interquartile_mean(both_tasks, resamples=99).estimate == pytest.approx((2 + 3 + 10 + 11) / 4)


def test_tasks_are_averaged():
    a, b = np.array([[1.0, 5.0], [2.0, 6.0]]), np.array([[0.0, 9.0], [1.5, 8.0]])
    assert effect("cliffs_delta", a, b, resamples=99).estimate == pytest.approx((0.5 - 1) / 2)
    assert effect("mean_difference", a, b, resamples=99).estimate == pytest.approx((0.75 - 3) / 2)


def test_one_task_is_no_task():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=6), rng.normal(size=6)
    flat = effect("mean_difference", a, b, resamples=499)
    column = effect("mean_difference", a[:, None], b[:, None], resamples=499)
    assert flat == column


@pytest.mark.parametrize("paired", [False, True])
def test_intervals_agree_with_scipy(paired):
    rng = np.random.default_rng(2)
    a, b = rng.normal(1, size=9), rng.normal(size=9)
    ours = effect("mean_difference", a, b, paired=paired, resamples=999, seed=3)
    reference = stats.bootstrap(
        (a, b),
        lambda x, y, axis: x.mean(axis) - y.mean(axis),
        paired=paired,
        method="BCa",
        n_resamples=999,
        rng=np.random.default_rng(3),
    )
    assert (ours.low, ours.high) == pytest.approx(tuple(reference.confidence_interval))
    assert ours.method == "bca"


def test_pairs_are_drawn_together():
    seeds = 10 * np.random.default_rng(4).normal(size=12)
    a, b = seeds + 1 + 0.01 * np.arange(12), seeds
    together, apart = (effect("mean_difference", a, b, paired=paired, resamples=499) for paired in (True, False))
    assert together.high - together.low < 0.1
    assert apart.high - apart.low > 5


def test_runs_are_drawn_within_their_task():
    """Tasks of very different level and no spread within: nothing is left to vary."""
    a, b = np.tile([0.0, 100.0], (5, 1)), np.tile([1.0, 50.0], (5, 1))
    found = effect("mean_difference", a, b, resamples=199)
    assert (found.low, found.high, found.method) == (24.5, 24.5, "point")


def test_tasks_are_drawn_apart():
    """Two tasks with the same scores, drawn independently: the mean of both scatters less than either."""
    scores = np.random.default_rng(7).normal(size=12)
    one = effect("mean_difference", scores, np.zeros(12), resamples=1_999)
    two = effect("mean_difference", np.column_stack([scores, scores]), np.zeros((12, 2)), resamples=1_999)
    assert (two.high - two.low) / (one.high - one.low) == pytest.approx(0.5**0.5, abs=0.06)


def test_spread_in_one_task_is_seen():
    rng = np.random.default_rng(5)
    a = np.column_stack([rng.normal(size=8), np.full(8, 3.0)])
    found = effect("iqm_difference", a, np.zeros((8, 2)), resamples=499)
    assert found.method == "percentile"
    assert found.low < found.estimate < found.high


def test_invariances():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=6), rng.normal(size=5)
    delta = effect("cliffs_delta", a, b, resamples=99).estimate
    assert effect("cliffs_delta", b, a, resamples=99).estimate == pytest.approx(-delta)
    assert effect("cliffs_delta", np.exp(a), np.exp(b), resamples=99).estimate == pytest.approx(delta)
    shifted = effect("mean_difference", a + 3, b + 3, resamples=299)
    plain = effect("mean_difference", a, b, resamples=299)
    assert (shifted.low, shifted.high) == pytest.approx((plain.low, plain.high))


def test_degenerate_data_give_a_point_or_nothing():
    separated = effect("cliffs_delta", [3, 4, 5], [0, 1], resamples=199)
    assert (separated.estimate, separated.low, separated.high, separated.method) == (1, 1, 1, "point")
    single = effect("mean_difference", [3.0], [0.0, 1.0])
    assert single.estimate == 2.5
    assert np.isnan([single.low, single.high]).all()
    assert single.method == "none"


@pytest.mark.parametrize(
    ("a", "b", "how", "message"),
    [
        ([], [1.0], {}, "arm a has shape"),
        ([1.0, np.nan], [1.0], {}, "arm a has scores that are not finite"),
        ([1.0, 2.0], [1.0], {"paired": True}, "paired arms have 2 and 1 runs"),
        ([[1.0, 2.0]], [[1.0]], {}, "2 and 1 tasks"),
        ([1.0, 2.0], [1.0, 2.0], {"level": 95}, "level is 95"),
    ],
)
def test_bad_scores_are_refused(a, b, how, message):
    with pytest.raises(ValueError, match=message):
        effect("mean_difference", a, b, **how)


def test_unknown_effects_are_refused():
    with pytest.raises(ValueError, match="effect 'cohens_d' is unknown"):
        effect("cohens_d", A, B)
