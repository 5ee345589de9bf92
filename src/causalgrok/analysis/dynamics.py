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
    """One row of the table `outcomes` for each run of a study's table `metrics`.

    Tasks without hospitals are judged on their split `test`, the others on `ood_test`. What a split is needed for is
    missing where a run was not evaluated on it: somebody else's networks have no train.
    """
    rows = [
        dict(zip(RUN, run, strict=True)) | _outcome(evaluations)
        for run, evaluations in metrics.groupby(list(RUN), sort=False)
    ]
    return pd.DataFrame(rows, columns=[*RUN, *COLUMNS["outcomes"]])


def _outcome(evaluations: pd.DataFrame) -> dict[str, float]:
    splits = ("train", judged_split(evaluations), "ood_val")
    train, test, other = (_curves(evaluations, split) for split in splits)
    memorised = memorised_epoch(train["accuracy"])
    early, late = early_and_late(test["accuracy"], memorised)
    outcome = {
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
    return outcome | ({"final_accuracy_ood_val": other["accuracy"].iloc[-1]} if len(other) else {})


def judged_split(evaluations: pd.DataFrame) -> str:
    """The split that a run's generalisation is judged on: `ood_test`, or `test` in a task without hospitals."""
    return "ood_test" if "ood_test" in set(evaluations["split"]) else "test"


def _curves(evaluations: pd.DataFrame, split: str) -> pd.DataFrame:
    """A run's evaluations on a split, by ascending epoch; no rows if there are none."""
    return evaluations[evaluations["split"] == split].set_index("epoch").sort_index()


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
    if len(values) < 4:
        return np.nan, np.nan
    epochs = values.index.to_numpy()
    spacing = np.diff(epochs).max()
    after = values[(epochs % spacing == 0) & (epochs >= memorised) & (epochs > 0)]
    quarter = len(after) // 4
    if not quarter:
        return np.nan, np.nan
    return after.iloc[:quarter].mean(), after.iloc[-quarter:].mean()
