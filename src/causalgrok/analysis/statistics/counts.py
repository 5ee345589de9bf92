"""Tests of counted runs: Fisher's exact test of two counts, and monotone runs against their own controls.

Fisher's test (1935) conditions on the total number of successes; its two-sided p sums the tables that are no more
likely than the observed one (scipy's and R's definition), so the published one-sided values have the two-sided twins
of the study's critics: 4/5 against 1/3 gives .286 and .464, 3/5 against 0/3 gives .179 and .196.

The control-based null of a monotone response: run i would be monotone by chance with the rate among its own controls,
q_i = (1 + monotone controls) / (1 + controls), which for one run is the Monte Carlo p of Phipson & Smyth (2010). The
number of monotone runs is then Poisson-binomial, its distribution the convolution of the runs' (1 - q_i, q_i).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from causalgrok.analysis.statistics.results import (
    Alternative,
    Design,
    Significance,
    of_equal_length,
    sample,
    sides,
    tail,
)

PUBLISHED = {
    "steering_monotone": ((4, 5), (1, 3), 0.286),
    "neurons_k64": ((3, 5), (0, 3), 0.179),
}
"""Claim -> (successes, runs) of the grokking recipe, of the standard one, and the study's Fisher p, one-sided."""


def fisher_exact(
    successes_a: int, runs_a: int, successes_b: int, runs_b: int, *, alternative: Alternative = "two-sided"
) -> Significance:
    """Test whether arm a succeeds as often as arm b.

    Returns:
        The estimate is the difference of the success rates; the smallest p belongs to all against none.

    Raises:
        ValueError: no runs in an arm, or more successes than runs.
    """
    from scipy import stats

    sides(alternative)
    for name, successes, runs in (("a", successes_a, runs_a), ("b", successes_b, runs_b)):
        if runs < 1 or not 0 <= successes <= runs:
            raise ValueError(f"arm {name}: {successes} successes of {runs} runs: expected 0 to runs, at least one run")
    design = Design(runs_a, runs_b)
    table = [[successes_a, runs_a - successes_a], [successes_b, runs_b - successes_b]]
    both_extremes = alternative == "two-sided" and runs_a == runs_b
    return Significance(
        test="Fisher",
        design=str(design),
        n=design.runs,
        alternative=alternative,
        estimate=successes_a / runs_a - successes_b / runs_b,
        p=min(1.0, float(stats.fisher_exact(table, alternative=alternative).pvalue)),
        smallest_p=min(1.0, (2 if both_extremes else 1) / design.labelings),
        exact=True,
    )


def rederive_published() -> pd.DataFrame:
    """The study's p-values beside ours: one row a claim with counts, reported p, one- and two-sided p, smallest p.

    The Mann-Whitney p = .071 of steering cannot be derived again: the values of the eight runs were not published. It
    is 4/56, which two-sided means one inversion among the 15 pairs of runs, one-sided two.
    """
    rows = []
    for claim, (a, b, reported) in PUBLISHED.items():
        one, two = (fisher_exact(*a, *b, alternative=side) for side in ("greater", "two-sided"))
        rows.append(
            {
                "claim": claim,
                "test": "Fisher",
                "grokking": f"{a[0]}/{a[1]}",
                "standard": f"{b[0]}/{b[1]}",
                "reported": reported,
                "one_sided": one.p,
                "two_sided": two.p,
                "smallest_one_sided": one.smallest_p,
                "smallest_two_sided": two.smallest_p,
                "note": "re-derived from the published counts",
            }
        )
    design = Design(5, 3)
    rows.append(
        {
            "claim": "steering_monotone",
            "test": "Mann-Whitney",
            "grokking": "5 runs",
            "standard": "3 runs",
            "reported": 0.071,
            "one_sided": np.nan,
            "two_sided": np.nan,
            "smallest_one_sided": design.smallest_p("greater"),
            "smallest_two_sided": design.smallest_p(),
            "note": "not re-derived: needs the runs' values, which were not published",
        }
    )
    return pd.DataFrame(rows)


