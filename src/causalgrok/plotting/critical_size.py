"""From how many training examples on does a recipe generalise for good? Plateau accuracy against n."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.analysis.critical_size import plateaus
from causalgrok.plotting import style
from causalgrok.plotting.peak_accuracy import draw_recipe, size_axis


@mpl.rc_context(style.CONTEXT)
def critical_size(metrics: pd.DataFrame, critical_size: pd.DataFrame) -> Figure:
    """Draw plateau accuracy against n with the threshold, and where it is crossed: a panel a task.

    Args:
        metrics: the study table.
        critical_size: the study table.
    """
    if critical_size.empty:
        return style.empty("No task has a split on which a critical size is judged.")
    columns = ("split", "threshold", "verdict", "critical_n", "low", "high", "largest_n", "accuracy", "accuracy_high")
    table = style.select(critical_size, "critical_size", *columns, keys=("task", "recipe"))
    runs = plateaus(style.select(metrics, "metrics", "epoch", "split", "accuracy")).dropna(subset="plateau")
    palette = style.colours(table["recipe"])
    tasks = list(dict.fromkeys(table["task"]))
    figure, axes = style.panels(-(-len(tasks) // 2), min(len(tasks), 2), height=2.6)
    for spare in axes.flat[len(tasks) :]:
        spare.remove()
    keys = []
    for panel, task in zip(axes.flat, tasks, strict=False):
        of_task, fits = runs[runs["task"] == task], table[table["task"] == task]
        span = size_axis(panel, sorted(of_task["n"].unique()))
        for index, fit in enumerate(fits.itertuples()):
            colour = palette[fit.recipe]
            shift = span ** (0.03 * (index - (len(fits) - 1) / 2))
            draw_recipe(panel, of_task[of_task["recipe"] == fit.recipe], "plateau", colour, shift, span**-0.012)
            if fit.verdict == "crossed":
                # Intervals of several recipes side by side, on and below the line.
                height = fit.threshold - 0.012 * index
                ends = np.clip([fit.low, fit.high], *panel.get_xlim())
                panel.hlines(height, *ends, color=colour, linewidth=3, alpha=0.45)
            label = fit.recipe if len(tasks) == 1 else f"{task}, {fit.recipe}"
            keys.append(style.line_key(f"{label}: {_verdict(fit)}", color=colour, linewidth=style.THICK))
        style.reference(panel, fits["threshold"].iloc[0], "--")
        panel.set_ylim(*_limits(of_task["plateau"], fits["threshold"].iloc[0]))
        panel.set_ylabel(f"{style.SPLITS[fits['split'].iloc[0]]}\nplateau accuracy (fraction)")
        panel.set_title(task)
    threshold = " or ".join(f"{value:g}" for value in sorted(table["threshold"].unique()))
    keys += [
        style.line_key("one run", linestyle="", marker="o", markersize=3, alpha=0.5, markeredgewidth=0),
        style.line_key("mean over runs, 95 % t interval", linewidth=1, marker="_", markersize=6),
        style.line_key(f"threshold of sustained grokking, {threshold}", linewidth=0.8, linestyle="--"),
    ]
    if (table["verdict"] == "crossed").any():
        keys.append(style.line_key("where it is crossed, 95 %", linewidth=3, alpha=0.45))
    style.legend(figure, keys)
    return figure


def _limits(values: pd.Series, threshold: float) -> tuple[float, float]:
    """All runs and the threshold; an interval may be cut."""
    least, most = min(values.min(), threshold), max(values.max(), threshold)
    room = 0.08 * (most - least)
    return least - room, most + room


def _verdict(fit: tuple) -> str:
    if fit.verdict == "crossed":
        low = f"above {fit.low:g}" if fit.low else "below the smallest n"
        return f"crossed {low}, by {fit.high:g}"
    if fit.verdict == "none":
        return f"none crossed, at most {fit.accuracy_high:.2f} at n = {fit.largest_n}"
    return "inconclusive"
