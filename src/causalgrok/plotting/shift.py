"""Grokking as a shift between training and test: mean curves task by task, and what the subclasses are.

Tasks whose names differ after the last underscore alone stand together: ``a_f0`` and ``a_f20`` in the panels of a.
"""

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_TRAIN = {"linewidth": 0.8, "linestyle": (0, (4, 2))}

_MOST = 256
"""Groups of a set that are drawn, at most: a dot each, and all pairs are compared. Examples may be groups of one."""


@mpl.rc_context(style.CONTEXT)
def shift_curves(metrics: pd.DataFrame, shift: pd.DataFrame) -> Figure:
    """Draw mean test accuracy of related tasks, coloured by how far training and test differ.

    A row of panels for the tasks that belong together (and each recipe), a panel for each n.

    Args:
        metrics: the study table.
        shift: the study table.
    """
    curves = frames.select(metrics, "metrics", "epoch", "accuracy", split=("train", *frames.one_split(metrics)))
    distance = frames.select(shift, "shift", "total_variation").groupby("task")["total_variation"].mean()
    kinds = sorted({_part(task) for task in curves["task"]}, key=lambda kind: _distance_of(kind, distance))
    palette = dict(zip(kinds, style.shades(len(kinds), sequential=True), strict=True))
    curves = curves.assign(family=curves["task"].map(_family), kind=curves["task"].map(_part))
    rows = list(curves.groupby(["family", "recipe"], sort=False))
    most = max(runs["n"].nunique() for _, runs in rows)
    figure, axes = style.panels(len(rows), most, share_y="all", height=1.7)
    for row, ((family, recipe), runs) in zip(axes, rows, strict=True):
        sizes = sorted(runs["n"].unique())
        for panel, n in zip(row, sizes, strict=False):
            _mean_curves(panel, runs[runs["n"] == n], palette)
            several = curves["recipe"].nunique() > 1
            panel.set_title(f"{family}{', ' + recipe if several else ''}\nn = {n}")
        for spare in row[len(sizes) :]:
            spare.remove()
        row[0].set_ylabel("accuracy (fraction)")
    style.bound(axes[0, 0], curves["accuracy"])
    keys = [
        style.line_key(f"{kind}, distance {_distance_of(kind, distance):.2f}", color=colour)
        for kind, colour in palette.items()
    ]
    keys += [style.line_key("training set, mean", **_TRAIN), *style.interval_key(curves)]
    style.legend(figure, keys)
    return figure


@mpl.rc_context(style.CONTEXT)
def subclasses(composition: pd.DataFrame) -> Figure:
    """Draw subclasses as dots, joined where their codes are nearest, with their share of the training subset as size.

    A panel for each set of subclasses, from the run whose training subset differs most from its test split.

    Args:
        composition: the study table; groups are codes whose bits tell the subclasses apart.
    """
    table = frames.select(composition, "composition", "group", "label", "train", "test")
    sets = {}
    for run, rows in table.groupby(frames.RUN_KEYS, sort=False):
        key = tuple(sorted(zip(rows["group"], rows["label"], strict=True)))
        shares = rows[["train", "test"]] / rows[["train", "test"]].sum()
        unlike = (shares["train"] - shares["test"]).abs().sum()
        if key not in sets or unlike > sets[key][0]:
            sets[key] = (unlike, run, rows)
    labels = sorted(table["label"].unique())
    colours = style.shades(len(labels), sequential=False)
    figure, axes = style.panels(1, len(sets), height=3.2)
    for panel, (_, run, rows) in zip(axes[0], sets.values(), strict=True):
        if len(rows) > _MOST or rows["label"].nunique() < 2:
            panel.set_axis_off()
            panel.set_title(
                f"{run[0]}, n = {run[2]}: {len(rows)} groups\nof {rows['label'].nunique()} classes, not drawn"
            )
            continue
        nearest, between = _network(panel, rows, dict(zip(labels, colours, strict=True)))
        panel.set_title(
            f"{run[0]}, n = {run[2]}: {len(rows)} subclasses\njoined at a distance of {nearest}; "
            f"of other classes from {between}"
        )
    dot = {"linestyle": "", "marker": "o", "markersize": 6}
    keys = [style.line_key(f"class {label}", color=one, **dot) for label, one in zip(labels, colours, strict=True)]
    keys += [
        style.line_key("area: examples in training", **dot),
        style.line_key("none", markerfacecolor="white", **dot),
    ]
    style.legend(figure, keys)
    return figure


def _family(task: str) -> str:
    return task.rpartition("_")[0] or task


def _part(task: str) -> str:
    return task.rpartition("_")[2]


def _distance_of(kind: str, distance: pd.Series) -> float:
    """The mean distance between training and test of the tasks of one kind."""
    return float(distance[[_part(task) == kind for task in distance.index]].mean())


def _mean_curves(panel: Axes, runs: pd.DataFrame, palette: dict[str, str]) -> None:
    for kind, of_kind in runs.groupby("kind"):
        train = of_kind["split"] == "train"
        for rows, shade, line in ((of_kind[train], 0, _TRAIN), (of_kind[~train], 0.18, {"linewidth": 1.2})):
            style.means(panel, rows, "epoch", "accuracy", {kind: palette[kind]}, by="kind", shade=shade, **line)
    style.epoch_axis(panel, runs["epoch"].max())


def _network(panel: Axes, rows: pd.DataFrame, colours: dict[int, str]) -> tuple[int, int]:
    """Draw one set of subclasses; gives the smallest distance of two, and that of two of different classes."""
    codes, labels = rows["group"].to_numpy(), rows["label"].to_numpy()
    places = _places(codes, labels)
    apart = np.array([[(int(a) ^ int(b)).bit_count() for b in codes] for a in codes])
    pairs = list(itertools.combinations(range(len(codes)), 2))
    nearest = min(apart[pair] for pair in pairs)
    for pair in pairs:
        if apart[pair] == nearest:
            panel.plot(*places[list(pair)].T, color=style.GREY, linewidth=0.5, zorder=1)
    area = 140 * rows["train"] / rows["train"].max()
    for place, label, size in zip(places, labels, area, strict=True):
        face = colours[label] if size else "white"
        panel.scatter(*place, s=max(size, 30 if not size else 8), facecolor=face, edgecolor=colours[label], zorder=2)
    panel.set_aspect("equal")
    panel.margins(0.1)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    return int(nearest), int(min(apart[pair] for pair in pairs if labels[pair[0]] != labels[pair[1]]))


def _places(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Places (subclasses, 2): classes on a circle, in each the subclasses on a smaller one about the most central."""
    places = np.empty((len(codes), 2))
    classes = np.unique(labels)
    for turn, label in enumerate(classes):
        members = np.flatnonzero(labels == label)
        centre = _turned(turn / len(classes))
        reach = [sum((int(codes[i]) ^ int(codes[j])).bit_count() for j in members) for i in members]
        ring = list(members)
        if len(members) > 2 and min(reach) < max(reach):
            middle = members[int(np.argmin(reach))]
            places[middle] = centre
            ring.remove(middle)
        spread = 0.42 if len(members) > 2 else 0.3
        start = turn / len(classes) + 0.25  # across the way to the middle
        for step, member in enumerate(ring):
            places[member] = centre + spread * _turned(start + step / len(ring))
    return places


def _turned(share: float) -> np.ndarray:
    """The point of the unit circle after a share of a turn, from the upper right on."""
    angle = 2 * np.pi * (share + 0.125)
    return np.array([np.cos(angle), np.sin(angle)])