def poisson_binomial(rates: ArrayLike) -> np.ndarray:
    """Probabilities (n + 1,) of 0 .. n successes in independent trials with these success rates (n,)."""
    rates = sample(rates, "rates", minimum=0)
    if np.any((rates < 0) | (rates > 1)):
        raise ValueError(f"rates {rates} leave the interval from 0 to 1")
    probabilities = np.ones(1)
    for rate in rates:
        probabilities = np.convolve(probabilities, [1 - rate, rate])
    return probabilities


def null_rates(monotone_controls: Sequence[int], controls: Sequence[int]) -> np.ndarray:
    """Each run's chance (runs,) of a monotone response: (1 + monotone controls) / (1 + controls).

    Raises:
        ValueError: unequal lengths, a run without controls, or more monotone controls than controls.
    """
    of_equal_length({"monotone_controls": monotone_controls, "controls": controls})
    hits, totals = sample(monotone_controls, "monotone_controls"), sample(controls, "controls")
    if np.any((totals < 1) | (hits < 0) | (hits > totals)):
        raise ValueError(f"monotone controls {hits} of {totals}: expected 0 to controls, at least one control a run")
    return (1 + hits) / (1 + totals)


def monotone_runs(monotone: Sequence[bool], rates: ArrayLike) -> Significance:
    """Are more runs of one arm monotone than their controls let expect?

    Args:
        monotone: whether each run responded monotonically (runs,).
        rates: each run's own chance of it (runs,), from `null_rates`.

    Returns:
        One-sided: p is the chance of at least so many monotone runs. The estimate is the count minus its expectation.
    """
    count, distribution = _count(monotone, rates, "arm")
    return Significance(
        test="monotone runs against controls",
        design=f"{len(distribution) - 1} runs",
        n=len(distribution) - 1,
        alternative="greater",
        estimate=float(count - np.sum(rates)),
        p=float(min(1.0, distribution[count:].sum())),
        smallest_p=float(distribution[-1]),
        exact=True,
    )


def monotone_difference(
    monotone_a: Sequence[bool],
    rates_a: ArrayLike,
    monotone_b: Sequence[bool],
    rates_b: ArrayLike,
    *,
    alternative: Alternative = "two-sided",
) -> Significance:
    """Do the shares of monotone runs differ by more than the runs' own chances let expect?

    The null is that in *neither* arm a run does better than its controls. Whether two arms that both do are alike is
    another question: ask `fisher_exact`.

    Returns:
        The estimate is the difference of the shares of monotone runs.
    """
    tails = sides(alternative)
    (count_a, null_a), (count_b, null_b) = _count(monotone_a, rates_a, "arm a"), _count(monotone_b, rates_b, "arm b")
    runs_a, runs_b = len(null_a) - 1, len(null_b) - 1
    # Shares are compared as whole numbers, k_a n_b - k_b n_a, so that equal differences are equal.
    differences = np.subtract.outer(np.arange(runs_a + 1) * runs_b, np.arange(runs_b + 1) * runs_a)
    joint = np.outer(null_a, null_b)
    observed = differences[count_a, count_b]
    extremes = {"greater": [joint[-1, 0]], "less": [joint[0, -1]], "two-sided": [joint[-1, 0], joint[0, -1]]}
    return Significance(
        test="difference of monotone runs against controls",
        design=str(Design(runs_a, runs_b)),
        n=runs_a + runs_b,
        alternative=alternative,
        estimate=count_a / runs_a - count_b / runs_b,
        p=float(
            min(1.0, tail(joint[differences >= observed].sum(), joint[differences <= observed].sum(), alternative))
        ),
        smallest_p=float(min(1.0, tails * min(extremes[alternative]))),
        exact=True,
    )


def _count(monotone: Sequence[bool], rates: ArrayLike, name: str) -> tuple[int, np.ndarray]:
    """Monotone runs of an arm, and the null distribution (runs + 1,) of their number."""
    flags = sample(monotone, name)
    if not np.isin(flags, (0, 1)).all():
        raise ValueError(f"{name}: {flags} marks monotone runs: expected true or false for each")
    rates = sample(rates, f"rates of {name}")
    of_equal_length({name: flags, f"rates of {name}": rates})
    return int(flags.sum()), poisson_binomial(rates)
