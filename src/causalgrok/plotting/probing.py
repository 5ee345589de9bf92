"""Where in the network hospital and tumour can be read off linearly, and how that changes over training."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from causalgrok.interventions.features import ALL_STAGES
from causalgrok.plotting import frames, style

_CELL = ["target", "control", "stage", "epoch"]
_TARGETS = {
    ("hospital", "none"): "hospital",
    ("tumour", "none"): "tumour",
    ("hospital", "permuted"): "hospital, permuted by slide",
}


@mpl.rc_context(style.CONTEXT)
def probing(probing: pd.DataFrame) -> Figure:
    """Draw heatmaps of probe accuracy minus chance: a row a training set and recipe, a column what is decoded.

    Args:
        probing: the study table. Chance is the share of the most frequent class on the judging slides.
    """
    probing = frames.select(
        probing,
        "probing",
        *("epoch", "stage", "accuracy", "chance"),
        target=("hospital", "tumour"),
        control=("none", "permuted"),
    )
    present = set(zip(probing["target"], probing["control"], strict=True))
    targets = {key: title for key, title in _TARGETS.items() if key in present}
    above = probing.assign(above=probing["accuracy"] - probing["chance"])
    above = frames.per_run(above, _CELL, "above")
    rows = [
        (style.row_label(recipe, cells, setting), cells.groupby(_CELL, as_index=False)["above"].mean())
        for setting, runs in frames.settings(above).items()
        for recipe, cells in runs.groupby("recipe")
    ]
    means = pd.concat([cells["above"] for _, cells in rows])
    scale = {"vmin": min(0, means.min()), "vmax": means.max()}
    figure, axes = style.panels(len(rows), len(targets), height=1.6)
    for row, (label, cells) in zip(axes, rows, strict=True):
        for panel, ((target, control), title) in zip(row, targets.items(), strict=True):
            chosen = cells[(cells["target"] == target) & (cells["control"] == control)]
            if chosen.empty:
                panel.set_visible(False)
                continue
            grid = chosen.pivot(index="stage", columns="epoch", values="above")
            stages = [stage for stage in ALL_STAGES if stage in grid.index]
            stages += [stage for stage in grid.index if stage not in ALL_STAGES]
            # From the image at the bottom to the head at the top.
            grid = grid.loc[stages[::-1]]
            panel.pcolormesh(np.ma.masked_invalid(grid.to_numpy()), **scale, cmap="viridis")
            panel.set(xlim=(0, len(grid.columns)), ylim=(len(grid), 0))
            panel.spines[:].set_visible(False)
            panel.set_yticks(np.arange(len(grid)) + 0.5 if panel is row[0] else [])
            if panel is row[0]:
                panel.set_yticklabels(grid.index, va="center")
            # Four names fit below a panel, the first and the last checkpoint among them.
            named = np.unique(np.linspace(0, len(grid.columns) - 1, 4).round().astype(int))
            panel.set_xticks(named + 0.5, [f"{grid.columns[index]:g}" for index in named], rotation=0)
            panel.tick_params(length=2)
            panel.set_title(title if panel in axes[0] else "")
            panel.set_xlabel("epoch" if panel in axes[-1] else "")
            panel.set_ylabel(label if panel is row[0] else "")
    colourbar = figure.colorbar(ScalarMappable(Normalize(**scale), "viridis"), ax=axes, aspect=12 * len(rows), pad=0.02)
    colourbar.set_label("probe accuracy\nminus chance (fraction)")
    colourbar.outline.set_visible(False)
    return figure
