"""The effective rank of the pooled features over training: do they collapse onto few directions, in which recipe?"""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style


@mpl.rc_context(style.CONTEXT)
def effective_rank(geometry: pd.DataFrame) -> Figure:
    """Draw effective rank against epoch: a row a training set, a column a split.

    Args:
        geometry: the study table. ID validation stands for the training hospitals, else the training set.
    """
    geometry = frames.select(geometry, "geometry", "epoch", "effective_rank", split=style.SPLITS)
    within = "id_val" if "id_val" in set(geometry["split"]) else "train"
    palette = style.colours(geometry["recipe"])
    shown = dict.fromkeys((within, *frames.held_out(geometry)))
    figure, rows = style.by_split(geometry, shown, height=2, share_y="row")
    for row in rows:
        for panel, title, runs in row:
            style.curves(panel, runs, "epoch", "effective_rank", palette)
            style.epoch_axis(panel, runs["epoch"].max())
            panel.set_title(title)
            panel.set_ylabel("effective rank (dimensions)" if panel is row[0][0] else "")
        style.bound(row[0][0], pd.concat([runs["effective_rank"] for _, _, runs in row]))
    style.legend(figure, style.curve_keys(geometry, palette))
    return figure
