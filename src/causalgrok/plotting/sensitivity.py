"""What the runs would be called under other thresholds of the grokking detector."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from causalgrok.plotting import frames, style

_COLOURS = {
    "grokked": "#117733",
    "semi_grokked": "#44AA99",
    "peak_decline": "#D55E00",
    "plateau": "#88CCEE",
    "never_memorised": "#DDDDDD",
}
_ROW = 0.17
"""Inches a run."""


@mpl.rc_context(style.CONTEXT)
def sensitivity(sensitivity: pd.DataFrame) -> Figure:
    """Draw the share of threshold combinations (length) that give every run (row) each label (colour).

    Args:
        sensitivity: the study table; the label under the config's own thresholds is written behind each bar.
    """
    if sensitivity.empty:
        return style.empty("No run has train accuracies and evaluations enough for the detector.")
    table = frames.select(sensitivity, "sensitivity", "label", "configured")
    runs = table[frames.RUN_KEYS].drop_duplicates().sort_values(["task", "n", "recipe", "seed"])
    shares = table.groupby(frames.RUN_KEYS)["label"].value_counts(normalize=True).unstack(fill_value=0.0)
    own = table[table["configured"]].set_index(frames.RUN_KEYS)["label"]
    figure = Figure(figsize=(style.TWO_COLUMNS, 0.8 + _ROW * len(runs)), layout="constrained")
    axes = figure.subplots()
    names = []
    for place, run in enumerate(runs.itertuples(index=False, name=None)):
        start = 0.0
        for label, colour in _COLOURS.items():
            share = shares.loc[run].get(label, 0.0)
            axes.barh(place, share, left=start, color=colour, height=0.8, linewidth=0)
            start += share
        axes.text(1.01, place, own[run].replace("_", " "), va="center", fontsize=6)
        task, recipe, n, seed = run
        names.append(f"{task}, {recipe}, n = {n}, seed {seed}")
    axes.set_yticks(range(len(names)), names, fontsize=6)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 1.18)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.spines["bottom"].set_bounds(0, 1)
    axes.set_xlabel("combinations of thresholds (fraction); behind: under the config's own")
    present = [label for label in _COLOURS if label in set(table["label"])]
    style.legend(figure, [Patch(color=_COLOURS[label], label=label.replace("_", " ")) for label in present])
    return figure
