"""When to stop if test labels cannot be asked: what each criterion loses and what it costs."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_CRITERIA = {
    "weight_norm": "Norm settled",
    "effective_rank": "Rank settled",
    "margin": "Margin settled",
    "norm_and_rank": "Norm and rank settled",
    "validation_settled": "Validation settled",
    "validation": "Usual early stopping",
}
"""Criterion -> its panel's title."""

LATE = 0.1
"""Accuracy gained after memorisation from which there was something to wait for."""


@mpl.rc_context(style.CONTEXT)
def stopping(stopping: pd.DataFrame) -> Figure:
    """Draw regret against compute, a panel a criterion, a mark a run: filled where it generalised late.

    Args:
        stopping: the study table.
    """
    if stopping.empty:
        return style.empty("No run lasted to its end.")
    columns = ("compute", "regret", "late_gain")
    table = frames.select(stopping, "stopping", *columns, criterion=_CRITERIA)
    palette = style.colours(table["recipe"])
    criteria = [criterion for criterion in _CRITERIA if criterion in set(table["criterion"])]
    across = min(3, len(criteria))
    figure, axes = style.panels(-(-len(criteria) // across), across, height=1.9, share_x="all", share_y="all")
    for spare in axes.flat[len(criteria) :]:
        spare.remove()
    for place, (panel, criterion) in enumerate(zip(axes.flat, criteria, strict=False)):
        rows = table[table["criterion"] == criterion]
        for late in (False, True):
            for recipe, colour in palette.items():
                some = rows[(rows["recipe"] == recipe) & ((rows["late_gain"] >= LATE) == late)]
                face = {} if late else {"markerfacecolor": "none"}
                panel.plot(some["compute"], some["regret"], "o", color=colour, markersize=4, **face)
        style.reference(panel, 0)
        panel.set_title(_CRITERIA[criterion])
        panel.set_xlim(-0.03, 1.04)
        if place + across >= len(criteria):
            panel.set_xlabel("compute (share of steps)")
            panel.tick_params(labelbottom=True)
        if place % across == 0:
            panel.set_ylabel("regret (accuracy)")
    dot = {"linestyle": "", "marker": "o", "markersize": 4}
    keys = [style.line_key(label, color=palette[name], **dot) for name, label in style.counted(table).items()]
    gained = table["late_gain"] >= LATE
    if gained.any():
        keys.append(style.line_key(f"gained at least {LATE:g} after memorisation", **dot))
    if not gained.all():
        keys.append(style.line_key("gained less, or never memorised", **dot, markerfacecolor="none"))
    style.legend(figure, keys)
    return figure
