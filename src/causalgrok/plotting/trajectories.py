"""OOD accuracy over training, run by run: does it jump late (grokking), or peak early and decline?"""

from collections.abc import Mapping

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_TRAIN = {"linewidth": 0.8, "linestyle": (0, (4, 2))}


@mpl.rc_context(style.CONTEXT)
def trajectories(metrics: pd.DataFrame, *, chance: Mapping[str, float] | None = None) -> Figure:
    """Draw accuracy against epoch: a row of panels for every training set, a column for every held-out split.

    Args:
        metrics: the study table.
        chance: task -> accuracy of guessing, where it is to be shown.
    """
    chance = chance or {}
    shown = frames.held_out(metrics)
    metrics = frames.select(metrics, "metrics", "epoch", "accuracy", split=("train", *shown))
    scored = frames.select(metrics, "metrics", "epoch", "accuracy", split=shown)
    train = metrics[metrics["split"] == "train"]
    palette = style.colours(scored["recipe"])
    figure, rows = style.by_split(scored, share_y="all")
    for row in rows:
        for panel, title, runs in row:
            setting = (train["task"] == runs["task"].iloc[0]) & (train["n"] == runs["n"].iloc[0])
            style.means(panel, train[setting], "epoch", "accuracy", palette, shade=0, alpha=0.6, **_TRAIN)
            style.curves(panel, runs, "epoch", "accuracy", palette)
            style.epoch_axis(panel, runs["epoch"].max())
            style.guesses(panel, runs["task"], chance)
            panel.set_title(title)
            panel.set_ylabel("accuracy (fraction)" if panel is row[0][0] else "")
    style.bound(rows[0][0][0], [*chance.values(), *metrics["accuracy"]])
    keys = [*style.curve_keys(scored, palette), style.line_key("training set, mean", **_TRAIN)]
    style.legend(figure, [*keys, *style.guess_key(scored["task"], chance)])
    return figure
