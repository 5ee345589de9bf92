"""Published figures against ours: accuracies and weight norm over training, a panel a task, as the source has them."""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from causalgrok.plotting import frames, style

LINES = {
    "train_accuracy": ("train", "training set", style.GREY),
    "validation_accuracy": ("validation", "validation images", "#D55E00"),
    "test_accuracy": ("test", "test set", "#0072B2"),
}
"""Accuracy -> its split, name and colour."""

NORMS = ("weight_norm", "summed_norm")
"""What may be on the right axis; a source prints one of them."""

_GROUP = ["task", "recipe", "n"]
_NORM_COLOUR = "#009E73"
_POINT = {"linestyle": "", "marker": "o", "markersize": 3.5, "markerfacecolor": "white", "markeredgewidth": 0.9}


@mpl.rc_context(style.CONTEXT)
def reported(metrics: pd.DataFrame, dynamics: pd.DataFrame, reported: pd.DataFrame) -> Figure:
    """Draw each task's accuracies and norm against steps, and what was reported as open circles.

    Args:
        metrics: the study table.
        dynamics: the study table.
        reported: the study table; it says which tasks, accuracies and norm are drawn.
    """
    metrics = frames.select(metrics, "metrics", "step", "split", "accuracy")
    dynamics = frames.select(dynamics, "dynamics", "step", *NORMS, group=["total"])
    reported = frames.select(reported, "reported", "step", "quantity", "reported", "verdict", keys=_GROUP)
    reported = reported[reported["verdict"] != "not_reached"]
    if reported.empty:
        return style.empty("No run was trained to a step at which a figure is reported.")
    settings = list(reported.groupby(_GROUP, sort=False))
    figure, axes = style.panels(-(-len(settings) // 2), min(len(settings), 2), height=2.0)
    for spare in axes.flat[len(settings) :]:
        spare.remove()
    for panel, ((task, recipe, n), figures) in zip(axes.flat, settings, strict=False):
        _panel(panel, *(_of(table, task, recipe, n) for table in (metrics, dynamics)), figures)
        panel.set_title(f"{task}, n = {n}\n{recipe}")
    shown = [LINES[name][1:] for name in LINES if name in set(reported["quantity"])]
    keys = [style.line_key(name, color=colour, linewidth=style.THICK) for name, colour in shown]
    keys += [style.line_key("weight norm (right axis)", color=_NORM_COLOUR, linewidth=style.THICK)]
    style.legend(figure, [*keys, style.line_key("reported", color="black", **_POINT)])
    return figure


def _of(table: pd.DataFrame, task: str, recipe: str, n: int) -> pd.DataFrame:
    return table[(table["task"] == task) & (table["recipe"] == recipe) & (table["n"] == n)]


def _panel(panel: Axes, metrics: pd.DataFrame, dynamics: pd.DataFrame, figures: pd.DataFrame) -> None:
    """One task: accuracies on the left axis, the norm that was reported on the right one."""
    other = panel.twinx()
    other.spines["right"].set_visible(True)
    other.tick_params(axis="x", bottom=False, labelbottom=False)
    for quantity, (split, _, colour) in LINES.items():
        if quantity in set(figures["quantity"]):
            _line(panel, metrics[metrics["split"] == split], "accuracy", colour)
            _points(panel, figures[figures["quantity"] == quantity], colour)
    norm = next((name for name in NORMS if name in set(figures["quantity"])), None)
    if norm:
        _line(other, dynamics, norm, _NORM_COLOUR)
        _points(other, figures[figures["quantity"] == norm], _NORM_COLOUR)
    other.set_ylim(bottom=0)
    other.set_ylabel("summed weight norm" if norm == "summed_norm" else "weight norm (L2)")
    panel.set_ylim(0, 1.03)
    panel.set_ylabel("accuracy (fraction)")
    panel.set_xlabel("step")
    panel.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step / 1000:g}k" if step else "0"))


def _line(axes: Axes, table: pd.DataFrame, column: str, colour: str) -> None:
    """Each seed as a thin line, their mean as a thick one."""
    for _, run in table.sort_values("step").groupby("seed"):
        axes.plot(run["step"], run[column], color=colour, linewidth=style.THIN, alpha=0.5)
    mean = table.groupby("step")[column].mean()
    axes.plot(mean.index, mean, color=colour, linewidth=1.2)


def _points(axes: Axes, figures: pd.DataFrame, colour: str) -> None:
    axes.plot(figures["step"], figures["reported"], color=colour, **_POINT)
