"""Five ways to take hospital out of the pooled features: what stays readable, and what the head loses.

A removal that costs the head little and leaves no hospital has found the shortcut; one that costs as much as a matched
control of equal rank has found variance.
"""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from causalgrok.plotting import frames, style

_METHODS = {
    "none": ("nothing removed", "*"),
    "logistic": ("logistic rows", "o"),
    "mean_difference": ("mean differences", "^"),
    "leace": ("LEACE", "D"),
    "inlp": ("INLP", "s"),
    "permuted": ("permuted by slide", "P"),
    "matched": ("matched", "X"),
    "isotropic": ("isotropic", "v"),
}
"""Method -> its name and marker, in the order of the rows; the last three are controls."""
_CONTROLS = ("permuted", "matched", "isotropic")
_CASE = ["method", "space", "centred", "rank"]
_TARGETS = {
    "hospital": {"linestyle": "-", "linewidth": style.THICK, "marker": "s", "markersize": 3.5, "markeredgewidth": 0},
    "tumour": {"linestyle": (0, (4, 2)), "linewidth": 1.2, "marker": "^", "markersize": 4, "markeredgewidth": 0},
}


@mpl.rc_context(style.CONTEXT)
def erasure(subspace: pd.DataFrame, erasure: pd.DataFrame) -> Figure:
    """Draw what is left of hospital by method, what the head keeps of its AUROC, and INLP rank by rank, at the end.

    Every method is shown at the rank nearest to that of the hospital classifier's rows, and as the source has it, in
    raw features and not centred, where it was measured so.

    Args:
        subspace: the study table, for the head's AUROC on the last held-out split after the whole removal.
        erasure: the study table, for what fresh probes still decode.
    """
    probes = frames.select(
        erasure,
        "erasure",
        *("epoch", "space", "centred", "rank", "accuracy", "chance"),
        method=_METHODS,
        target=tuple(_TARGETS),
        probe=("linear", "mlp"),
    )
    probes = frames.final(probes)
    shown = frames.one_split(subspace)
    columns = ("epoch", "method", "space", "centred", "rank", "strength", "auroc")
    heads = frames.select(subspace, "subspace", *columns, split=shown)
    cases = probes[_CASE].drop_duplicates()
    chosen = probes.merge(_chosen(cases))
    left = _left(chosen)
    points = left[left["probe"] == "linear"].merge(_auroc(heads, probes))
    sweep = probes[(probes["method"].isin(("inlp", "none"))) & (probes["probe"] == "linear")]
    sweep = frames.per_run(sweep, ["rank", "target", "chance"], "accuracy")

    palette = style.colours(left["recipe"])
    methods = [method for method in _METHODS if method in set(left["method"])]
    settings = frames.settings(left)
    figure, axes = style.panels(len(settings), 3, height=max(2.6, 1.6 + 0.4 * len(palette)))
    for row, (setting, of_setting) in zip(axes, settings.items(), strict=True):
        _draw_left(row[0], of_setting, methods, palette)
        row[0].set_title(f"Hospital still decoded\n{setting}")
        _draw_points(row[1], frames.settings(points).get(setting, points.iloc[:0]), methods, palette)
        row[1].set_title(f"What the head keeps\n{style.SPLITS[shown[0]]}")
        _draw_sweep(row[2], frames.settings(sweep).get(setting, sweep.iloc[:0]), palette)
        row[2].set_title("INLP, rank by rank\nlinear probe")
    mark = {"linestyle": "", "marker": "o", "markersize": 4.5, "markeredgewidth": 0.9}
    keys = [
        *style.recipe_keys(left, palette),
        style.line_key("linear probe", **mark),
        style.line_key("MLP probe", **mark, markerfacecolor="white"),
        *style.interval_key(left, bars=True),
        *(style.line_key(f"{target} by rank", **line) for target, line in _TARGETS.items()),
        style.line_key("chance", linewidth=0.8, linestyle=":"),
    ]
    style.legend(figure, keys)
    return figure


def _chosen(cases: pd.DataFrame) -> pd.DataFrame:
    """One space, centring and rank of every method: raw, not centred, and the rank of the hospital classifier."""
    full = cases.loc[cases["method"] == "logistic", "rank"].max()
    cases = cases.assign(
        scaled=cases["space"] != "raw",
        away=(cases["rank"] - (cases["rank"].max() if np.isnan(full) else full)).abs(),
    )
    return cases.sort_values(["scaled", "centred", "away"]).groupby("method").head(1)[_CASE]


