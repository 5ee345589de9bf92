"""From how many training examples on does a recipe generalise for good? A threshold in n, or that none is crossed.

A run's plateau is its mean accuracy over the last quarter of its evaluations on the judged split: nothing is selected.
It is assumed that more data do not hurt, no shape of the curve. With the 95 % t interval over seeds of the mean plateau
at every n,

- the verdict is that of the largest n: `crossed` if its interval lies above the threshold, `none` if it lies below,
  otherwise inconclusive; where the mean is just at the threshold, either is said in 2.5 % of the studies;
- the critical size lies above the largest n whose interval is below the threshold, and at or below the smallest n from
  there on whose interval is above it. Between these two nothing was measured, so no interval can be narrower.

The fitted critical size is where the isotonic regression of the means on log n (Barlow & Brunk 1972), joined by
straight lines, reaches the threshold; its interval is that of a bootstrap over seeds, whose runs at all n go together
because their subsets are nested. It takes the lines between the sizes at their word; the first interval does not.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from causalgrok.analysis.dynamics import JUDGED
from causalgrok.analysis.statistics.intervals import t_interval
from causalgrok.analysis.statistics.permutation import permutation_test
from causalgrok.analysis.statistics.results import share
from causalgrok.columns import COLUMNS, RUN

LAST_QUARTER = 0.75
"""Share of the epochs after which evaluations belong to the plateau."""


_UNKNOWN = dict.fromkeys(COLUMNS["critical_size"], np.nan)


class Threshold(NamedTuple):
    """Where a curve reaches the threshold; 0 is at or below the smallest n, infinity above the largest."""

    low: float
    """Largest n whose interval lies below the threshold."""

    high: float
    """Smallest n from there on whose interval lies above it."""

    fitted: float
    """Where the isotonic curve reaches it."""

    fitted_low: float
    """Lower end of its bootstrap interval."""

    fitted_high: float
    """Upper end of it."""


def fit_critical_size(metrics: pd.DataFrame, *, threshold: float, bootstraps: int, seed: int) -> pd.DataFrame:
    """The critical size of every task and recipe.

    Args:
        metrics: the study table.
        threshold: plateau accuracy from which grokking counts as sustained.
        bootstraps: draws of seeds.
        seed: seed of these draws.

    Returns:
        The columns of the table `critical_size`.

    Raises:
        ValueError: a task has no split that is judged, or a recipe fewer than two sizes.
    """
    share(threshold, "threshold")
    rows = []
    for (task, recipe), runs in plateaus(metrics).groupby(["task", "recipe"], sort=False):
        curves = runs.set_index(["seed", "n"])["plateau"].unstack("n").sort_index(axis=1)
        if curves.shape[1] < 2:
            raise ValueError(f"task {task}, recipe {recipe}: has one n, {curves.columns[0]}; a critical size needs two")
        of_curve = _describe(curves.dropna(), threshold, bootstraps, seed)
        named = {"task": task, "recipe": recipe, "split": runs["split"].iloc[0], "threshold": threshold}
        sizes = {"smallest_n": curves.columns[0], "largest_n": curves.columns[-1]}
        rows.append(_UNKNOWN | named | sizes | of_curve | {"left_out": len(curves) - len(curves.dropna())})
    return pd.DataFrame(rows)[list(COLUMNS["critical_size"])]


def plateaus(metrics: pd.DataFrame) -> pd.DataFrame:
    """Every run's mean accuracy over the last quarter of its evaluations: the columns of `RUN`, split and plateau.

    Raises:
        ValueError: a task has no split that is judged.
    """
    judged = {task: judged_split(task, set(rows["split"])) for task, rows in metrics.groupby("task")}
    rows = metrics[metrics["split"] == metrics["task"].map(judged)]
    last = rows.groupby(list(RUN))["epoch"].transform("max")
    late = rows[rows["epoch"] >= LAST_QUARTER * last]
    # A run has diverged if one evaluation is not finite.
    evaluations = late.groupby([*RUN, "split"], sort=False)["accuracy"]
    finite = evaluations.count() == evaluations.size()
    return evaluations.mean().where(finite).rename("plateau").reset_index()


def judged_split(task: str, splits: set[str]) -> str:
    """The split on which a task's generalisation is judged.

    Raises:
        ValueError: it has none.
    """
    for split in JUDGED:
        if split in splits:
            return split
    raise ValueError(f"task {task}: has the splits {sorted(splits)}; a critical size needs {' or '.join(JUDGED)}")


def find_threshold(sizes: np.ndarray, curves: np.ndarray, threshold: float, *, bootstraps: int, seed: int) -> Threshold:
    """Where plateau accuracy reaches the threshold.

    Args:
        sizes: ascending n (k,) float.
        curves: plateau accuracy (seeds, k), two seeds at least.
        threshold: the accuracy.
        bootstraps: draws of seeds.
        seed: seed of these draws.
    """
    intervals = [t_interval(values) for values in curves.T]
    below = np.array([interval.high < threshold for interval in intervals])
    above = np.array([interval.low > threshold for interval in intervals])
    low = sizes[below].max(initial=0.0)
    draws = np.random.default_rng(seed).integers(len(curves), size=(bootstraps, len(curves)))
    fits = np.array([_crossing(sizes, curves[drawn].mean(axis=0), threshold) for drawn in draws])
    return Threshold(
        low=low,
        high=sizes[above & (sizes > low)].min(initial=np.inf),
        fitted=_crossing(sizes, curves.mean(axis=0), threshold),
        # Without interpolation: between a size and infinity there is no number.
        fitted_low=float(np.quantile(fits, 0.025, method="lower")),
        fitted_high=float(np.quantile(fits, 0.975, method="higher")),
    )


def _describe(curves: pd.DataFrame, threshold: float, bootstraps: int, seed: int) -> dict[str, object]:
    """What the curves (seeds, sizes) of one task and recipe say; little for fewer than two seeds."""
    found = {"seeds": len(curves), "verdict": "inconclusive", "crossed": False}
    if len(curves) < 2:
        return found | {"low": 0.0, "high": np.inf}
    sizes = curves.columns.to_numpy(dtype=float)
    slopes = np.polyfit(np.log2(sizes), curves.to_numpy().T, 1)[0]
    at_largest, slope = t_interval(curves.iloc[:, -1]), t_interval(slopes)
    test = permutation_test(slopes, np.zeros(len(slopes)), paired=True)
    where = find_threshold(sizes, curves.to_numpy(), threshold, bootstraps=bootstraps, seed=seed)
    crossed = at_largest.low > threshold
    verdict = "crossed" if crossed else "none" if at_largest.high < threshold else "inconclusive"
    return found | {
        "verdict": verdict,
        "crossed": crossed,
        "low": where.low,
        "high": where.high,
        "critical_n": where.fitted if crossed else np.nan,
        "fitted_low": where.fitted_low,
        "fitted_high": where.fitted_high,
        "accuracy": at_largest.estimate,
        "accuracy_low": at_largest.low,
        "accuracy_high": at_largest.high,
        "slope": slope.estimate,
        "slope_low": slope.low,
        "slope_high": slope.high,
        "p": test.p,
        "smallest_p": test.smallest_p,
    }


def _crossing(sizes: np.ndarray, means: np.ndarray, threshold: float) -> float:
    """n at which the isotonic curve through means (k,) at sizes (k,) reaches the threshold, between them in log n."""
    from scipy.optimize import isotonic_regression

    curve = isotonic_regression(means).x
    reached = np.flatnonzero(curve >= threshold)
    if not len(reached):
        return np.inf
    first = reached[0]
    if first == 0:
        return 0.0
    steps = curve[[first - 1, first]]
    return float(np.exp(np.interp(threshold, steps, np.log(sizes[[first - 1, first]]))))
