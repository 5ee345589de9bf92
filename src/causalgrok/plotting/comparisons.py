"""Recipes against each other: differences with intervals, exact p-values and the smallest that they could be."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_ROW = 0.22
"""Inches a comparison."""


@mpl.rc_context(style.CONTEXT)
def comparisons(statistics: pd.DataFrame) -> Figure:
    """Draw the difference of two recipes' means, a row a measure, a panel for each task, n and pair of recipes.

    Args:
        statistics: the study table; times to grok have no difference of means, and are written only.
    """
    if statistics.empty:
        return style.empty("There are no two recipes to compare.")
    columns = ("task", "n", "a", "b", "measure", "difference", "low", "high", "p", "smallest_p", "p_holm", "rejected")
    table = frames.select(statistics, "statistics", *columns, "margin", "level", keys=())
    groups = list(table.groupby(["task", "n", "a", "b"], sort=False))
    sizes = [len(rows) for _, rows in groups]
    height = 0.9 + sum(0.45 + _ROW * size for size in sizes)
    figure = Figure(figsize=(style.TWO_COLUMNS, height), layout="constrained")
    axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=[size + 1 for size in sizes])[:, 0]
    for panel, ((task, n, a, b), rows) in zip(axes, groups, strict=True):
        _draw(panel, rows.reset_index(drop=True))
        panel.set_title(f"{a} minus {b}: {task.replace('_', ' ')}, n = {n}")
    axes[-1].set_xlabel("difference of means (in the measure's unit)")
    dot = {"color": "black", "linestyle": "", "marker": "o", "markersize": 4}
    keys = [
        style.line_key("significant after Holm", **dot),
        style.line_key("not significant", **dot, markerfacecolor="white"),
        style.line_key(f"{table['level'].max():.0%} t interval".replace("%", " %"), linewidth=0.9),
        style.shade_key("margin of equivalence", alpha=0.25),
    ]
    style.legend(figure, keys)
    return figure


def _draw(axes: mpl.axes.Axes, rows: pd.DataFrame) -> None:
    axes.axvline(0, color=style.GREY, linewidth=0.8, linestyle=":", zorder=0)
    for place, row in rows.iterrows():
        shown = row["measure"] != "time"
        if shown and np.isfinite(row["margin"]):
            axes.barh(
                place, 2 * row["margin"], left=-row["margin"], height=0.8, color=style.GREY, alpha=0.25, linewidth=0
            )
        if shown:
            axes.hlines(place, row["low"], row["high"], color="black", linewidth=0.9)
            fill = "black" if row["rejected"] else "white"
            axes.plot(row["difference"], place, "o", color="black", markerfacecolor=fill, markersize=4)
        p = f"p = {row['p']:.3f}, Holm {row['p_holm']:.3f}, smallest {row['smallest_p']:.3f}"
        text = p if np.isfinite(row["p"]) else "not compared"
        axes.text(1.01, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=6)
    axes.set_yticks(range(len(rows)), [name.replace("_", " ") for name in rows["measure"]])
    axes.set_ylim(len(rows) - 0.5, -0.5)
