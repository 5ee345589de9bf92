"""How sure the network is of its training set: margin, logit scale, and losses that have become exactly zero."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_MEASURES = {"margin": "mean margin (logits)", "logit_scale": "logit scale (RMS)", "zero_loss_fraction": "fraction"}
_TITLES = {"margin": "margin", "logit_scale": "logit scale", "zero_loss_fraction": "losses exactly zero"}
_HELD_OUT = {"linestyle": (0, (4, 2)), "linewidth": 0.8}


@mpl.rc_context(style.CONTEXT)
def logit_margin(metrics: pd.DataFrame) -> Figure:
    """Draw margin, logit scale and the fraction of zero losses on the training set against epoch, a row a training set.

    Args:
        metrics: the study table. A held-out split stands beside the training set for the first two.
    """
    unseen = frames.one_split(metrics)
    metrics = frames.select(metrics, "metrics", "epoch", *_MEASURES, split=("train", *unseen))
    train, other = (metrics[metrics["split"].isin(splits)] for splits in (("train",), unseen))
    if train.empty:
        return style.empty("No training set is among the splits.")
    palette = style.colours(train["recipe"])
    figure, axes = style.panels(train.groupby(["task", "n"]).ngroups, len(_MEASURES))
    others = frames.settings(other) if len(other) else {}
    for row, (setting, runs) in zip(axes, frames.settings(train).items(), strict=True):
        for panel, (measure, label) in zip(row, _MEASURES.items(), strict=True):
            style.curves(panel, runs, "epoch", measure, palette)
            if measure != "zero_loss_fraction" and setting in others:
                style.means(panel, others[setting], "epoch", measure, palette, shade=0, **_HELD_OUT)
            style.epoch_axis(panel, runs["epoch"].max())
            if measure == "margin":
                style.bound(panel, [0, *runs[measure].dropna()])
            elif measure == "logit_scale":
                style.logarithmic(panel, runs[measure].to_numpy())
            else:
                panel.set_ylim(-0.03, 1.03)
            panel.set_title(f"{_TITLES[measure]}\n{setting}")
            panel.set_ylabel(label)
    keys = style.curve_keys(train, palette)
    if others:
        keys.append(style.line_key(f"{style.SPLITS[unseen[-1]]}, mean", **_HELD_OUT))
    style.legend(figure, keys)
    return figure
