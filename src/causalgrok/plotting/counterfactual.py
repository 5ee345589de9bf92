"""How much the network relies on stain: what it says when the same tissue is shown as another hospital's."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_METHODS = {
    "rendered": "rendered anew",
    "macenko": "re-stained, Macenko",
    "reinhard": "re-stained, Reinhard",
}


@mpl.rc_context(style.CONTEXT)
def counterfactual(counterfactual: pd.DataFrame) -> Figure:
    """Draw reliance over training (left), and accuracy on the same tissue as every hospital's at the end (right).

    Args:
        counterfactual: the study table. Of several methods one is drawn for each task: rendered, else Macenko, else
            the first.
    """
    unseen = frames.held_out(counterfactual)
    shown = frames.select(
        counterfactual,
        "counterfactual",
        *("epoch", "method", "target_hospital", "images", "moved", "flip_fraction", "accuracy"),
        split=dict.fromkeys(("id_val", *unseen)),
    )
    shown = pd.concat([_one_method(rows) for _, rows in shown.groupby("task", sort=False)])
    reliance = frames.per_run(shown[shown["split"].isin(unseen)], ["epoch"], "flip_fraction")
    at_end = frames.final(shown)
    palette = style.colours(shown["recipe"])
    ends = {"id_val": style.SPLITS["id_val"]} | {split: style.SPLITS[split] for split in frames.splits(shown)[-1:]}
    rows = frames.settings(shown)
    figure, axes = style.panels(len(rows), 1 + len(ends), height=2)
    for row, (setting, of_setting) in zip(axes, rows.items(), strict=True):
        how = _METHODS.get(method := of_setting["method"].iloc[0], method)
        runs = frames.settings(reliance)[setting]
        style.curves(row[0], runs, "epoch", "flip_fraction", palette)
        style.bound(row[0], runs["flip_fraction"])
        # No fraction is below 0, though an interval may be; a line at 0 stays off the axis.
        low, high = row[0].get_ylim()
        row[0].set_ylim(bottom=max(low, -0.03 * high))
        style.epoch_axis(row[0], runs["epoch"].max())
        row[0].set_title(f"Reliance on stain\n{setting}")
        row[0].set_ylabel("decisions flipped (fraction)")
        for panel, (split, title) in zip(row[1:], ends.items(), strict=True):
            tissue = frames.settings(at_end)[setting]
            _draw_hospitals(panel, tissue[tissue["split"] == split], palette)
            panel.set_title(f"{title}\n{how}")
        row[1].set_ylabel("accuracy (fraction)")
        _share_scale(row[1:])
    style.legend(figure, style.curve_keys(reliance, palette))
    return figure


def _one_method(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one method, of a task that may have been shown in several ways."""
    present = list(dict.fromkeys(rows["method"]))
    method = next((name for name in ("rendered", "macenko") if name in present), present[0])
    return rows[rows["method"] == method]


def _draw_hospitals(axes: Axes, runs: pd.DataFrame, palette: dict[str, str]) -> None:
    """A place on the horizontal axis for every hospital as which the tissue is shown, recipes side by side."""
    own = (runs["moved"] < runs["images"]).groupby(runs["target_hospital"]).any()
    shifts = style.dodge(len(palette), 0.8)
    for place, target in enumerate(own.index):
        chosen = runs[runs["target_hospital"] == target]
        for (recipe, colour), shift in zip(palette.items(), shifts, strict=True):
            accuracy = chosen.loc[chosen["recipe"] == recipe, "accuracy"]
            style.marks(axes, place + shift, accuracy, colour, aside=0.3 / len(palette))
    axes.set_xticks(range(len(own)), [f"{target}\nown" if is_own else f"{target}" for target, is_own in own.items()])
    axes.set_xlim(-0.6, len(own) - 0.4)
    axes.set_xlabel("shown as hospital")
    style.bound(axes, runs["accuracy"])


def _share_scale(row: np.ndarray) -> None:
    """Give the panels of a row the same vertical limits."""
    low, high = zip(*(panel.get_ylim() for panel in row), strict=True)
    for panel in row:
        panel.set_ylim(min(low), max(high))
