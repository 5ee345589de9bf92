"""What each setting of a recipe does, alone and together with others: a forest of main effects and interactions."""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_OUTCOMES = {
    "peak_accuracy": ("Peak OOD accuracy", "fraction"),
    "final_accuracy": ("Final OOD accuracy", "fraction"),
    "decline": ("Decline", "fraction"),
    "weight_norm": ("Weight norm", "L2"),
    "effective_rank": ("Effective rank", "dimensions"),
    "inlp_area": ("Area under INLP", "share"),
    "between_participation": ("Hospital dimensions", "dimensions"),
    "reliance": ("Reliance on stain", "flip fraction"),
    "steering": ("Steering before pooling", "flip fraction"),
    "steering_pooled": ("Steering pooled", "flip fraction"),
}
"""Outcome -> its name and unit, in the order of the panels."""

_TIMES = "\N{MULTIPLICATION SIGN}"
_ROOM = 0.62
_MIXED = {"linewidth": 3.2, "alpha": 0.25, "zorder": 1}
_EXACT = {"linewidth": 0.9, "zorder": 2}
_MARKER = {"linestyle": "", "marker": "o", "markersize": 4, "markeredgewidth": 0.9}


@mpl.rc_context(style.CONTEXT)
def factorial(factorial: pd.DataFrame) -> Figure:
    """Draw every effect with its t interval and that of the mixed model: a panel an outcome, a row a term.

    Args:
        factorial: the study table. Effects that are missing, where no seed is complete, have no mark.
    """
    columns = ("n", "term", "order", "seeds", "estimate", "low", "high")
    columns += ("mixed_low", "mixed_high", "rejected", "smallest_p_holm")
    table = frames.select(factorial, "factorial", *columns, keys=("task",), outcome=_OUTCOMES).copy()
    drawn = table.dropna(subset="estimate")
    if drawn.empty:
        return style.empty("No seed has all runs of the factorial.")
    outcomes = [outcome for outcome in _OUTCOMES if outcome in set(drawn["outcome"])]
    terms = list(dict.fromkeys(table.sort_values("order", kind="stable")["term"]))
    settings = {
        key: name for name, rows in frames.settings(drawn).items() for key in rows.groupby(["task", "n"]).groups
    }
    palette = dict(zip(settings, style.shades(len(settings), sequential=False), strict=True))
    across = min(3, len(outcomes))
    height = 0.75 + len(terms) * max(0.2, 0.11 * len(settings))
    figure, axes = style.panels(-(-len(outcomes) // across), across, height=height)
    for spare in axes.flat[len(outcomes) :]:
        spare.remove()
    for place, (panel, outcome) in enumerate(zip(axes.flat, outcomes, strict=False)):
        rows = drawn[drawn["outcome"] == outcome]
        for (key, colour), shift in zip(palette.items(), style.dodge(len(settings), _ROOM), strict=True):
            of_setting = rows[(rows["task"] == key[0]) & (rows["n"] == key[1])]
            _draw_effects(panel, of_setting, terms, colour, shift)
        name, unit = _OUTCOMES[outcome]
        panel.set_title(name)
        panel.set_xlabel(f"effect ({unit}), {_count(rows['seeds'])}")
        _name_terms(panel, terms, named=place % across == 0)
    style.legend(figure, _keys(drawn, {settings[key]: colour for key, colour in palette.items()}))
    return figure


def _draw_effects(axes: Axes, rows: pd.DataFrame, terms: list[str], colour: str, shift: float) -> None:
    """A setting's effects: the mixed model's interval as a pale bar behind the t interval, filled where significant."""
    places = rows["term"].map(terms.index) + shift
    axes.hlines(places, rows["mixed_low"], rows["mixed_high"], color=colour, **_MIXED)
    axes.hlines(places, rows["low"], rows["high"], color=colour, **_EXACT)
    for rejected, face in ((True, colour), (False, "white")):
        some = rows["rejected"] == rejected
        axes.plot(rows.loc[some, "estimate"], places[some], color=colour, markerfacecolor=face, zorder=3, **_MARKER)


def _name_terms(axes: Axes, terms: list[str], *, named: bool) -> None:
    axes.axvline(0, color=style.GREY, linewidth=0.8, zorder=0)
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4, min_n_ticks=3))
    axes.set_yticks(range(len(terms)), [_words(term) for term in terms] if named else [""] * len(terms))
    axes.set_ylim(len(terms) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _words(term: str) -> str:
    """``weight_decay:init_scale`` is weight decay x init scale; three factors take two lines."""
    names = [name.replace("_", " ") for name in term.split(":")]
    return f" {_TIMES} ".join(names[:2]) + "".join(f"\n{_TIMES} {name}" for name in names[2:])


def _count(seeds: pd.Series) -> str:
    low, high = int(seeds.min()), int(seeds.max())
    return f"{low} seeds" if low == high else f"{low} to {high} seeds"


def _keys(rows: pd.DataFrame, colours: dict[str, str]) -> list:
    smallest = rows["smallest_p_holm"].min()
    keys = [style.line_key(name, color=colour, **_MARKER) for name, colour in colours.items()]
    return [
        *(keys if len(keys) > 1 else []),
        style.line_key(f"p at most .05 after Holm (smallest possible {smallest:.2g})".replace("0.", "."), **_MARKER),
        style.line_key("p above it", **_MARKER, markerfacecolor="white"),
        style.line_key("95 % t interval over seeds", **_EXACT),
        style.line_key("95 % interval of the mixed model", **_MIXED),
    ]
