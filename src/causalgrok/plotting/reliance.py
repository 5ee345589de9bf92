"""Which probes measure how much a network relies on stain? Their correlation over runs with the counterfactual."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style


@mpl.rc_context(style.CONTEXT)
def reliance(reliance: pd.DataFrame) -> Figure:
    """Draw the rank correlation with counterfactual reliance over runs, a row a probe and measure, highest first.

    Args:
        reliance: the study table; its final checkpoint, or the latest that it has.
    """
    if reliance.empty:
        return style.empty("Too few runs for a correlation with reliance.")
    columns = ("probe", "measure", "runs", "rho", "low", "high", "p", "smallest_p")
    table, checkpoint = frames.latest(frames.select(reliance, "reliance", *columns, keys=(), checkpoint=frames.NAMED))
    table = table.sort_values(["rho", "probe", "measure"], ascending=[False, True, True])
    names = [f"{row.probe}: {row.measure}".replace("_", " ") for row in table.itertuples()]
    # Names of about 0.06 inches a character stand beside two inches of axis and half an inch of p-values.
    width = max(style.ONE_COLUMN, 2.5 + 0.06 * max(map(len, names)))
    figure = Figure(figsize=(width, 1.0 + 0.2 * len(table)), layout="constrained")
    axes = figure.subplots()
    places = range(len(table))
    axes.axvline(0, color=style.GREY, linewidth=0.8, zorder=0)
    axes.hlines(places, table["low"], table["high"], color="black", linewidth=1)
    axes.plot(table["rho"], places, "o", color="black", markersize=4)
    for place, rho in zip(places, table["rho"], strict=True):
        if pd.isna(rho):
            axes.text(0.03, place, "undefined", color=style.GREY, fontsize=7, va="center")
    axes.set_yticks(places, names)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlim(-1.05, 1.05)
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(places, ["" if pd.isna(p) else f"p {_rounded(p)}" for p in table["p"]])
    beside.tick_params(length=0)
    beside.spines["right"].set_visible(False)
    low, high = table["runs"].min(), table["runs"].max()
    count = f"{low}" if low == high else f"{low} to {high}"
    axes.set_title(f"{checkpoint.capitalize()} checkpoint, {count} {'run' if high == 1 else 'runs'}")
    smallest = _rounded(table["smallest_p"].min())
    axes.set_xlabel(f"Spearman correlation\nwith counterfactual reliance\n(smallest p possible {smallest})")
    return figure


def _rounded(p: float) -> str:
    return "< .001" if p < 0.001 else f"= {p:.3f}".replace("0.", ".", 1)
