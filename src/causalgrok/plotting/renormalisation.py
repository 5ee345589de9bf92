"""OOD accuracy with BatchNorm statistics re-estimated on the unseen hospital: stale statistics are not a shortcut."""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_STATISTICS = ("stored", "reestimated")
_ROOM = 0.25
"""Half the distance between the two marks of a recipe."""


@mpl.rc_context(style.CONTEXT)
def renormalisation(renormalisation: pd.DataFrame) -> Figure:
    """Draw accuracy with stored and with re-estimated statistics at the final checkpoint, joined run by run.

    Args:
        renormalisation: the study table.
    """
    shown = frames.select(
        renormalisation,
        "renormalisation",
        *("epoch", "accuracy"),
        statistics=_STATISTICS,
        split=frames.held_out(renormalisation),
    )
    paired = frames.final(shown).pivot(index=[*frames.RUN_KEYS, "split"], columns="statistics", values="accuracy")
    paired = paired.reindex(columns=_STATISTICS).dropna().reset_index()
    if paired.empty:
        raise ValueError("table renormalisation: no run has stored and reestimated at its last checkpoint")
    palette = style.colours(paired["recipe"])
    figure, rows = style.by_split(paired, height=2.2, share_y="row")
    for row in rows:
        for panel, title, runs in row:
            _draw_pairs(panel, runs, palette)
            panel.set_title(title)
            panel.set_xlabel("BatchNorm statistics")
        row[0][0].set_ylabel("accuracy (fraction)")
        values = pd.concat([runs[name] for _, _, runs in row for name in _STATISTICS])
        style.bound(row[0][0], values)
    mark = {"linestyle": "", "marker": "o", "markersize": 4.5, "markeredgewidth": 0.9}
    keys = [
        *style.recipe_keys(paired, palette),
        style.line_key("stored in training", **mark, markerfacecolor="white"),
        style.line_key("re-estimated on the split's own images", **mark),
        *([style.line_key("one run", linewidth=style.THIN)] if frames.most_runs(paired) > 1 else []),
        *style.interval_key(paired, bars=True),
    ]
    style.legend(figure, keys)
    return figure


def _draw_pairs(axes: Axes, runs: pd.DataFrame, palette: dict[str, str]) -> None:
    """For every recipe stored left and re-estimated right, joined by a line a run and one between the means."""
    for place, (recipe, colour) in enumerate(palette.items()):
        pairs = runs.loc[runs["recipe"] == recipe, list(_STATISTICS)]
        if pairs.empty:
            continue
        ends = (place - _ROOM, place + _ROOM)
        axes.plot(ends, pairs.to_numpy().T, color=colour, linewidth=style.THIN, alpha=0.5)
        axes.plot(ends, pairs.mean(), color=colour, linewidth=style.THICK)
        for end, name in zip(ends, _STATISTICS, strict=True):
            style.marks(axes, end, pairs[name], colour, marker="o", hollow=name == "stored", aside=None)
    named = [place + side * _ROOM for place in range(len(palette)) for side in (-1, 1)]
    if len(palette) <= 3:
        axes.set_xticks(named, ["stored", "re-est."] * len(palette))
    else:
        axes.set_xticks([])
    axes.set_xlim(-0.5, len(palette) - 0.5)
