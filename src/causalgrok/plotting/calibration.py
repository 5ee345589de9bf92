"""The tests and the grokking detector on trial: how often they err where the truth is known."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_ASSUMPTIONS = {
    "met": ("#0072B2", "o", "assumptions hold: has its level"),
    "asymptotic": ("#E69F00", "s", "promised for many runs only"),
    "broken": ("#D55E00", "D", "assumptions broken"),
}
_ROW = 0.145
"""Inches a case."""

_CONFUSION = ("grokked", "semi_grokked", "peak_decline", "plateau", "never_memorised")


@mpl.rc_context(style.CONTEXT)
def calibration(calibration: pd.DataFrame) -> Figure:
    """Draw how often every test (row) rejects where there is nothing to find.

    Args:
        calibration: the study table.
    """
    columns = ("test", "design", "condition", "assumption", "rate", "low", "high", "attainable")
    table = frames.select(calibration, "calibration", *columns, keys=()).reset_index(drop=True)
    half = -(-len(table) // 2)
    figure = Figure(figsize=(style.TWO_COLUMNS, 0.9 + _ROW * half), layout="constrained")
    axes = figure.subplots(1, 2)
    for panel, rows in zip(axes, (table[:half], table[half:]), strict=True):
        places = np.arange(len(rows))
        for place, level in zip(places, rows["attainable"], strict=True):
            panel.plot([level, level], [place - 0.4, place + 0.4], color="black", linewidth=1.2, zorder=1)
        for assumption, (colour, marker, _) in _ASSUMPTIONS.items():
            chosen = (rows["assumption"] == assumption).to_numpy()
            some = rows[chosen]
            panel.hlines(places[chosen], some["low"], some["high"], color=colour, linewidth=0.8)
            panel.plot(some["rate"], places[chosen], marker, color=colour, markersize=2.8, linestyle="")
        names = rows["test"] + ", " + rows["design"] + ", " + rows["condition"]
        panel.set_yticks(places, names, fontsize=5)
        panel.set_ylim(half - 0.5, -0.5)
        panel.set_xscale("symlog", linthresh=0.1, linscale=2)
        panel.set_xlim(-0.004, 1.15)
        panel.set_xticks([0, 0.05, 0.1, 1], ["0", ".05", ".1", "1"])
        panel.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        panel.set_xlabel("rejected (fraction)")
    keys = [
        style.line_key(label, color=colour, linestyle="", marker=marker, markersize=3.5)
        for assumption, (colour, marker, label) in _ASSUMPTIONS.items()
        if (table["assumption"] == assumption).any()
    ]
    keys += [style.line_key("99.9 % Clopper-Pearson interval", linewidth=0.8)]
    keys += [style.line_key("the level it should have", color="black", linestyle="", marker="|", markersize=7)]
    style.legend(figure, keys)
    return figure


@mpl.rc_context(style.CONTEXT)
def confusion(confusion: pd.DataFrame) -> Figure:
    """Draw what the detector (column) says of synthetic runs of every kind (row), for two scatters of checkpoints.

    Args:
        confusion: the study table.
    """
    table = frames.select(confusion, "confusion", "scatter", "true", "detected", "runs", "rate", keys=())
    scatters = list(dict.fromkeys(table["scatter"]))
    names = [name.replace("_", "\n", 1) for name in _CONFUSION]
    figure = Figure(figsize=(style.TWO_COLUMNS, 2.9), layout="constrained")
    axes = figure.subplots(1, len(scatters), sharey=True, squeeze=False)[0]
    for panel, scatter in zip(axes, scatters, strict=True):
        of_scatter = table[table["scatter"] == scatter]
        rates = of_scatter.pivot(index="true", columns="detected", values="rate").reindex(
            _CONFUSION, columns=_CONFUSION
        )
        panel.imshow(rates, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for row, column in np.ndindex(rates.shape):
            rate = rates.iat[row, column]
            panel.text(
                *(column, row, f"{rate:.3f}".rstrip("0").rstrip(".") if rate else "0"),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if rate > 0.5 else "black",
            )
        panel.set_xticks(range(len(names)), names)
        panel.set_yticks(range(len(names)), names)
        panel.set_xlabel("what the detector says")
        panel.set_title(f"{scatter.capitalize()} scatter, {of_scatter['runs'].max()} runs of each kind")
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
    axes[0].set_ylabel("what the run is")
    return figure
