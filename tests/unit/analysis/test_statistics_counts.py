import itertools

import numpy as np
import pytest
from scipy import stats

from causalgrok.analysis.statistics.counts import (
    fisher_exact,
    monotone_difference,
    monotone_runs,
    null_rates,
    poisson_binomial,
    rederive_published,
)


def test_the_published_fisher_values_are_derived_again():
    table = rederive_published().set_index(["claim", "test"])
    steering = table.loc[("steering_monotone", "Fisher")]
    neurons = table.loc[("neurons_k64", "Fisher")]
    assert round(steering["one_sided"], 3) == steering["reported"] == 0.286
    assert round(steering["two_sided"], 3) == 0.464
    assert round(neurons["one_sided"], 3) == neurons["reported"] == 0.179
    assert round(neurons["two_sided"], 3) == 0.196
    assert steering["smallest_one_sided"] == pytest.approx(1 / 56)


def test_the_published_mann_whitney_value_stays_open():
    row = rederive_published().set_index("test").loc["Mann-Whitney"]
    assert np.isnan(row["one_sided"]) and np.isnan(row["two_sided"])
    assert "not re-derived" in row["note"]
    assert row["reported"] == round(4 / 56, 3)
    one_inversion = stats.mannwhitneyu([5, 6, 7, 8, 3], [1, 2, 4], alternative="two-sided", method="exact")
    two_inversions = stats.mannwhitneyu([5, 6, 7, 8, 2], [1, 3, 4], alternative="greater", method="exact")
    assert one_inversion.pvalue == two_inversions.pvalue == pytest.approx(4 / 56)


def test_fisher_by_hand():
    """Of the 56 ways to place 5 successes on 5 + 3 runs, 15 + 1 put at least 4 into the first arm."""
    assert fisher_exact(4, 5, 1, 3, alternative="greater").p == pytest.approx(16 / 56)
    assert fisher_exact(4, 5, 1, 3).estimate == pytest.approx(4 / 5 - 1 / 3)
    assert fisher_exact(4, 5, 1, 3).p == pytest.approx(fisher_exact(1, 3, 4, 5).p)


@pytest.mark.parametrize(("n_a", "n_b"), [(5, 3), (3, 3), (4, 6)])
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_no_counts_give_less_than_the_smallest_p(n_a, n_b, alternative):
    every = [
        fisher_exact(a, n_a, b, n_b, alternative=alternative)
        for a, b in itertools.product(range(n_a + 1), range(n_b + 1))
    ]
    assert min(result.p for result in every) == pytest.approx(every[0].smallest_p)


@pytest.mark.parametrize("counts", [(6, 5, 1, 3), (-1, 5, 1, 3), (0, 0, 1, 3)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(ValueError, match="successes of"):
        fisher_exact(*counts)


def test_poisson_binomial_of_equal_rates_is_binomial():
    assert poisson_binomial([0.3] * 6) == pytest.approx(stats.binom.pmf(np.arange(7), 6, 0.3))


def test_poisson_binomial_by_hand():
    assert poisson_binomial([0.5, 0.1]) == pytest.approx([0.45, 0.5, 0.05])
    assert poisson_binomial([]) == pytest.approx([1])


def test_one_run_has_the_p_of_its_controls():
    rates = null_rates([9], [199])
    result = monotone_runs([True], rates)
    assert result.p == pytest.approx(10 / 200)
    assert monotone_runs([False], rates).p == 1


def test_monotone_runs_by_hand():
    result = monotone_runs([True, True, False], [0.5, 0.1, 0.2])
    at_least_two = 0.5 * 0.1 * 0.8 + 0.5 * 0.9 * 0.2 + 0.5 * 0.1 * 0.2 + 0.5 * 0.1 * 0.2
    assert result.p == pytest.approx(at_least_two)
    assert result.smallest_p == pytest.approx(0.5 * 0.1 * 0.2)
    assert result.estimate == pytest.approx(2 - 0.8)
    assert result.design == "3 runs"


def test_the_published_monotone_counts_are_no_news_where_controls_are_monotone_too():
    """40 % of random directions steered monotonically: 4 of 5 runs is then nothing."""
    assert monotone_runs([True] * 4 + [False], [0.4] * 5).p == pytest.approx(stats.binom.sf(3, 5, 0.4))
    assert monotone_runs([True] * 4 + [False], [0.4] * 5).p > 0.05


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_the_difference_of_arms_agrees_with_listing_every_outcome(alternative):
    rates_a, rates_b = np.array([0.1, 0.4, 0.3, 0.2, 0.5]), np.array([0.3, 0.6, 0.2])
    monotone_a, monotone_b = [True, True, False, True, False], [False, True, False]
    above = below = 0.0
    observed = 3 / 5 - 1 / 3
    for outcome in itertools.product((0, 1), repeat=8):
        a, b = np.array(outcome[:5]), np.array(outcome[5:])
        chance = np.prod(np.where(a, rates_a, 1 - rates_a)) * np.prod(np.where(b, rates_b, 1 - rates_b))
        above += chance * (a.mean() - b.mean() >= observed - 1e-12)
        below += chance * (a.mean() - b.mean() <= observed + 1e-12)
    expected = {"greater": above, "less": below, "two-sided": min(1, 2 * min(above, below))}[alternative]
    result = monotone_difference(monotone_a, rates_a, monotone_b, rates_b, alternative=alternative)
    assert result.p == pytest.approx(expected)
    assert result.estimate == pytest.approx(observed)


def test_the_difference_is_symmetric_in_the_arms():
    rates_a, rates_b = [0.1, 0.4], [0.3, 0.6, 0.2]
    one = monotone_difference([True, True], rates_a, [False, True, False], rates_b)
    other = monotone_difference([False, True, False], rates_b, [True, True], rates_a)
    assert one.p == other.p
    assert one.smallest_p == other.smallest_p
    assert one.estimate == -other.estimate


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: null_rates([3], [2]), "expected 0 to controls"),
        (lambda: null_rates([0], [0]), "at least one control a run"),
        (lambda: null_rates([0, 1], [5]), "lengths differ"),
        (lambda: monotone_runs([True], [0.1, 0.2]), "lengths differ"),
        (lambda: monotone_runs([], []), "arm has 0 values"),
        (lambda: monotone_runs([0.5], [0.1]), "expected true or false"),
        (lambda: monotone_runs([True], [1.2]), "leave the interval"),
    ],
)
def test_bad_counts_of_monotone_runs_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
