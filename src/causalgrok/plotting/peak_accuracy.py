"""Accuracy against the number of training examples: is there a size from which it grokks for good?"""

import math
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from causalgrok.analysis.critical_size import plateaus
from causalgrok.plotting import frames, style

_MEASURES = {"peak_accuracy": "peak (oracle: chosen on this split)", "final_accuracy": "end of training"}


@mpl.rc_context(style.CONTEXT)
def peak_accuracy(
    outcomes: pd.DataFrame, *, threshold: float = 0.9, chance: Mapping[str, float] | None = None
) -> Figure:
    """Draw accuracy on the judged split against n: at its peak (left) and at the end of training (right), a row a task.

    Args:
        outcomes: the study table, one row a run.
        threshold: accuracy from which grokking counts as sustained.
        chance: task -> accuracy of guessing, where it is to be shown.
    """
    chance = chance or {}
    outcomes = frames.select(outcomes, "outcomes", "split", *_MEASURES)
    palette = style.colours(outcomes["recipe"])
    several = outcomes["task"].nunique() > 1
    figure, axes = style.panels(outcomes["task"].nunique(), len(_MEASURES), height=2.4, share_x="row", share_y="all")
    for row, (task, runs) in zip(axes, outcomes.groupby("task"), strict=True):
        for panel, (measure, title) in zip(row, _MEASURES.items(), strict=True):
            sizes = sorted(runs["n"].unique())
            span = _size_axis(panel, sizes)
            # Recipes stand side by side, or their intervals would hide each other; all of them take an eighth of the
            # axis at most where there are other sizes to keep apart from.
            step = min(0.03, 0.12 / len(palette)) if len(sizes) > 1 else min(0.1, 0.6 / len(palette))
            for index, recipe in enumerate(palette):
                shift = span ** (step * (index - (len(palette) - 1) / 2))
                aside = span ** -min(0.012, 0.4 * step)
                _draw_recipe(panel, runs[runs["recipe"] == recipe], measure, palette[recipe], shift, aside)
            style.reference(panel, threshold, "--")
            style.guesses(panel, [task], chance)
            panel.set_title(f"{task}: {title}" if several else title.capitalize())
        row[0].set_ylabel(f"{style.SPLITS[runs['split'].iloc[0]]}\naccuracy (fraction)")
    style.bound(axes[0, 0], [threshold, *chance.values(), *outcomes[list(_MEASURES)].to_numpy().flat])
    keys = [
        *style.recipe_keys(outcomes, palette),
        style.line_key("one run", linestyle="", marker="o", markersize=3, alpha=0.5, markeredgewidth=0),
        style.line_key(
            "mean over runs, 95 % t interval" if frames.has_interval(outcomes) else "mean over runs",
            linewidth=1,
            marker="_",
            markersize=6,
        ),
        style.line_key(f"threshold of sustained grokking, {threshold:g}", linewidth=0.8, linestyle="--"),
    ]
    style.legend(figure, [*keys, *style.guess_key(outcomes["task"], chance)])
    return figure


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
    table = frames.select(critical_size, "critical_size", *columns, keys=("task", "recipe"))
    runs = plateaus(frames.select(metrics, "metrics", "epoch", "split", "accuracy")).dropna(subset="plateau")
    palette = style.colours(table["recipe"])
    tasks = list(dict.fromkeys(table["task"]))
    figure, axes = style.panels(-(-len(tasks) // 2), min(len(tasks), 2), height=2.6)
    for spare in axes.flat[len(tasks) :]:
        spare.remove()
    keys = []
    for panel, task in zip(axes.flat, tasks, strict=False):
        of_task, fits = runs[runs["task"] == task], table[table["task"] == task]
        span = _size_axis(panel, sorted(of_task["n"].unique()))
        for index, fit in enumerate(fits.itertuples()):
            colour = palette[fit.recipe]
            shift = span ** (0.03 * (index - (len(fits) - 1) / 2))
            _draw_recipe(panel, of_task[of_task["recipe"] == fit.recipe], "plateau", colour, shift, span**-0.012)
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


def _draw_recipe(axes: Axes, runs: pd.DataFrame, measure: str, colour: str, shift: float, aside: float) -> None:
    """The mean over runs with its interval, joined over n, and a point a run on its left."""
    axes.plot(runs["n"] * shift * aside, runs[measure], "o", color=colour, markersize=3, alpha=0.5, markeredgewidth=0)
    groups = runs.groupby("n")[measure]
    means, intervals = groups.mean(), groups.apply(frames.t_interval)
    positions = means.index * shift
    axes.plot(positions, means, color=colour, linewidth=1, marker="_", markersize=5, markeredgewidth=style.THICK)
    axes.vlines(positions, [low for low, _ in intervals], [high for _, high in intervals], color=colour, linewidth=1)


def _size_axis(axes: Axes, sizes: list[int]) -> float:
    """A logarithmic axis that names the sizes tried, as far as their names fit; gives its right end over its left."""
    axes.set_xscale("log")
    axes.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)
    span = 1.3**2 * sizes[-1] / sizes[0]
    named = [sizes[0]]
    for size in sizes[1:]:
        if math.log(size / named[-1]) > 0.12 * math.log(span):
            named.append(size)
    axes.set_xticks(named, [str(size) for size in named])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("training examples n")
    return span


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
