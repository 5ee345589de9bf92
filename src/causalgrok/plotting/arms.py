"""Tasks side by side: where each starts, how long it takes to memorise and to generalise, and what its weights do."""

from collections.abc import Iterable

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from causalgrok.plotting import frames, style

_ROW = 0.26
"""Inches an arm."""

_LINE = 44
"""Letters of a name that have room beside the panels; a longer one takes two lines."""

_LATE = "#117733"
_EARLY = "#666666"


@mpl.rc_context(style.CONTEXT)
def arms(arms: pd.DataFrame) -> Figure:
    """Draw a row for each arm: accuracies (left), steps (middle) and the ratio of norms (right).

    Args:
        arms: the study table.
    """
    columns = ("chance", "seeds", "steps", "start", "end", "memorised", "memorised_step", "grokked", "grokked_step")
    table = frames.select(arms, "arms", *columns, "norm_ratio", keys=("task", "recipe", "n"))
    table = table.sort_values(["task", "recipe", "n"]).reset_index(drop=True)
    figure = Figure(figsize=(style.TWO_COLUMNS, 1.1 + _ROW * len(table)), layout="constrained")
    # Room on the left for readers of SVG who have another font, in which long names are longer.
    figure.get_layout_engine().set(rect=(0.02, 0, 0.98, 1))
    accuracy, steps, norm = figure.subplots(1, 3, sharey=True, width_ratios=(3, 4, 2))
    for place, arm in enumerate(table.itertuples()):
        _accuracies(accuracy, place, arm)
        _steps(steps, place, arm)
        norm.plot(arm.norm_ratio, place, "o", color=_EARLY, markersize=4)
    names = [_name(arm) for arm in table.itertuples()]
    accuracy.set_yticks(range(len(names)), names, fontsize=6)
    accuracy.set_ylim(len(names) - 0.5, -0.5)
    accuracy.set_xlim(-0.03, 1.03)
    accuracy.set_xlabel("accuracy (fraction)")
    _logarithmic(steps, table[["memorised_step", "grokked_step", "steps"]].stack())
    steps.set_xlabel("optimiser steps")
    _logarithmic(norm, [1, *table["norm_ratio"]])
    norm.axvline(1, color="black", linewidth=0.8, linestyle=":")
    norm.set_xlabel("norm ratio")
    dot = {"linestyle": "", "markersize": 4}
    style.legend(
        figure,
        [
            style.line_key("chance", linestyle="", marker="|", markersize=7),
            style.line_key("first evaluation", marker="o", color=_EARLY, markerfacecolor="none", **dot),
            style.line_key("final plateau", marker="o", color=_LATE, **dot),
            style.line_key("memorised", marker="s", color=_EARLY, **dot),
            style.line_key("generalised late", marker="o", color=_LATE, **dot),
            style.line_key("end, not grokked", marker=">", color="black", markerfacecolor="none", **dot),
        ],
    )
    return figure


def _name(arm: tuple) -> str:
    name = f"{arm.task}, {arm.recipe}, n = {arm.n}"
    return name if len(name) <= _LINE else name.replace(", ", ",\n", 1)


def _logarithmic(panel: Axes, values: Iterable[float]) -> None:
    """A logarithmic axis around values, named at 1, 2 and 5 or at powers of ten, in plain numbers."""
    values = np.array([value for value in values if np.isfinite(value) and value > 0] or [1.0])
    low, high = values.min() / 1.4, values.max() * 1.4
    panel.set_xscale("log")
    panel.set_xlim(low, high)
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 50 else (1,)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value < 1e5 else f"{value:.0e}"))
    panel.xaxis.set_minor_locator(NullLocator())


def _accuracies(panel: Axes, place: int, arm: tuple) -> None:
    panel.plot(arm.chance, place, "|", color="black", markersize=7)
    panel.plot([arm.start, arm.end], [place, place], color=_EARLY, linewidth=0.8, zorder=1)
    panel.plot(arm.start, place, "o", color=_EARLY, markersize=4, markerfacecolor="white")
    panel.plot(arm.end, place, "o", color=_LATE, markersize=4)


def _steps(panel: Axes, place: int, arm: tuple) -> None:
    """Medians, with how many of the runs got there where not all did."""
    panel.plot(arm.memorised_step, place, "s", color=_EARLY, markersize=4)
    if arm.grokked:
        panel.plot([arm.memorised_step, arm.grokked_step], [place, place], color=_LATE, linewidth=1, zorder=1)
        panel.plot(arm.grokked_step, place, "o", color=_LATE, markersize=4)
    if arm.grokked < arm.seeds:
        panel.plot(arm.steps, place, ">", color="black", markersize=4, markerfacecolor="white")
    shared = f"{arm.grokked} of {arm.seeds}"
    panel.annotate(shared, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=6)
