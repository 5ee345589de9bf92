"""How far accuracy fell at unseen hospitals after memorisation, run by run, with intervals over slides."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_ROW = 0.16
"""Inches a run."""


@mpl.rc_context(style.CONTEXT)
def decline(decline: pd.DataFrame) -> Figure:
    """Draw each run's decline (row) at both held-out hospitals (panels), with its interval over slides.

    Args:
        decline: the study table.
    """
    if decline.empty or not set(decline["split"]) & set(frames.SCORED):
        return style.empty("No run has two checkpoints after memorisation, judged at a held-out hospital.")
    table = frames.select(decline, "decline", "decline", "low", "high", "slides", split=frames.SCORED)
    runs = table[frames.RUN_KEYS].drop_duplicates().sort_values(["task", "n", "recipe", "seed"])
    places = {run: place for place, run in enumerate(runs.itertuples(index=False, name=None))}
    palette = style.colours(runs["recipe"])
    shown = frames.splits(table)
    figure = Figure(figsize=(style.TWO_COLUMNS, 1.1 + _ROW * len(places)), layout="constrained")
    axes = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    for panel, split in zip(axes, shown, strict=True):
        of_split = table[table["split"] == split]
        panel.axvline(0, color=style.GREY, linewidth=0.8, linestyle=":", zorder=0)
        for row in of_split.itertuples():
            place = places[tuple(getattr(row, key) for key in frames.RUN_KEYS)]
            panel.hlines(place, row.low, row.high, color=palette[row.recipe], linewidth=0.9)
            panel.plot(row.decline, place, "o", color=palette[row.recipe], markersize=3)
        panel.set_title(f"{style.SPLITS[split]}, {of_split['slides'].max()} slides")
        panel.set_xlabel("accuracy lost (fraction)")
    names = [f"{task.replace('_', ' ')}, n = {n}, seed {seed}" for task, _, n, seed in places]
    axes[0].set_yticks(range(len(names)), names, fontsize=6)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    keys = [style.line_key(name, color=colour, marker="o", markersize=3) for name, colour in palette.items()]
    style.legend(figure, [*keys, style.line_key("95 % t interval over slides", linewidth=0.9)])
    return figure
