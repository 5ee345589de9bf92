"""Every arm of a study in one row, so that tasks stand side by side: chance, start, memorised when, grokked when, norm.

An arm is what runs of several seeds share: task, recipe and n. Steps are medians over the runs that got there, beside
how many did; a run that did not is counted, not dropped. Everything else is a mean over seeds with its t interval.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from causalgrok.analysis.dynamics import judged
from causalgrok.analysis.settings import Judgement
from causalgrok.analysis.statistics.intervals import t_interval
from causalgrok.columns import COLUMNS, RUN

ARM = [name for name in RUN if name != "seed"]


def summarise_arms(
    outcomes: pd.DataFrame, metrics: pd.DataFrame, dynamics: pd.DataFrame, judgements: Mapping[str, Judgement]
) -> pd.DataFrame:
    """The table `arms` of a study.

    Args:
        outcomes: the study table.
        metrics: the study table.
        dynamics: the study table.
        judgements: task -> how its runs are judged, of which the chance is taken.
    """
    starts = {run: judged(rows)["accuracy"].head(1) for run, rows in metrics.groupby(list(RUN))}
    norms = dynamics[dynamics["group"] == "total"].sort_values("step").groupby(list(RUN))["weight_norm"]
    ratios = norms.last() / norms.first()
    steps = metrics.groupby(ARM)["step"].max()
    rows = []
    for arm, runs in outcomes.groupby(ARM, sort=False):
        of_seed = [(*arm, seed) for seed in runs["seed"]]
        grokked = runs["label"] == "grokked"
        row = dict(zip(ARM, arm, strict=True)) | {
            "split": runs["split"].iloc[0],
            "seeds": len(runs),
            "steps": steps[arm],
            "chance": judgements[arm[0]].chance,
            "memorised": int(runs["alpha_0"].notna().sum()),
            "memorised_step": runs["alpha_0"].median(),
            "grokked": int(grokked.sum()),
            "grokked_step": runs.loc[grokked, "alpha_1"].median(),
        }
        means = {
            "start": pd.concat([starts[run] for run in of_seed]),
            "delta_S": runs["delta_S"],
            "end": runs["plateau"],
            "norm_ratio": ratios.reindex(of_seed),
        }
        for name, values in means.items():
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), _interval(values), strict=True))
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS["arms"]))


def _interval(values: pd.Series) -> tuple[float, float, float]:
    """Mean and t interval of the values that are finite."""
    finite = values[np.isfinite(values.astype(float))]
    if finite.empty:
        return (np.nan,) * 3
    found = t_interval(finite)
    return found.estimate, found.low, found.high
