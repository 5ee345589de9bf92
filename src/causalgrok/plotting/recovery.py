"""What is recovered of a planted shortcut: direction, rank, order of strengths, erasure and concentration."""

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_ANGLES = {
    "direction_angle": "steering",
    "logistic_angle": "logistic rows",
    "mean_difference_angle": "mean differences",
    "leace_angle": "LEACE",
}
_COVARIANCE = "leace_cross_covariance"
_LEFT = {"_heldout_accuracy": False, "_mlp_accuracy": True}
"""Suffix of a measure -> whether its marks are hollow."""
_ORDER = "strength_order"


@mpl.rc_context(style.CONTEXT)
def recovery(recovery: pd.DataFrame) -> Figure:
    """Draw a panel for each of: direction, rank, order of strengths, LEACE in sample, and hospital left held out.

    Args:
        recovery: the study table; measures that belong to none of these are not drawn.
    """
    columns = ("case", "strength", "measure", "value", "low", "high", "expected")
    table = frames.select(recovery, "recovery", *columns, keys=()).dropna(subset="value")
    cases = list(dict.fromkeys(table["case"]))
    palette = dict(zip(cases, style.shades(len(cases), sequential=False), strict=True))
    measure = table["measure"]
    parts: list[tuple[str, pd.DataFrame, Callable[[Axes, pd.DataFrame, dict[str, str]], None]]] = [
        ("Direction", table[measure.isin(_ANGLES) & (table["case"] == "planted")], _draw_angles),
        ("Rank", table[measure == "rank"], _draw_rank),
        ("LEACE in sample", table[measure == _COVARIANCE], _draw_covariance),
        ("Order of strengths", table[measure.str.startswith(_ORDER)], _draw_order),
        ("Hospital left, held out", table[measure.str.endswith(tuple(_LEFT))], _draw_left),
    ]
    parts = [part for part in parts if not part[1].empty]
    if not parts:
        raise ValueError("table recovery: none of the measures that are drawn")
    columns_of_panels = min(len(parts), 3)
    figure, axes = style.panels(-(-len(parts) // columns_of_panels), columns_of_panels, height=2.5)
    for spare in axes.flat[len(parts) :]:
        spare.remove()
    for panel, (title, rows, draw) in zip(axes.flat, parts, strict=False):
        draw(panel, rows, palette)
        panel.set_title(title)
    dot = {"linestyle": "", "marker": "o", "markersize": 3.5}
    keys = [style.line_key(case.replace("_", " "), color=colour, **dot) for case, colour in palette.items()]
    if any(draw is _draw_left for _, _, draw in parts):
        keys += [style.line_key("linear probe", **dot), style.line_key("MLP probe", **dot, markerfacecolor="white")]
    keys += [
        style.line_key("95 % of the repeats, or interval of a share", linewidth=0.8),
        style.line_key("demanded", linewidth=0.8, linestyle="--"),
    ]
    style.legend(figure, keys)
    return figure


def _draw_angles(axes: Axes, rows: pd.DataFrame, palette: dict[str, str]) -> None:
    """Angle to the planted axis against strength, a line an estimator, named at its weakest strength."""
    styles = ("-", (0, (4, 2)), (0, (1, 1)), (0, (4, 1, 1, 1)))
    for (measure, name), linestyle in zip(_ANGLES.items(), styles, strict=True):
        line = rows[rows["measure"] == measure].sort_values("strength")
        axes.plot(line["strength"], line["value"], color="black", linewidth=1, linestyle=linestyle, label=name)
        if measure == "direction_angle":
            axes.vlines(line["strength"], line["low"], line["high"], color="black", linewidth=0.8)
            asked = line.dropna(subset="expected")
            axes.hlines(asked["expected"], 0, asked["strength"], color=style.GREY, linewidth=0.8, linestyle="--")
    axes.legend(fontsize=6)
    axes.set_ylim(0, 90)
    axes.set_ylabel("angle to the truth (degrees)")
    _strength_axis(axes)


def _draw_rank(axes: Axes, rows: pd.DataFrame, palette: dict[str, str]) -> None:
    """Share of the repeats whose planted rank is found against strength; 0 is planted in the null cases."""
    for (case, of_case), shift in zip(rows.groupby("case", sort=False), _shifts(rows), strict=True):
        of_case = of_case.sort_values("strength")
        places = of_case["strength"] + shift
        axes.vlines(places, of_case["low"], of_case["high"], color=palette[case], linewidth=0.8)
        axes.plot(places, of_case["value"], "o-", color=palette[case], markersize=3, linewidth=1)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("share with the planted rank")
    _strength_axis(axes, left=None)


def _draw_covariance(axes: Axes, rows: pd.DataFrame, palette: dict[str, str]) -> None:
    """The largest median over strengths of every case, and the bound that it has to stay below."""
    worst = rows.loc[rows.groupby("case", sort=False)["value"].idxmax()]
    for place, row in enumerate(worst.itertuples()):
        axes.hlines(place, row.low, row.high, color=palette[row.case], linewidth=0.8)
        axes.plot(row.value, place, "o", color=palette[row.case], markersize=3.5)
    axes.axvline(worst["expected"].max(), color=style.GREY, linewidth=0.8, linestyle="--", zorder=0)
    axes.set_xscale("log")
    _name_rows(axes, worst["case"])
    axes.set_xlabel("cross-covariance left,\nrelative to that before")


def _draw_order(axes: Axes, rows: pd.DataFrame, palette: dict[str, str]) -> None:
    """Spearman correlation of planted and measured strength, a row a probe."""
    names = rows["measure"].str.removeprefix(_ORDER).str.strip("_")
    _draw_rows(axes, rows.assign(name=names.where(names != "", "all")), palette)
    axes.axvline(0, color=style.GREY, linewidth=0.8, zorder=0)
    axes.set_xlim(-1.05, 1.05)
    axes.set_xlabel("Spearman correlation")


def _draw_left(axes: Axes, rows: pd.DataFrame, palette: dict[str, str]) -> None:
    """Accuracy for hospital of fresh probes after every removal, at the highest strength, a row a method."""
    rows = rows[rows["strength"] == rows.groupby("case")["strength"].transform("max")]
    for suffix, hollow in _LEFT.items():
        some = rows[rows["measure"].str.endswith(suffix)]
        everything = rows["measure"].str.replace("|".join(_LEFT), "", regex=True).drop_duplicates()
        named = some.assign(name=some["measure"].str.removesuffix(suffix))
        _draw_rows(axes, named, palette, order=list(everything), hollow=hollow)
    for expected in rows["expected"].dropna().unique():
        axes.axvline(expected, color=style.GREY, linewidth=0.8, linestyle="--", zorder=0)
    axes.set_xlabel("accuracy (fraction)")


def _draw_rows(
    axes: Axes,
    rows: pd.DataFrame,
    palette: dict[str, str],
    *,
    order: Sequence[str] | None = None,
    hollow: bool = False,
) -> None:
    """A row a `name`, with a dot and interval for each case."""
    order = list(dict.fromkeys(rows["name"])) if order is None else order
    cases = [case for case in palette if case in set(rows["case"])]
    for case, shift in zip(cases, style.dodge(len(cases), 0.6), strict=True):
        of_case = rows[rows["case"] == case]
        places = np.array([order.index(name) for name in of_case["name"]]) + shift + 0.1 * hollow
        face = {"markerfacecolor": "white"} if hollow else {}
        axes.hlines(places, of_case["low"], of_case["high"], color=palette[case], linewidth=0.8)
        axes.plot(of_case["value"], places, "o", color=palette[case], markersize=3.5, **face)
    _name_rows(axes, order)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)


def _shifts(rows: pd.DataFrame) -> np.ndarray:
    """Cases side by side, within a fiftieth of the strengths' range."""
    return style.dodge(rows["case"].nunique(), 0.04 * max(rows["strength"].max(), 1))


def _strength_axis(axes: Axes, left: float | None = 0) -> None:
    axes.set_xlim(left=left)
    axes.set_xlabel("planted strength (noise units)")
