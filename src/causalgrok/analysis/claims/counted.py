"""Counted runs: the share that satisfies a claim, against chance, against their own controls, or against another arm.

Against a given chance a seed counts for the claim if all of its runs satisfy it, and against it if none does, so that
the runs of a seed may resemble each other as they like: with chance c for a run, all of a seed's runs do with
probability at most c, and none with at most 1 - c. p is twice the smaller binomial tail, and the interval runs from the
lower Clopper-Pearson (1934) end of the first count to the upper end of the second.

A measure with controls gives each run its own chance. Given the networks, what a run's controls are does not depend on
any other run's, so there the run is the unit: Poisson-binomial, as in `causalgrok.analysis.statistics.counts`.
"""

import operator

import numpy as np
import pandas as pd

from causalgrok.analysis.claims.findings import LEVEL, Finding, NotRun, arms, number
from causalgrok.analysis.claims.test_entries import Count, CountDifference, Holds
from causalgrok.analysis.statistics.counts import fisher_exact, monotone_difference, poisson_binomial
from causalgrok.analysis.statistics.results import tail


def count(test: Count, values: pd.DataFrame) -> Finding:
    """Test a share of runs against chance."""
    if values.empty:
        raise NotRun("no run has a value")
    return _against_controls(test, values) if test.chance is None else _against_chance(test, values, test.chance)


def count_difference(test: CountDifference, values: pd.DataFrame) -> Finding:
    """Test the difference of the shares of two arms: against their controls if they have some, or Fisher's test."""
    has_controls = "chance" in values
    if has_controls:
        values = _with_controls(values)
    chosen = arms(values, test.of, test.against)
    flags = [_satisfied(test.holds, arm) for arm in chosen]
    if has_controls:
        chances = [arm["chance"].to_numpy() for arm in chosen]
        found = monotone_difference(flags[0], chances[0], flags[1], chances[1])
    else:
        found = fisher_exact(int(flags[0].sum()), len(flags[0]), int(flags[1].sum()), len(flags[1]))
    low, high = _newcombe(*flags)
    return Finding(
        design=f"{found.design} runs",
        runs=pd.concat(chosen),
        units=f"difference of shares, {flags[0].sum()} of {len(flags[0])} against {flags[1].sum()} of {len(flags[1])}",
        estimate=found.estimate,
        low=low,
        high=high,
        level=LEVEL,
        threshold=0.0,
        p=found.p,
        smallest_p=found.smallest_p,
        claimed=found.estimate > 0 if test.direction == "above" else found.estimate < 0,
    )


def _satisfied(holds: Holds, values: pd.DataFrame) -> pd.Series:
    """Whether each run satisfies the claim; one without a value does not."""
    name, bound = holds.bound
    return _BOUNDS[name](values["value"], bound)


_BOUNDS = {"above": operator.gt, "at_least": operator.ge, "below": operator.lt, "at_most": operator.le}


def _with_controls(values: pd.DataFrame) -> pd.DataFrame:
    """The runs that have a value and controls."""
    values = values.dropna(subset=["value", "chance"])
    if values.empty:
        raise NotRun("no run has both a value and controls")
    return values


def _against_chance(test: Count, values: pd.DataFrame, chance: float) -> Finding:
    from scipy import stats  # half a second, and not every study counts runs

    flags = _satisfied(test.holds, values)
    by_seed = flags.groupby(values["seed"])
    seeds, every, some = by_seed.ngroups, int(by_seed.all().sum()), int(by_seed.any().sum())
    share = float(flags.mean())
    if share > chance:
        one_sided = stats.binom.sf(every - 1, seeds, chance)
    else:
        one_sided = stats.binom.sf(seeds - some - 1, seeds, 1 - chance)
    return _finding(
        test,
        values,
        flags,
        design=number(seeds, "seed"),
        ends=(_exact(every, seeds)[0], _exact(some, seeds)[1]),
        chance=chance,
        p=min(1.0, 2 * float(one_sided)),
        smallest_p=min(1.0, 2 * min(chance, 1 - chance) ** seeds),
    )


def _against_controls(test: Count, values: pd.DataFrame) -> Finding:
    values = _with_controls(values)
    flags = _satisfied(test.holds, values)
    distribution, hits = poisson_binomial(values["chance"]), int(flags.sum())
    p = tail(distribution[hits:].sum(), distribution[: hits + 1].sum(), "two-sided")
    return _finding(
        test,
        values,
        flags,
        design=number(len(values), "run"),
        ends=_exact(hits, len(values)),
        chance=float(values["chance"].mean()),
        p=min(1.0, float(p)),
        smallest_p=min(1.0, 2 * float(min(distribution[0], distribution[-1]))),
    )


def _finding(
    test: Count,
    values: pd.DataFrame,
    flags: pd.Series,
    *,
    design: str,
    ends: tuple[float, float],
    chance: float,
    p: float,
    smallest_p: float,
) -> Finding:
    share = float(flags.mean())
    return Finding(
        design=design,
        runs=values,
        units=f"share of runs, {flags.sum()} of {len(flags)}",
        estimate=share,
        low=ends[0],
        high=ends[1],
        level=LEVEL,
        threshold=chance,
        p=p,
        smallest_p=smallest_p,
        claimed=share > chance if test.direction == "above" else share < chance,
    )


def _exact(hits: int, runs: int) -> tuple[float, float]:
    """Clopper-Pearson interval of a share."""
    from scipy import stats

    return tuple(stats.binomtest(hits, runs).proportion_ci(LEVEL, method="exact"))


def _newcombe(a: pd.Series, b: pd.Series) -> tuple[float, float]:
    """Interval of the difference of two shares, from the Wilson interval of each (Newcombe 1998, method 10)."""
    from scipy import stats

    shares = np.array([a.mean(), b.mean()])
    ends = [stats.binomtest(int(arm.sum()), len(arm)).proportion_ci(LEVEL, method="wilson") for arm in (a, b)]
    difference = shares[0] - shares[1]
    low = difference - np.hypot(shares[0] - ends[0].low, ends[1].high - shares[1])
    return float(low), float(difference + np.hypot(ends[0].high - shares[0], shares[1] - ends[1].low))
