"""The L2 norm of the weights over training: did it shrink, as accounts of grokking ask, or grow, and in which group?"""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

GROUPS = ("total", "convolution", "normalisation", "embedding", "hidden", "head")
"""Parameter groups in the order of the panels."""


@mpl.rc_context(style.CONTEXT)
def weight_norm(dynamics: pd.DataFrame) -> Figure:
    """Draw weight norm against epoch, a panel a training set and parameter group.

    Args:
        dynamics: the study table.
    """
    dynamics = frames.select(dynamics, "dynamics", "epoch", "scale_invariant", "weight_norm", group=GROUPS)
    palette = style.colours(dynamics["recipe"])
    content = [
        (setting, group, runs[runs["group"] == group])
        for setting, runs in frames.settings(dynamics).items()
        for group in GROUPS
        if group in set(runs["group"])
    ]
    figure, axes = style.panels(-(-len(content) // 2), min(len(content), 2))
    for spare in axes.flat[len(content) :]:
        spare.remove()
    for panel, (setting, group, runs) in zip(axes.flat, content, strict=False):
        style.curves(panel, runs, "epoch", "weight_norm", palette)
        style.bound(panel, runs["weight_norm"])
        style.epoch_axis(panel, runs["epoch"].max())
        panel.set_title(f"{group}{' (scale-invariant)' if runs['scale_invariant'].all() else ''}, {setting}")
        panel.set_ylabel("weight norm (L2)")
    style.legend(figure, style.curve_keys(dynamics, palette))
    return figure
