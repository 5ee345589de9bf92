"""Tests of claims: from one value a run to an estimate, its interval, p, and the smallest p that the runs can give.

Runs of one seed share subset, initialisation and order, whatever their recipe, and the subsets of one seed are nested:
so the seed is what is drawn, and the runs of a seed become one number before anything is tested. What a claim says is a
region for the estimate: above the threshold, below it, or within the margin of it.

- One bound: the exact two-sided permutation test at the bound (signs of the seeds' distances from it, or labels of the
  two arms), and a 95 % t interval. Arms with the same seeds are paired; others are not, which costs power where some
  seeds are shared, but no validity.
- Within a margin: two one-sided exact tests, at either bound, p the larger of the two (TOST, Schuirmann 1987), and the
  90 % interval that belongs to them; where the estimate lies outside, the two-sided test at the nearer bound.

Counts are in `counted`.
"""

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np
import pandas as pd

from causalgrok.analysis.claims.counted import count, count_difference
from causalgrok.analysis.claims.findings import LEVEL, Finding, NotRun, arms, number
from causalgrok.analysis.claims.test_entries import Count, CountDifference, Difference, Mean, Trend
from causalgrok.analysis.statistics.intervals import difference_interval, t_interval
from causalgrok.analysis.statistics.permutation import permutation_test
from causalgrok.analysis.statistics.results import Alternative, Design, Interval, Significance

EQUIVALENCE_LEVEL = 0.9
"""Coverage of the interval that says the same as two one-sided tests at 5 %."""


def decide(test: Any, values: pd.DataFrame) -> Finding:
    """Test a claim.

    Args:
        test: a test of `causalgrok.analysis.claims.test_entries`.
        values: the columns of `RUN`, value, and chance where each run has its own: the runs that the claim is about.

    Raises:
        NotRun: the runs that the test compares are not there.
    """
    return _TESTS[type(test)](test, values)


def _mean(test: Mean, values: pd.DataFrame) -> Finding:
    values = values.dropna(subset="value")
    by_seed = values.groupby("seed")["value"]
    if test.pool == "range":
        seeds = (by_seed.max() - by_seed.min())[by_seed.count() > 1]
        return _one_sample(
            test, seeds, values, "no seed has two runs to take a range of", "mean range over a seed's runs"
        )
    units = "mean" if test.pool == "mean" else f"mean {test.pool} over a seed's runs"
    return _one_sample(test, by_seed.agg(test.pool), values, "no run has a value", units)


def _trend(test: Trend, values: pd.DataFrame) -> Finding:
    values = values.dropna(subset="value")
    slopes = {}
    for seed, of_seed in values.groupby("seed"):
        by_size = of_seed.groupby("n")["value"].mean()
        if len(by_size) > 1:
            slopes[seed] = np.polyfit(np.log2(by_size.index.to_numpy(float)), by_size.to_numpy(), 1)[0]
    missing = "no seed has runs of two sizes n"
    return _one_sample(test, pd.Series(slopes, dtype=float), values, missing, "mean slope for each doubling of n")


def _one_sample(test: Any, seeds: pd.Series, values: pd.DataFrame, missing: str, units: str) -> Finding:
    if seeds.empty:
        raise NotRun(missing)
    sample = seeds.to_numpy(float)

    def against(bound: float, alternative: Alternative) -> Significance:
        return permutation_test(sample, np.full(len(sample), bound), paired=True, alternative=alternative)

    return _judge(
        test,
        against,
        lambda level: t_interval(sample, level=level),
        design=number(len(sample), "seed"),
        labelings=Design(len(sample), len(sample), paired=True),
        runs=values[values["seed"].isin(seeds.index)],
        units=units,
    )


def _difference(test: Difference, values: pd.DataFrame) -> Finding:
    chosen = arms(values.dropna(subset="value"), test.of, test.against)
    a, b = (arm.groupby("seed")["value"].mean().sort_index() for arm in chosen)
    paired = a.index.equals(b.index)
    a, b = a.to_numpy(), b.to_numpy()

    def against(bound: float, alternative: Alternative) -> Significance:
        return permutation_test(a - bound, b, paired=paired, alternative=alternative)

    def interval(level: float) -> Interval:
        return difference_interval(a, b, paired=paired, level=level)

    return _judge(
        test,
        against,
        interval,
        design=number(len(a), "pair") if paired else f"{len(a)} vs {len(b)} seeds",
        labelings=Design(len(a), len(b), paired),
        runs=pd.concat(chosen),
        units="difference of means",
    )


def _judge(
    test: Any,
    against: Callable[[float, Alternative], Significance],
    interval: Callable[[float], Interval],
    *,
    design: str,
    labelings: Design,
    runs: pd.DataFrame,
    units: str,
) -> Finding:
    """Hold an estimate against the region that a claim says it lies in.

    Args:
        test: direction, threshold and margin.
        against: the exact test of the estimate at a bound.
        interval: the interval at a level.
        design: see `Finding`.
        labelings: the design whose smallest p is told.
        runs: see `Finding`.
        units: see `Finding`.
    """
    margin = test.margin or 0.0
    low, high = {
        "above": (test.threshold, inf),
        "below": (-inf, test.threshold),
        "within": (test.threshold - margin, test.threshold + margin),
    }[test.direction]
    level = EQUIVALENCE_LEVEL if test.direction == "within" else LEVEL
    ends = interval(level)
    claimed = low < ends.estimate < high
    if test.direction == "within" and claimed:
        p = max(against(low, "greater").p, against(high, "less").p)
        smallest = labelings.smallest_p("greater")
    else:
        nearest = min((low, high), key=lambda bound: abs(bound - ends.estimate))
        found = against(nearest, "two-sided")
        p, smallest = found.p, found.smallest_p
    return Finding(
        design=design,
        runs=runs,
        units=units,
        estimate=ends.estimate,
        low=ends.low,
        high=ends.high,
        level=level,
        threshold=test.threshold,
        p=p,
        smallest_p=smallest,
        claimed=claimed,
    )


_TESTS: dict[type, Callable[[Any, pd.DataFrame], Finding]] = {
    Mean: _mean,
    Difference: _difference,
    Trend: _trend,
    Count: count,
    CountDifference: count_difference,
}
