"""The probes on trial: what they find where nothing was planted, and where something was."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from causalgrok.plotting import frames, style

_CONTROLS = {
    "Permuted\nby slide": ("permuted",),
    "Matched": ("matched",),
    "Easy ones,\nnever decisive": ("isotropic", "random", "none"),
}
"""Title of a column -> its controls; none is the source's way, to decide without any."""

_LEVEL = 0.05
_PLANTED, _UNUSED = "planted", "unused"
_ROW = 0.24
"""Inches a probe."""


@mpl.rc_context(style.CONTEXT)
def validation(validation: pd.DataFrame, *, asked: float = 0.95) -> Figure:
    """Draw how often each probe (row) finds an effect: left where nothing was planted, right where something was.

    Args:
        validation: the study table. Nothing was planted where the strength is 0; power is that of the case `planted`,
            beside which `unused` is drawn, where hospitals differ but the head does not read it.
        asked: power that is asked for at the highest strength.
    """
    columns = ("case", "strength", "probe", "control", "repeats", "rate", "low", "high")
    table = frames.select(validation, "validation", *columns, keys=())
    probes = list(dict.fromkeys(table["probe"]))
    null = table[table["strength"] == 0]
    power = table[(table["strength"] > 0) & table["case"].isin((_PLANTED, _UNUSED))]
    cases = list(dict.fromkeys(null["case"]))
    strengths = sorted(power.loc[power["case"] == _PLANTED, "strength"].unique())
    looks = dict(zip(cases, style.shades(len(cases), sequential=False), strict=True))
    depths = dict(zip(strengths, style.shades(len(strengths), sequential=True), strict=True))

    figure = Figure(figsize=(style.TWO_COLUMNS, 1.1 + _ROW * len(probes)), layout="constrained")
    axes = figure.subplots(1, 5, sharey=True)
    for panel, (title, controls) in zip(axes, _CONTROLS.items(), strict=False):
        _draw_null(panel, null[null["control"].isin(controls)], probes, looks)
        panel.set_title(title)
    decisive = null[null["control"].isin(("permuted", "matched"))]
    for panel in axes[:2]:
        most = max(0.12, decisive["high"].max()) if len(decisive) else 0.12
        panel.set_xlim(-0.03 * most, 1.03 * most)
    axes[2].set_xlim(-0.03, 1.03)
    for panel, (title, controls) in zip(axes[3:], _CONTROLS.items(), strict=False):
        _draw_power(panel, power[power["control"].isin(controls)], probes, depths)
        panel.axvline(asked, color=style.GREY, linewidth=0.8, linestyle="--", zorder=0)
        panel.set_title(f"Power: {title[0].lower()}{title[1:]}")
    axes[1].set_xlabel("false positives (fraction)")
    axes[3].set_xlabel("found (fraction)", loc="left")
    axes[0].set_yticks(range(len(probes)), [probe.replace("_", " ") for probe in probes])
    axes[0].set_ylim(len(probes) - 0.5, -0.5)
    style.legend(figure, _keys(looks, depths, power, asked))
    return figure


def _keys(looks: dict[str, str], depths: dict[float, str], power: pd.DataFrame, asked: float) -> list:
    dot = {"linestyle": "", "marker": "o", "markersize": 3.5}
    keys = [style.line_key(case.replace("_", " "), color=colour, **dot) for case, colour in looks.items()]
    keys += [style.line_key(f"strength {strength:g}", color=colour, **dot) for strength, colour in depths.items()]
    if (power["case"] == _UNUSED).any():
        keys.append(
            style.line_key("strong, but unused by the head", color="black", linestyle="", marker="x", markersize=4)
        )
    return [
        *keys,
        style.line_key("95 % Clopper-Pearson interval", linewidth=0.8),
        style.line_key(f"level, {_LEVEL:g}", linewidth=0.8, linestyle=":"),
        style.shade_key("95 % of a binomial at that level", alpha=0.25),
        style.line_key(f"power asked for, {asked:g}", linewidth=0.8, linestyle="--"),
    ]


def _draw_null(axes: Axes, rows: pd.DataFrame, probes: Sequence[str], looks: dict[str, str]) -> None:
    """The rate at which each probe finds an effect in every null case, beside the level and its binomial band."""
    if not rows.empty:
        repeats = rows["repeats"].min()
        band = np.array(stats.binom.ppf((0.025, 0.975), repeats, _LEVEL)) / repeats
        axes.axvspan(*band, color=style.GREY, alpha=0.25, linewidth=0, zorder=0)
    axes.axvline(_LEVEL, color=style.GREY, linewidth=0.8, linestyle=":", zorder=0)
    for (case, colour), shift in zip(looks.items(), style.dodge(len(looks), 0.75), strict=True):
        of_case = rows[rows["case"] == case]
        places = np.array([probes.index(probe) for probe in of_case["probe"]]) + shift
        axes.hlines(places, of_case["low"], of_case["high"], color=colour, linewidth=0.7)
        axes.plot(of_case["rate"], places, "o", color=colour, markersize=2.5)


def _draw_power(axes: Axes, rows: pd.DataFrame, probes: Sequence[str], depths: dict[float, str]) -> None:
    """The rate at which each probe finds an effect of every strength, weak ones above strong ones."""
    axes.axvline(_LEVEL, color=style.GREY, linewidth=0.8, linestyle=":", zorder=0)
    for (strength, colour), shift in zip(depths.items(), style.dodge(len(depths), 0.6), strict=True):
        chosen = rows[(rows["case"] == _PLANTED) & (rows["strength"] == strength)]
        places = np.array([probes.index(probe) for probe in chosen["probe"]]) + shift
        axes.hlines(places, chosen["low"], chosen["high"], color=colour, linewidth=0.7)
        axes.plot(chosen["rate"], places, "o", color=colour, markersize=3)
    unused = rows[rows["case"] == _UNUSED]
    axes.plot(unused["rate"], [probes.index(probe) for probe in unused["probe"]], "x", color="black", markersize=4)
    axes.set_xlim(-0.03, 1.03)
