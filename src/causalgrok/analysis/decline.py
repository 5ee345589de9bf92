"""Decline of accuracy at unseen hospitals as their slides see it: what a run's fall would be on other slides.

A hospital's accuracy rests on a handful of slides, ten in Camelyon17, whose patches resemble each other: slides, not
patches, are drawn from the hospital. A slide's decline is its mean accuracy over the first quarter of the kept
checkpoints after memorisation minus that over the last quarter; the hospital's is the mean over its slides, with
Student's interval over them (9 degrees of freedom for ten). Checkpoints scatter for all slides alike, which no interval
over slides can see: whether *training* makes accuracy fall is a question about runs, and asked of seeds.
"""

import numpy as np
import pandas as pd

from causalgrok.analysis.statistics.intervals import t_interval
from causalgrok.columns import COLUMNS, RUN


def summarise_decline(slides: pd.DataFrame, checkpoints: pd.DataFrame) -> pd.DataFrame:
    """The columns of `RUN` and of the table `decline`: a row for each run, split and hospital.

    Args:
        slides: the study table.
        checkpoints: the study table of named checkpoints. A run that never memorised, or has one checkpoint since, has
            no rows.
    """
    memorised = checkpoints[checkpoints["name"] == "memorised"].set_index(list(RUN))["epoch"]
    rows = []
    for (*run, split, hospital), accuracies in slides.groupby([*RUN, "split", "hospital"], sort=False):
        if tuple(run) not in memorised.index:
            continue
        named = dict(zip(RUN, run, strict=True)) | {"split": split, "hospital": hospital}
        curves = accuracies.pivot(index="epoch", columns="slide", values="accuracy")
        rows += [named | row for row in _decline(curves[curves.index >= memorised[tuple(run)]])]
    return pd.DataFrame(rows, columns=[*RUN, *COLUMNS["decline"]])


def _decline(curves: pd.DataFrame) -> list[dict[str, float]]:
    """The decline of slides (columns) over checkpoints (rows), ascending; nothing for fewer than two of these."""
    quarter = max(1, len(curves) // 4)
    if len(curves) < 2 or not np.isfinite(curves.to_numpy()).all():
        return []
    early, late = curves.iloc[:quarter].mean(), curves.iloc[-quarter:].mean()
    interval = t_interval((early - late).to_numpy())
    return [
        {
            "early": early.mean(),
            "late": late.mean(),
            "decline": interval.estimate,
            "low": interval.low,
            "high": interval.high,
            "slides": len(early),
            "first_epoch": curves.index[0],
            "last_epoch": curves.index[-1],
        }
    ]
