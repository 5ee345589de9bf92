"""When should training have been stopped, if test labels cannot be asked? Criteria, and what each would have cost.

Four criteria look at no held-out label. A signal has settled at step t if it changed by no more than a tolerance
relative to its largest value while the number of steps grew from t / patience to t. The signals are the total weight
norm, the effective rank of the pooled features of the training set, and the margin: minus the logarithm of the mean
training loss, which for cross-entropy is the typical logit margin of a memorised example. Training stops when the
signal has settled, for `norm_and_rank` when both have, and never sooner than patience times the steps to
memorisation. (The margin is left out there: under cross-entropy it grows without end.) `validation_settled` does the
same with validation accuracy, and `validation` is the usual early stopping: the first epoch after which a number of
evaluations brought nothing better. The last two keep the best epoch, the others the last.

The price of stopping is regret, how far the kept weights lie below the best of the whole run on the judged split, and
what was paid is compute, the share of the run's steps. Single evaluations scatter, and a maximum of them always exceeds
the rest: accuracies are running medians of five evaluations.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from causalgrok.analysis.critical_size import judged_split
from causalgrok.analysis.dynamics import memorised_epoch
from causalgrok.columns import COLUMNS, RUN

CRITERIA = ("weight_norm", "effective_rank", "margin", "norm_and_rank", "validation_settled", "validation")

CLOSE = 0.02
"""Accuracy within which a run counts as having reached its best."""

_MEDIAN = 5


def compare_stopping(
    metrics: pd.DataFrame,
    dynamics: pd.DataFrame,
    geometry: pd.DataFrame,
    *,
    patience: float,
    tolerance: float,
    evaluations: int,
) -> pd.DataFrame:
    """When each criterion would have stopped each run.

    Args:
        metrics: the study table.
        dynamics: the study table.
        geometry: the study table.
        patience: factor by which steps grow while a settled signal hardly changes.
        tolerance: most that a settled signal changes, relative to its largest value.
        evaluations: evaluations without a better validation accuracy after which `validation` stops.

    Returns:
        The columns of `RUN` and of the table `stopping`. Runs that diverged have no rows, and there is none for
        criteria on validation where a task has no id_val.
    """
    norms = dict(iter(dynamics[dynamics["group"] == "total"].groupby(list(RUN))))
    ranks = dict(iter(geometry.groupby(list(RUN))))
    rows = []
    for run, table in metrics.groupby(list(RUN), sort=False):
        split = judged_split(run[0], set(table["split"]))
        curves = table.pivot(index="epoch", columns="split", values="accuracy").sort_index()
        if not np.isfinite(curves[split]).all():
            continue
        train = table[table["split"] == "train"].set_index("epoch").sort_index()
        smallest = np.finfo(np.float64).tiny
        signals = {
            "weight_norm": norms[run].set_index("epoch")["weight_norm"].sort_index(),
            "effective_rank": _seen(ranks[run]).set_index("epoch")["effective_rank"].sort_index(),
            "margin": -np.log(train["loss"].clip(lower=smallest)),
        }
        stops = stopping_epochs(
            signals,
            curves.get("id_val"),
            memorised=memorised_epoch(curves["train"]),
            last=int(curves.index[-1]),
            patience=patience,
            tolerance=tolerance,
            evaluations=evaluations,
        )
        judged = curves[split].rolling(_MEDIAN, center=True, min_periods=1).median()
        priced = _price(stops, judged, memorised_epoch(curves["train"]))
        rows += [dict(zip(RUN, run, strict=True)) | {"split": split} | row for row in priced]
    return pd.DataFrame(rows, columns=[*RUN, *COLUMNS["stopping"]])


def stopping_epochs(
    signals: Mapping[str, pd.Series],
    validation: pd.Series | None,
    *,
    memorised: float,
    last: int,
    patience: float,
    tolerance: float,
    evaluations: int,
) -> dict[str, tuple[float, float]]:
    """Criterion -> the epoch at which it stops (NaN: never) and the epoch whose weights it keeps.

    Args:
        signals: `weight_norm`, `effective_rank` and `margin`, each by ascending epoch; their epochs may differ.
        validation: accuracy on validation data by ascending epoch, if there are any.
        memorised: the epoch of memorisation, before which nothing settles; NaN if there was none.
        last: the run's last epoch.
        patience: as in `compare_stopping`, and so are the others.
        tolerance: ...
        evaluations: ...
    """
    settled = {name: settled_epochs(signal, memorised, patience, tolerance) for name, signal in signals.items()}
    # They are recorded at different epochs: both have settled where each has at its latest record.
    norm, rank = settled["weight_norm"], settled["effective_rank"]
    grid = norm.index.union(rank.index)
    settled["norm_and_rank"] = norm.reindex(grid, method="ffill", fill_value=False) & rank.reindex(
        grid, method="ffill", fill_value=False
    )
    stops = {}
    for name in CRITERIA[:4]:
        stop = _first(settled[name])
        stops[name] = stop, last if np.isnan(stop) else stop
    if validation is not None:
        best = validation.cummax()
        stops["validation_settled"] = _first(settled_epochs(best, memorised, patience, tolerance)), np.nan
        improved = (validation > best.shift(fill_value=-np.inf)).to_numpy()
        places = np.arange(len(validation))
        since = places - np.maximum.accumulate(np.where(improved, places, 0))
        stops["validation"] = _first(pd.Series(since >= evaluations, validation.index)), np.nan
        for name in CRITERIA[4:]:
            stop, _ = stops[name]
            stops[name] = stop, validation.loc[: last if np.isnan(stop) else stop].idxmax()
    return stops


def settled_epochs(signal: pd.Series, memorised: float, patience: float, tolerance: float) -> pd.Series:
    """Whether a signal has settled, by epoch: epochs count steps, whose number in an epoch is always the same.

    Args:
        signal: values by ascending epoch; a value that is not finite has not settled.
        memorised: the epoch before which nothing settles; NaN if there was none.
        patience: factor by which epochs grow while a settled signal hardly changes.
        tolerance: most that it changes, relative to its largest value in that time.
    """
    epochs, values = signal.index.to_numpy(dtype=float), signal.to_numpy(dtype=float)
    settled = np.zeros(len(values), dtype=bool)
    for place, epoch in enumerate(epochs):
        # From the last record before the window on, so that sparse records do not make it shorter.
        before = np.flatnonzero(epochs <= epoch / patience)
        if not len(before) or np.isnan(memorised) or epoch < patience * memorised:
            continue
        window = values[before[-1] : place + 1]
        largest = np.abs(window).max()
        settled[place] = np.isfinite(window).all() and np.ptp(window) <= tolerance * largest
    return pd.Series(settled, signal.index)


def _price(stops: Mapping[str, tuple[float, float]], judged: pd.Series, memorised: float) -> list[dict]:
    """What each criterion paid and lost; `judged` is the smoothed accuracy by epoch."""
    last, best = judged.index[-1], judged.max()
    after = judged[judged.index >= memorised]
    needed = judged.index[judged >= best - CLOSE][0] / last
    late = after.max() - after.iloc[0] if len(after) else np.nan
    rows = []
    for criterion, (stop, kept) in stops.items():
        stopped = bool(stop < last)
        accuracy = judged[kept]
        rows.append(
            {
                "criterion": criterion,
                "stopped": stopped,
                "stop_epoch": stop if stopped else last,
                "kept_epoch": kept,
                "compute": stop / last if stopped else 1.0,
                "accuracy": accuracy,
                "best_accuracy": best,
                "regret": best - accuracy,
                "needed": needed,
                "late_gain": late,
            }
        )
    return rows


def _seen(geometry: pd.DataFrame) -> pd.DataFrame:
    """A run's rows on the training set, whose features need no held-out images."""
    return geometry[geometry["split"] == "train"]


def _first(found: pd.Series) -> float:
    """The first epoch at which it is so; NaN if there is none."""
    return float(found.index[found][0]) if found.any() else np.nan