def _left(chosen: pd.DataFrame) -> pd.DataFrame:
    """A row a run, method and probe: accuracy and chance for hospital, repeats of a control averaged."""
    hospital = chosen[chosen["target"] == "hospital"]
    by = [*frames.RUN_KEYS, "epoch", *_CASE, "probe"]
    return hospital.groupby(by, as_index=False)[["accuracy", "chance"]].mean()


def _auroc(heads: pd.DataFrame, probes: pd.DataFrame) -> pd.DataFrame:
    """The head's AUROC in each run after the whole removal by each method, and `none`, where nothing is removed."""
    by = [*frames.RUN_KEYS, "epoch"]
    removed = heads[heads["strength"] == 1].groupby([*by, *_CASE], as_index=False)["auroc"].mean()
    itself = heads[heads["strength"] == 0].groupby(by, as_index=False)["auroc"].mean()
    none = probes.loc[probes["method"] == "none", [*by, *_CASE]].drop_duplicates()
    return pd.concat([removed, none.merge(itself)])


def _draw_left(axes: Axes, runs: pd.DataFrame, methods: Sequence[str], palette: dict[str, str]) -> None:
    """A row a method, named on the left with its marker: hospital accuracy of the linear and the MLP probe."""
    shifts = style.dodge(2 * len(palette), 0.8)
    for place, method in enumerate(methods):
        of_method = runs[runs["method"] == method]
        for index, (recipe, colour) in enumerate(palette.items()):
            for kind, shift in zip(("linear", "mlp"), shifts[2 * index :], strict=False):
                chosen = (of_method["recipe"] == recipe) & (of_method["probe"] == kind)
                style.marks(
                    axes,
                    place + shift,
                    of_method.loc[chosen, "accuracy"],
                    colour,
                    marker=_METHODS[method][1],
                    hollow=kind == "mlp",
                    flat=True,
                    aside=None,
                )
    axes.axvline(runs["chance"].mean(), color=style.GREY, linewidth=0.8, linestyle=":", zorder=0)
    axes.set_yticks(range(len(methods)), [_METHODS[method][0] for method in methods])
    for label, method in zip(axes.get_yticklabels(), methods, strict=True):
        label.set_color(style.GREY if method in _CONTROLS else "black")
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_xlabel("accuracy (fraction)")


def _draw_points(axes: Axes, runs: pd.DataFrame, methods: Sequence[str], palette: dict[str, str]) -> None:
    """AUROC against hospital information left: a large marker a method and recipe, a dot a run; controls in grey."""
    for recipe, colour in palette.items():
        for method in methods:
            chosen = runs[(runs["recipe"] == recipe) & (runs["method"] == method)]
            if chosen.empty:
                continue
            above = chosen["accuracy"] - chosen["chance"]
            face = style.GREY if method in _CONTROLS else colour
            axes.plot(above, chosen["auroc"], "o", color=face, markersize=2.5, markeredgewidth=0, alpha=0.6)
            mean = {"markerfacecolor": face, "markeredgecolor": colour, "markeredgewidth": 0.8, "zorder": 3}
            marker = _METHODS[method][1]
            axes.plot(above.mean(), chosen["auroc"].mean(), marker, markersize=7 if marker == "*" else 5, **mean)
    axes.axvline(0, color=style.GREY, linewidth=0.8, linestyle=":", zorder=0)
    axes.set_xlabel("hospital accuracy left\nminus chance (fraction)")
    axes.set_ylabel("AUROC of the head")


def _draw_sweep(axes: Axes, runs: pd.DataFrame, palette: dict[str, str]) -> None:
    """Accuracy of hospital and tumour against INLP's rank, and their chance."""
    for target, line in _TARGETS.items():
        of_target = runs[runs["target"] == target]
        style.means(axes, of_target, "rank", "accuracy", palette, bars=True, **line)
        if not of_target.empty:
            style.reference(axes, of_target["chance"].mean())
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("dimensions removed")
    axes.set_ylabel("accuracy (fraction)")
