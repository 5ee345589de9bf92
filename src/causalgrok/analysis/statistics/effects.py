"""Effect sizes between two arms of runs, each with a bootstrap interval over runs.

- ``mean_difference``: mean(a) - mean(b).
- ``cliffs_delta``: P(a > b) - P(a < b) over all pairs of runs (Cliff 1993); -1 to 1.
- ``probability_of_improvement``: P(a > b) + P(a = b) / 2, averaged over tasks (Agarwal et al. 2021, "Deep
  reinforcement learning at the edge of the statistical precipice"); 0 to 1, (1 + delta) / 2.
- ``iqm_difference``: difference of the interquartile means, the mean of what is left after floor(n / 4) of all n scores
  are cut off at either end (Agarwal et al. 2021; the plain mean for fewer than four scores).

Runs are drawn anew with replacement: within each arm, pairs together if paired, within each task if there are several
(stratified). Intervals are bias-corrected and accelerated (Efron 1987); with several tasks, or where the data do not
let that be computed, they are percentiles, as in Agarwal et al. A handful of runs knows little about its own tails:
over three to five runs these intervals are too short (`causalgrok.analysis.calibration` says by how much), and arms
that do not overlap give a delta of 1 with a single point for its interval. The t intervals of `intervals` are the ones
to decide on.
"""

import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from causalgrok.analysis.statistics.results import Interval, share

Effect = Literal["mean_difference", "cliffs_delta", "probability_of_improvement", "iqm_difference"]


def effect(
    name: Effect,
    a: ArrayLike,
    b: ArrayLike,
    *,
    paired: bool = False,
    level: float = 0.95,
    resamples: int = 9_999,
    seed: int = 0,
) -> Interval:
    """An effect size of arm a over arm b.

    Args:
        name: which one.
        a: scores of arm a, (runs,) or (runs, tasks).
        b: scores of arm b, likewise; as many tasks.
        paired: whether row i of both arms shares a seed: pairs are then drawn together.
        level: coverage that the interval aims at.
        resamples: bootstrap draws.
        seed: seed of the draws.

    Returns:
        Method ``bca`` or ``percentile``; ``point`` where every draw gives the estimate; ``none``, with ends NaN, where
        an arm has one run.

    Raises:
        ValueError: an unknown effect, an empty arm, a score that is not finite, unequal tasks or unequal pairs.
    """
    if name not in _EFFECTS:
        raise ValueError(f"effect {name!r} is unknown: expected one of {', '.join(_EFFECTS)}")
    a, b = _scores(a, "arm a"), _scores(b, "arm b")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"arms have {a.shape[1]} and {b.shape[1]} tasks: expected the same tasks in both")
    if paired and len(a) != len(b):
        raise ValueError(f"paired arms have {len(a)} and {len(b)} runs: expected one of each a seed, in one order")
    return _bootstrap(_EFFECTS[name], (a, b), paired, level, resamples, seed)


def interquartile_mean(scores: ArrayLike, *, level: float = 0.95, resamples: int = 9_999, seed: int = 0) -> Interval:
    """Interquartile mean of one arm's scores (runs,) or (runs, tasks), with a stratified bootstrap interval.

    Raises:
        ValueError: no scores, or one that is not finite.
    """
    return _bootstrap(_iqm, (_scores(scores, "scores"),), False, level, resamples, seed)


def _scores(scores: ArrayLike, name: str) -> np.ndarray:
    """Scores as float64 (runs, tasks)."""
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}: expected (runs,) or (runs, tasks), none of them empty")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has scores that are not finite: leave out runs without a value")
    return array.reshape(len(array), -1)


def _mean_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a.mean(axis=(-2, -1)) - b.mean(axis=(-2, -1))


def _cliffs_delta(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sign(a[..., :, None, :] - b[..., None, :, :]).mean(axis=(-3, -2, -1))


def _probability_of_improvement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (1 + _cliffs_delta(a, b)) / 2


def _iqm(scores: np.ndarray) -> np.ndarray:
    from scipy import stats

    return stats.trim_mean(scores.reshape(*scores.shape[:-2], -1), 0.25, axis=-1)


def _iqm_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _iqm(a) - _iqm(b)


_EFFECTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mean_difference": _mean_difference,
    "cliffs_delta": _cliffs_delta,
    "probability_of_improvement": _probability_of_improvement,
    "iqm_difference": _iqm_difference,
}
"""Name -> function of scores (..., runs_a, tasks) and (..., runs_b, tasks), giving (...)."""


def _bootstrap(
    statistic: Callable[..., np.ndarray],
    samples: tuple[np.ndarray, ...],
    paired: bool,
    level: float,
    resamples: int,
    seed: int,
) -> Interval:
    """Interval of a statistic of samples (runs, tasks), runs redrawn within task, and within arm unless paired."""
    from scipy import stats

    share(level, "level")
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}: expected at least 1")
    estimate = float(statistic(*samples))
    if min(map(len, samples)) < 2:
        return Interval(estimate=estimate, low=np.nan, high=np.nan, level=level, method="none")
    tasks = samples[0].shape[1]

    # What is redrawn is row numbers, one set a task and arm: scipy then takes each for a sample of its own.
    def of_rows(*rows: np.ndarray, axis: int = -1) -> np.ndarray:
        drawn = []
        for number, scores in enumerate(samples):
            first = 0 if paired else number * tasks
            columns = [scores[rows[first + task].astype(int), task] for task in range(tasks)]
            drawn.append(np.stack(columns, axis=-1))
        return statistic(*drawn)

    rows = [np.arange(len(scores)) for scores in samples[: 1 if paired else None] for _ in range(tasks)]
    for method in ("BCa", "percentile") if tasks == 1 else ("percentile",):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            result = stats.bootstrap(
                rows,
                of_rows,
                method=method,
                confidence_level=level,
                n_resamples=resamples,
                batch=1_000,
                vectorized=True,
                rng=np.random.default_rng(seed),
            )
        low, high = map(float, result.confidence_interval)
        if np.isfinite([low, high]).all():
            break
    rounding = 1e-12 * max(np.abs(scores).max() for scores in samples)
    point = np.ptp(result.bootstrap_distribution) <= rounding
    ends = (estimate, estimate) if point else (low, high)
    return Interval(
        estimate=estimate, low=ends[0], high=ends[1], level=level, method="point" if point else method.lower()
    )
