"""What moves the weights, group by group: norms and angles against noise and decay, and what Grokfast amplifies."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalgrok.analysis.white_gradients import decayed_norm, diffusion_norm
from causalgrok.plotting import frames, style

GROUPS = ("convolution", "hidden", "normalisation", "head")
"""Parameter groups in the order of the columns."""

_NULL = {"linestyle": (0, (3, 1.5)), "linewidth": 1}
_DECAY = {"linestyle": (0, (1, 1.5)), "linewidth": 1}
_DIVERGED = {"linestyle": "", "marker": "x", "markersize": 4, "markeredgewidth": 1}
_MEASURES = {"grokfast_alignment": "cos(m, gradient)", "grokfast_growth": "cos(-m, weights)"}


@mpl.rc_context(style.CONTEXT)
def norm_growth(dynamics: pd.DataFrame, mechanism: pd.DataFrame) -> Figure:
    """Draw weight norm against epoch with what white noise and weight decay alone would have made of it.

    Args:
        dynamics: the study table.
        mechanism: the study table.
    """
    settings = ("learning_rate", "weight_decay", "parameters", "persistence", "norm_initial", "diverged_epoch")
    frame = _joined(dynamics, mechanism, "weight_norm", settings)
    rate = {key: frame[key] for key in ("learning_rate", "weight_decay")}
    initial, steps = frame["norm_initial"], frame["step"]
    spread = {key: frame[key] for key in ("parameters", "persistence")}
    frame = frame.assign(
        diffusion=diffusion_norm(initial, steps, **rate, **spread), decay_only=decayed_norm(initial, steps, **rate)
    )
    palette = style.colours(frame["recipe"])
    ends = frames.final(frame[frame["diverged_epoch"].notna()])
    figure, rows = _by_group(frame)
    for row in rows:
        for panel, runs in row:
            style.curves(panel, runs, "epoch", "weight_norm", palette)
            style.means(panel, runs, "epoch", "diffusion", palette, shade=0, **_NULL)
            style.means(panel, runs, "epoch", "decay_only", palette, shade=0, **_DECAY)
            for run in ends.merge(runs).itertuples():
                panel.plot([run.epoch], [run.weight_norm], color=palette[run.recipe], **_DIVERGED)
            style.bound(panel, runs[["weight_norm", "diffusion", "decay_only"]].to_numpy().ravel())
            panel.set_ylim(bottom=0)
        row[0][0].set_ylabel("weight norm (L2)")
    keys = [
        *style.curve_keys(frame, palette),
        style.line_key("if gradients were white noise", **_NULL),
        style.line_key("if weight decay acted alone", **_DECAY),
        *([style.line_key("run diverged", **_DIVERGED)] if len(ends) else []),
    ]
    style.legend(figure, keys)
    return figure


@mpl.rc_context(style.CONTEXT)
def angle_per_step(dynamics: pd.DataFrame, mechanism: pd.DataFrame) -> Figure:
    """Draw the angle of a step against epoch with Adam's, lr / norm, on white noise.

    Args:
        dynamics: the study table.
        mechanism: the study table.
    """
    settings = ("learning_rate", "parameters", "step_rms")
    frame = _joined(dynamics, mechanism, "angle_per_step", settings).query("step > 0")
    if frame["angle_per_step"].isna().all():
        return style.empty("No step was measured: an angle needs an evaluation after epoch 0.")
    length = frame["learning_rate"] * frame["step_rms"] * np.sqrt(frame["parameters"])
    frame = frame.assign(predicted=1e3 * length / frame["weight_norm"], measured=1e3 * frame["angle_per_step"])
    palette = style.colours(frame["recipe"])
    figure, rows = _by_group(frame)
    for row in rows:
        for panel, runs in row:
            style.curves(panel, runs, "epoch", "measured", palette)
            style.means(panel, runs, "epoch", "predicted", palette, shade=0, **_NULL)
            style.logarithmic(panel, runs[["measured", "predicted"]].to_numpy())
        row[0][0].set_ylabel("angle per step (mrad)")
    keys = [*style.curve_keys(frame, palette), style.line_key("Adam on white noise: lr / norm", **_NULL)]
    style.legend(figure, keys)
    return figure


@mpl.rc_context(style.CONTEXT)
def grokfast_alignment(dynamics: pd.DataFrame) -> Figure:
    """Draw how Grokfast's moving average m points along the gradient, and whether it makes the norm grow.

    Args:
        dynamics: the study table. Convolutions, or hidden layers where there are none, stand beside the head.
    """
    columns = ("epoch", "scale_invariant", "gradient_growth", *_MEASURES)
    frame = frames.select(dynamics, "dynamics", *columns, group=GROUPS)
    frame = frame[frame.groupby(frames.RUN_KEYS)["grokfast_alignment"].transform("count") > 0]
    if frame.empty:
        return style.empty("No run of this study uses Grokfast.")
    body = next((group for group in GROUPS[:2] if group in set(frame["group"])), "head")
    frame = frame[frame["group"].isin((body, "head"))]
    palette = style.colours(frame["recipe"])
    figure, rows = _by_group(frame, repeated=len(_MEASURES))
    for row in rows:
        for place, (panel, runs) in enumerate(row):
            measure = list(_MEASURES)[place % len(_MEASURES)]
            style.curves(panel, runs, "epoch", measure, palette)
            if measure == "grokfast_growth":
                style.means(panel, runs, "epoch", "gradient_growth", palette, shade=0, **_NULL)
            style.reference(panel, 0)
            panel.set_ylim(-1.05, 1.05)
            panel.set_ylabel(_MEASURES[measure])
    keys = [
        *style.curve_keys(frame, palette),
        style.line_key("cos(-gradient, weights), mean", **_NULL),
    ]
    style.legend(figure, keys)
    return figure


def _joined(dynamics: pd.DataFrame, mechanism: pd.DataFrame, value: str, settings: tuple[str, ...]) -> pd.DataFrame:
    """The rows of `dynamics` with finite norms, each with its run's `settings` from the table `mechanism`."""
    needed = dict.fromkeys(("epoch", "step", "scale_invariant", "weight_norm", value))
    rows = frames.select(dynamics, "dynamics", *needed, group=GROUPS)
    of_runs = frames.select(mechanism, "mechanism", *settings, group=GROUPS)
    return rows[np.isfinite(rows["weight_norm"])].merge(of_runs, on=[*frames.RUN_KEYS, "group"])


def _by_group(frame: pd.DataFrame, *, repeated: int = 1) -> tuple[Figure, list[list[tuple[Axes, pd.DataFrame]]]]:
    """A figure with a row of panels a training set, and in it one for each group that it has, `repeated` times."""
    content = []
    for setting, runs in frames.settings(frame).items():
        present = [group for group in GROUPS if group in set(runs["group"])]
        content.append([(group, setting, runs[runs["group"] == group]) for group in present for _ in range(repeated)])
    figure, axes = style.panels(len(content), max(map(len, content)))
    rows = []
    for row, parts in zip(axes, content, strict=True):
        rows.append([(panel, runs) for panel, (_, _, runs) in zip(row, parts, strict=False)])
        for panel, (group, setting, runs) in zip(row, parts, strict=False):
            invariant = "scale-invariant " if runs["scale_invariant"].all() else ""
            panel.set_title(f"{invariant}{group}\n{setting}")
            style.epoch_axis(panel, runs["epoch"].max())
        for spare in row[len(parts) :]:
            spare.remove()
    return figure, rows
