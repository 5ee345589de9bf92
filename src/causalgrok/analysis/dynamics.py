"""What became of a run: memorised when, grokked or not, its peak, its end and its decline.

The primary measure of decline needs no selection: the mean over the first quarter of the evaluations after memorisation
minus the mean over the last quarter, on the equally spaced part of the evaluations. The secondary one looks at the
epoch that the *other* seeds select on the other held-out hospital. The peak is an oracle's choice: it is picked on the
hospital it is scored on, and a maximum of noisy evaluations always exceeds the end. `causalgrok.analysis.calibration`
counts how often each of them sees a decline where there is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from causalgrok.analysis.detector import Detection, detect
from causalgrok.analysis.settings import DetectorSettings, Judgement
from causalgrok.columns import COLUMNS, RUN

MEMORISED = DetectorSettings().train_converged
"""Train accuracy from which a run counts as having memorised."""

JUDGED = ("ood_test", "test")
"""The split on which runs are judged: the first of these that they were evaluated on."""

DETECTED = (
    *("label", "censored", "time", "alpha_0", "alpha_0_test", "alpha_1", "sigma_S", "sigma_E", "delta_S", "delta_T"),
    *("support", "delay", "plateau", "plateau_error", "drift"),
)
"""What `outcomes` keeps of a detection."""


def summarise_outcomes(metrics: pd.DataFrame, judgements: Mapping[str, Judgement]) -> pd.DataFrame:
    """One row of the table `outcomes` for each run of a study's table `metrics`.

    What a split is needed for is missing where a run was not evaluated on it: somebody else's networks have no train,
    and no label. The same holds for the detector where there are too few evaluations for a plateau.

    Args:
        metrics: the study table.
        judgements: task -> how its runs are judged.
    """
    rows = []
    for arm, runs in metrics.groupby([name for name in RUN if name != "seed"], sort=False):
        validation = {seed: curves(rows, "ood_val")["accuracy"] for seed, rows in runs.groupby("seed", sort=False)}
        for seed, evaluations in runs.groupby("seed", sort=False):
            others = [curve for other, curve in validation.items() if other != seed]
            outcome = _outcome(evaluations, judgements[arm[0]]) | _selected(evaluations, others)
            rows.append(dict(zip(RUN, (*arm, seed), strict=True)) | outcome)
    return pd.DataFrame(rows, columns=[*RUN, *COLUMNS["outcomes"]])


def detect_run(evaluations: pd.DataFrame, judgement: Judgement) -> Detection | None:
    """What the detector says of a run's table `metrics`, in steps; None if it has too little to look at."""
    train, test = curves(evaluations, "train"), judged(evaluations)
    together = train.index.intersection(test.index)
    if len(together) <= judgement.detector.plateau_evaluations:
        return None
    train, test = train.loc[together], test.loc[together]
    if not np.isfinite(np.r_[train["accuracy"], test["accuracy"]]).all():
        return None
    return detect(test["step"], train["accuracy"], test["accuracy"], judgement.chance, judgement.detector)


def _outcome(evaluations: pd.DataFrame, judgement: Judgement) -> dict[str, object]:
    train, test, other = curves(evaluations, "train"), judged(evaluations), curves(evaluations, "ood_val")
    memorised = memorised_epoch(train["accuracy"])
    early, late = early_and_late(test["accuracy"], memorised)
    outcome = {
        "split": judged_split(evaluations),
        "memorised_epoch": memorised,
        "memorised_share": (train["accuracy"][train.index >= memorised] >= MEMORISED).mean(),
        "early_accuracy": early,
        "late_accuracy": late,
        "decline": early - late,
        "decline_auroc": -np.diff(early_and_late(test["auroc"], memorised)).item(),
        "decline_ood_val": -np.diff(early_and_late(other["accuracy"], memorised)).item(),
    }
    if len(test):
        peak = test["accuracy"].idxmax()
        outcome |= {
            "peak_epoch": peak,
            "peak_accuracy": test["accuracy"][peak],
            "final_accuracy": test["accuracy"].iloc[-1],
        }
    if len(other):
        outcome["final_accuracy_ood_val"] = other["accuracy"].iloc[-1]
    if found := detect_run(evaluations, judgement):
        detection = asdict(found)
        outcome |= {name: detection[name] for name in DETECTED}
    return outcome


def _selected(evaluations: pd.DataFrame, others: Sequence[pd.Series]) -> dict[str, float]:
    """The epoch that the other seeds select, and how far the end lies below it."""
    accuracy = judged(evaluations)["accuracy"]
    epoch = best_epoch(others, accuracy.index[accuracy.index > 0].to_numpy())
    if not len(epoch):
        return {}
    selected = accuracy[epoch[0]]
    return {
        "selected_epoch": epoch[0],
        "selected_accuracy": selected,
        "decline_selected": selected - accuracy.iloc[-1],
    }


def curves(evaluations: pd.DataFrame, split: str) -> pd.DataFrame:
    """A run's evaluations on a split, by ascending epoch; no rows if there are none."""
    return evaluations[evaluations["split"] == split].set_index("epoch").sort_index()


def judged(evaluations: pd.DataFrame) -> pd.DataFrame:
    """A run's evaluations on the split that it is judged on; no rows if there is none."""
    return curves(evaluations, judged_split(evaluations))


def judged_split(evaluations: pd.DataFrame) -> str:
    """The split that a run, or a task's runs, are judged on: `test` for tasks without hospitals."""
    splits = set(evaluations["split"])
    return next((split for split in JUDGED if split in splits), JUDGED[0])


def memorised_epoch(accuracy: pd.Series) -> float:
    """The first evaluation with train accuracy (indexed by epoch) at `MEMORISED`; NaN if there is none."""
    reached = accuracy.index[accuracy >= MEMORISED]
    return float(reached[0]) if len(reached) else np.nan


def early_and_late(values: pd.Series | pd.DataFrame, memorised: float) -> tuple:
    """Means over the first and the last quarter of the equally spaced evaluations after memorisation.

    Args:
        values: a measure, indexed by ascending epoch; or a column of it for each of several runs.
        memorised: the memorised epoch; NaN gives NaN, and so do fewer than four evaluations.

    Returns:
        Two numbers, or two series with an entry a run.
    """
    if len(values) < 4:
        return np.nan, np.nan
    grid = equally_spaced(values)
    after = grid[grid.index >= memorised]
    quarter = len(after) // 4
    if not quarter:
        return np.nan, np.nan
    return after.iloc[:quarter].mean(), after.iloc[-quarter:].mean()


def best_epoch(others: Sequence[pd.Series], epochs: np.ndarray) -> np.ndarray:
    """The epoch (1,), of some, at which the mean of other runs' accuracies is highest; of equals the earliest.

    Args:
        others: accuracy by epoch of each other run; empty ones count for nothing.
        epochs: those that may be chosen.

    Returns:
        None (0,) without other runs, or if they have no such epoch in common.
    """
    evaluated = [curve.reindex(epochs) for curve in others if len(curve)]
    if not evaluated:
        return epochs[:0]
    # A mean over only some seeds would prefer the epochs that the better ones reached.
    mean = pd.concat(evaluated, axis=1).mean(axis=1, skipna=False).round(12).dropna()
    return mean.index[mean == mean.max()].to_numpy()[:1]


def equally_spaced(values: pd.Series) -> pd.Series:
    """The equally spaced evaluations among those of a curve, indexed by ascending epoch; epoch 0 is none of them."""
    if len(values) < 2:
        return values[values.index > 0]
    epochs = values.index.to_numpy()
    return values[(epochs % np.diff(epochs).max() == 0) & (epochs > 0)]
