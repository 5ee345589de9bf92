"""Student's t intervals of a mean and of a difference of means.

mean +- t(n - 1) s / sqrt(n); for two independent arms Welch's (1947) with Satterthwaite's degrees of freedom, for
paired arms that of the differences. With slides as groups the slide means are the sample, so that ten slides leave nine
degrees of freedom however many patches they have.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from causalgrok.analysis.statistics.results import Interval, arms, of_equal_length, sample, share


def t_interval(values: ArrayLike, *, groups: ArrayLike | None = None, level: float = 0.95) -> Interval:
    """Interval of a mean.

    Args:
        values: one value a run (n,), or a value an image if `groups` says to which slide it belongs.
        groups: labels (n,); values are averaged within each first, every group counting alike.
        level: coverage.

    Returns:
        The ends are NaN where there are fewer than two values or groups.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    values = sample(values, "values")
    if groups is not None:
        groups = np.asarray(groups)
        of_equal_length({"values": values, "groups": groups})
        members = np.unique(groups, return_inverse=True)[1]
        values = np.bincount(members, values) / np.bincount(members)
    return _interval(float(values.mean()), _squared_error(values, values), len(values) - 1, level, "t")


def difference_interval(a: ArrayLike, b: ArrayLike, *, paired: bool = False, level: float = 0.95) -> Interval:
    """Interval of mean(a) - mean(b): Welch's, or Student's of the differences if paired.

    Returns:
        The ends are NaN where an arm has one run.

    Raises:
        ValueError: an empty arm, a value that is not finite, or paired arms of unequal length.
    """
    a, b, _ = arms(a, b, paired=paired)
    estimate = float(a.mean() - b.mean())
    if paired:
        return _interval(estimate, _squared_error(a - b, a), len(a) - 1, level, "t")
    if min(len(a), len(b)) < 2:
        return _interval(estimate, np.nan, 0, level, "welch")
    parts = np.array([_squared_error(a, a), _squared_error(b, b)])
    total = parts.sum()
    freedom = total**2 / np.sum(parts**2 / [len(a) - 1, len(b) - 1]) if total else len(a) + len(b) - 2
    return _interval(estimate, total, freedom, level, "welch")


def _squared_error(values: np.ndarray, measured: np.ndarray) -> float:
    """Squared standard error of a mean; spread within the rounding of the values as measured is none."""
    if len(values) < 2:
        return np.nan
    rounding = 16 * np.finfo(np.float64).eps * np.abs(measured).max()
    return 0.0 if np.ptp(values) <= rounding else float(values.var(ddof=1) / len(values))


def _interval(estimate: float, squared_error: float, freedom: float, level: float, method: str) -> Interval:
    share(level, "level")
    if freedom < 1:
        return Interval(estimate=estimate, low=np.nan, high=np.nan, level=level, method="none")
    reach = float(stdtrit(freedom, (1 + level) / 2) * np.sqrt(squared_error))
    return Interval(estimate=estimate, low=estimate - reach, high=estimate + reach, level=level, method=method)
