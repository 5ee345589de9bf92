"""One run with what the grokking detector sees in it: the figure by which the source explains its definition."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_TRAIN, _TEST = "#E69F00", "#0072B2"
_FOUND = ("alpha_0", "alpha_1", "sigma_S", "sigma_E", "delta_S", "delta_T", "support", "label")


@mpl.rc_context(style.CONTEXT)
def annotated_run(metrics: pd.DataFrame, outcomes: pd.DataFrame) -> Figure:
    """Draw the run of largest Delta_S with alpha_0, alpha_1, Delta_S, Delta_T and S; grokked runs come first.

    Args:
        metrics: the study table.
        outcomes: the study table.
    """
    found = frames.select(outcomes, "outcomes", *_FOUND).dropna(subset=["alpha_0", "alpha_1"])
    metrics = frames.select(metrics, "metrics", "step", "accuracy", "split")
    if found.empty:
        return style.empty("No run has memorised its training set and settled on a plateau.")
    grokked = found[found["label"] == "grokked"]
    run = (found if grokked.empty else grokked).sort_values("delta_S").iloc[-1]
    of_run = metrics[(metrics[frames.RUN_KEYS] == run[frames.RUN_KEYS]).all(axis=1)]
    test = frames.one_split(of_run)[0]
    figure, axes = style.panels(1, 1, height=2.6)
    panel = axes[0, 0]
    for split, colour in (("train", _TRAIN), (test, _TEST)):
        curve = of_run[of_run["split"] == split].sort_values("step")
        panel.plot(curve["step"], curve["accuracy"], color=colour, linewidth=style.THICK, zorder=3)
    last = of_run["step"].max()
    style.epoch_axis(panel, last)
    panel.set_xlabel("step")
    panel.set_ylabel("accuracy (fraction)")
    _annotate(panel, run, last)
    panel.set_title(f"{run['task']}, {run['recipe']}\nn = {run['n']}, seed {run['seed']}: {run['label']}")
    keys = [
        style.line_key(style.SPLITS["train"], color=_TRAIN),
        style.line_key(style.SPLITS[test], color=_TEST),
        style.line_key("$\\sigma_S$, $\\sigma_E$ and the limit of training", linewidth=0.8, linestyle=":"),
    ]
    style.legend(figure, keys)
    return figure


def _annotate(panel: Axes, run: pd.Series, last: float) -> None:
    """Levels as dotted lines, alpha_0 and alpha_1 as dashed ones, differences and support as arrows."""
    limit = run["sigma_E"] + run["delta_T"]
    low = min(run["sigma_S"], run["sigma_E"])
    panel.set_ylim(max(0.0, low - 0.25), 1.16)
    for height in (run["sigma_S"], run["sigma_E"], limit):
        style.reference(panel, height)
    for name, label in (("alpha_0", "$\\alpha_0$"), ("alpha_1", "$\\alpha_1$")):
        panel.axvline(run[name], color=style.GREY, linewidth=0.8, linestyle="--", zorder=0)
        panel.text(run[name], 1.1, f" {label}", fontsize=7, color=style.GREY)
    # Midway on the axis's scale, which is logarithmic.
    middle = np.sqrt(max(run["alpha_0"], 1) * max(run["alpha_1"], 1))
    late = np.sqrt(max(run["alpha_1"], 1) * last)
    _arrow(panel, (middle, run["sigma_S"]), (middle, run["sigma_E"]))
    label = {"fontsize": 7, "ha": "right", "zorder": 4, "bbox": {"facecolor": "white", "linewidth": 0, "pad": 1}}
    # Beside its arrow; where the jump is small there is more room below it.
    jump = (run["sigma_S"] + run["sigma_E"]) / 2 if run["delta_S"] > 0.2 else low - 0.05
    panel.text(middle, jump, f"$\\Delta_S$ = {run['delta_S']:.2f} ", va="center", **label)
    _arrow(panel, (late, run["sigma_E"]), (late, limit))
    height = (run["sigma_E"] + limit) / 2 if run["delta_T"] > 0.1 else run["sigma_E"] - 0.06
    panel.text(last, height, f"$\\Delta_T$ = {run['delta_T']:.2f}", va="center", **label)
    floor = panel.get_ylim()[0] + 0.03
    _arrow(panel, (run["alpha_1"], floor), (last, floor))
    panel.text(last, floor + 0.01, f"S = {run['support']:g}", fontsize=7, va="bottom", ha="right")


def _arrow(panel: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """An arrow with two heads between two points of the data."""
    line = {"arrowstyle": "<->", "linewidth": 0.7, "color": "black", "shrinkA": 0, "shrinkB": 0}
    panel.annotate("", start, end, arrowprops=line, zorder=4)
