"""Equivalence: a difference that was not found is called none only if it was shown to be small.

Two one-sided t tests (TOST, Schuirmann 1987): a and b are equivalent at level alpha if their difference lies
significantly above -margin and significantly below +margin; p is the larger of the two. The same is said by the
1 - 2 alpha interval (90 % at alpha = .05) lying inside the margins. The margin is a decision about what would matter,
taken before looking: it comes from the config.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from causalgrok.analysis.statistics.intervals import difference_interval
from causalgrok.analysis.statistics.results import Design, Interval, arms, share


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Verdict of two one-sided tests."""

    verdict: Literal["equivalent", "not_shown"]
    """``not_shown`` says neither that the arms differ nor that they do not."""

    p: float
    """The larger of the two one-sided p-values; NaN where the runs show no spread at all."""

    interval: Interval
    """mean(a) - mean(b) with its 1 - 2 alpha interval."""

    margin: float
    """Largest difference that would not matter."""

    design: Design
    """The runs that were compared."""


def equivalence_test(
    a: ArrayLike, b: ArrayLike, *, margin: float, paired: bool = False, alpha: float = 0.05
) -> Equivalence:
    """Are the means of arms a and b within `margin` of each other?

    Args:
        a: results of arm a's runs (n_a,), at least two.
        b: results of arm b's runs (n_b,), at least two; in the order of `a` if paired.
        margin: above 0, in the units of the data.
        paired: whether runs i of both arms share a seed; otherwise variances may differ (Welch).
        alpha: level of each one-sided test.

    Returns:
        Without any spread a t test has nothing to go by: p is NaN and the verdict ``not_shown``.

    Raises:
        ValueError: margin not above 0, an arm with fewer than two runs, or as `permutation_test`.
    """
    from statsmodels.stats.weightstats import ttost_ind, ttost_paired

    if not 0 < margin < np.inf:
        raise ValueError(f"margin is {margin}: expected the largest difference that would not matter, above 0")
    share(alpha, "alpha")
    a, b, design = arms(a, b, paired=paired, minimum=2)
    interval = difference_interval(a, b, paired=paired, level=1 - 2 * alpha)
    if interval.low == interval.high:
        p = np.nan
    elif paired:
        p = float(ttost_paired(a, b, -margin, margin)[0])
    else:
        p = float(ttost_ind(a, b, -margin, margin, usevar="unequal")[0])
    verdict = "equivalent" if p <= alpha else "not_shown"
    return Equivalence(verdict=verdict, p=p, interval=interval, margin=margin, design=design)
