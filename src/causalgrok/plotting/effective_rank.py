"""The effective rank of the pooled features over training: do they collapse onto few directions, in which recipe?"""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import style


@mpl.rc_context(style.CONTEXT)
def effective_rank(geometry: pd.DataFrame) -> Figure:
    """Draw effective rank against epoch: a row a training set, a column a split.

    Args:
        geometry: the study table. ID validation stands for the training hospitals, else the training set.
    """
    geometry = style.select(geometry, "geometry", "epoch", "effective_rank", split=style.SPLITS)
    within = "id_val" if "id_val" in set(geometry["split"]) else "train"
    splits = style.splits(geometry, (within, *style.SCORED))
    palette = style.colours(geometry["recipe"])
    settings = style.settings(geometry)
    figure, axes = style.panels(len(settings), len(splits), height=2, share_y="row")
    for row, (setting, runs) in zip(axes, settings.items(), strict=True):
        runs = runs[runs["split"].isin(splits)]
        for panel, split in zip(row, splits, strict=True):
            style.curves(panel, runs[runs["split"] == split], "epoch", "effective_rank", palette)
            style.epoch_axis(panel, runs["epoch"].max())
            panel.set_title(f"{style.SPLITS[split]}\n{setting}")
            panel.set_ylabel("effective rank (dimensions)" if panel is row[0] else "")
        style.bound(row[0], runs["effective_rank"])
    style.legend(figure, style.curve_keys(geometry, palette))
    return figure
