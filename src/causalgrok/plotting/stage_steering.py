"""Where in the network the hospital direction matters: the response to steering, stage by stage.

Before a nonlinearity a push can change the order of examples; before the linear head it only moves the threshold, so
that AUROC, and accuracy at a recalibrated threshold, cannot tell there.
"""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalgrok.interventions.features import ALL_STAGES
from causalgrok.plotting import frames, style

_MEASURES = {
    "flip_fraction": "Images whose\nclass flips",
    "auroc": "Change of\nAUROC",
    "accuracy": "Change of accuracy,\nfixed threshold",
    "accuracy_recalibrated": "Change of accuracy,\nrecalibrated",
}
_CONTROLS = {"matched": (-0.25, 0.25), "permuted": (-0.02, 0.55)}
"""Control -> (place beside its stage, opacity)."""


@mpl.rc_context(style.CONTEXT)
def stage_steering(steering: pd.DataFrame) -> Figure:
    """Draw the response at the largest |alpha| by stage: a row a training set and recipe, a column a measure.

    Args:
        steering: the study table; the last checkpoint at which stages before pooling were steered, on the last
            held-out split.
    """
    responses = _responses(steering)
    # A recalibrated threshold is defined for two classes alone.
    measures = {measure: title for measure, title in _MEASURES.items() if responses[measure].notna().any()}
    rows = [
        (setting, recipe, runs)
        for setting, of_setting in frames.settings(responses).items()
        for recipe, runs in of_setting.groupby("recipe")
    ]
    palette = style.colours(responses["recipe"])
    stages = [stage for stage in ALL_STAGES if stage in set(responses["stage"])]
    figure, axes = style.panels(len(rows), len(measures), height=1.7, share_y="col")
    for row, (setting, recipe, runs) in zip(axes, rows, strict=True):
        for panel, (measure, title) in zip(row, measures.items(), strict=True):
            _draw_stages(panel, runs, measure, stages, palette[recipe])
            panel.set_title(title if row[0] is axes[0, 0] else "")
            panel.set_xticks(range(len(stages)), stages if row[0] is axes[-1, 0] else [""] * len(stages), rotation=90)
        row[0].set_ylabel(f"{style.row_label(recipe, runs, setting)}\nfraction")
    for panel, measure in zip(axes[0], measures, strict=True):
        style.bound(panel, responses[measure])
    controls = [
        style.shade_key(f"{control} controls of a run, 2.5 to 97.5 %", alpha=alpha)
        for control, (_, alpha) in _CONTROLS.items()
        if control in set(responses["direction"])
    ]
    keys = [
        style.line_key("hospital direction, mean over runs", linestyle="", marker="o", markersize=4),
        *style.run_key(responses),
        *style.interval_key(responses, bars=True),
        *controls,
        style.line_key("median of the controls", linewidth=1.2, color="black"),
    ]
    style.legend(figure, keys)
    return figure


def _responses(steering: pd.DataFrame) -> pd.DataFrame:
    """A row a run, stage, direction and repeat: each measure at the largest |alpha|, averaged over its two signs.

    All but the flip fraction are changes from alpha = 0, which controls do not have rows of: it is the network
    itself whatever the direction.
    """
    table = frames.select(
        steering,
        "steering",
        *("epoch", "stage", "alpha", "repeat", *_MEASURES),
        direction=("hospital", *_CONTROLS),
        split=frames.one_split(steering),
    )
    early = table[table["stage"] != "pooled"]
    last = (table if early.empty else early).groupby(frames.RUN_KEYS)["epoch"].max().rename("last")
    table = table.join(last, on=frames.RUN_KEYS)
    table = table[table["epoch"] == table["last"]]

    at = [*frames.RUN_KEYS, "stage"]
    changes = [measure for measure in _MEASURES if measure != "flip_fraction"]
    itself = table[(table["alpha"] == 0) & (table["direction"] == "hospital")].set_index(at)[changes]
    if itself.empty:
        raise ValueError("table steering: no rows of the hospital direction at alpha 0, to measure changes from")
    strength = table["alpha"].abs()
    strongest = table[strength == strength.groupby([table[key] for key in frames.RUN_KEYS]).transform("max")]
    averaged = strongest.groupby([*at, "direction", "repeat"])[list(_MEASURES)].mean()
    averaged[changes] -= itself.reindex(averaged.droplevel(["direction", "repeat"]).index).to_numpy()
    return averaged.reset_index()


def _draw_stages(axes: Axes, runs: pd.DataFrame, measure: str, stages: list[str], colour: str) -> None:
    """A place on the horizontal axis for every stage: the ranges of the controls, and the hospital direction."""
    style.reference(axes, 0, "-")
    # A bar's end would otherwise be the panel's end.
    axes.use_sticky_edges = False
    axes.margins(y=0.1)
    for control, (shift, alpha) in _CONTROLS.items():
        draws = runs[runs["direction"] == control].groupby([*frames.RUN_KEYS, "stage"])[measure]
        ends = draws.quantile([0.025, 0.5, 0.975]).unstack().groupby("stage").mean().reindex(stages)
        places = pd.Series(range(len(stages)), stages) + shift
        axes.bar(places, ends[0.975] - ends[0.025], 0.2, bottom=ends[0.025], color=style.GREY, alpha=alpha, linewidth=0)
        axes.hlines(ends[0.5], places - 0.1, places + 0.1, color="black", linewidth=1.2)
    for place, stage in enumerate(stages):
        values = runs.loc[(runs["stage"] == stage) & (runs["direction"] == "hospital"), measure]
        style.marks(axes, place + 0.3, values, colour, marker="o", aside=0.12)
    axes.set_xlim(-0.6, len(stages) - 0.3)
