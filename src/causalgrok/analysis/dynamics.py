"""What became of a run: memorised when, its peak, its end and its decline.

The primary measure of decline needs no selection: the mean over the first quarter of the evaluations after memorisation
minus the mean over the last quarter, on the equally spaced part of the evaluations. The peak is an oracle's choice: it
is picked on the hospital it is scored on, and a maximum of noisy evaluations always exceeds the end.
"""

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS, RUN

MEMORISED = 0.99
"""Train accuracy from which a run counts as having memorised."""


def summarise_outcomes(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row of the table `outcomes` for each run of a study's table `metrics`."""
    rows = [
        dict(zip(RUN, run, strict=True)) | _outcome(evaluations)
        for run, evaluations in metrics.groupby(list(RUN), sort=False)
    ]
    return pd.DataFrame(rows, columns=[*RUN, *COLUMNS["outcomes"]])


def _outcome(evaluations: pd.DataFrame) -> dict[str, float]:
    by_split = {split: rows.set_index("epoch").sort_index() for split, rows in evaluations.groupby("split")}
    test = by_split["ood_test"]
    train = by_split["train"]["accuracy"]
    memorised = memorised_epoch(train)
    peak = test["accuracy"].idxmax()
    outcome = {
        "memorised_epoch": memorised,
        "memorised_share": (train[train.index >= memorised] >= MEMORISED).mean(),
        "peak_epoch": peak,
        "peak_accuracy": test["accuracy"][peak],
        "final_accuracy": test["accuracy"].iloc[-1],
    }
    for measure, suffix in (("accuracy", ""), ("auroc", "_auroc")):
        early, late = early_and_late(test[measure], memorised)
        if not suffix:
            outcome |= {"early_accuracy": early, "late_accuracy": late}
        outcome[f"decline{suffix}"] = early - late
    early, late = early_and_late(by_split["ood_val"]["accuracy"], memorised)
    return outcome | {
        "final_accuracy_ood_val": by_split["ood_val"]["accuracy"].iloc[-1],
        "decline_ood_val": early - late,
    }


def memorised_epoch(accuracy: pd.Series) -> float:
    """The first evaluation with train accuracy (indexed by epoch) at `MEMORISED`; NaN if there is none."""
    reached = accuracy.index[accuracy >= MEMORISED]
    return float(reached[0]) if len(reached) else np.nan


def early_and_late(values: pd.Series, memorised: float) -> tuple[float, float]:
    """Means over the first and the last quarter of the equally spaced evaluations after memorisation.

    Args:
        values: a measure, indexed by ascending epoch.
        memorised: the run's memorised epoch; NaN gives NaN, and so do fewer than four evaluations.
    """
    epochs = values.index.to_numpy()
    spacing = np.diff(epochs).max()
    after = values[(epochs % spacing == 0) & (epochs >= memorised) & (epochs > 0)]
    quarter = len(after) // 4
    if not quarter:
        return np.nan, np.nan
    return after.iloc[:quarter].mean(), after.iloc[-quarter:].mean()
