"""What the figures share: colours, sizes, the mean with its interval, legends, and files with stable bytes.

The conventions: recipe = colour; one run = thin line; mean over runs = thick line with a 95 % t interval. The run is
the unit of analysis: repeats of a control are averaged within a run before anything is averaged over runs, and the
spread of a control is the range of its repeats within a run, whose ends are averaged over runs. Decisive controls are
dashed, those that are shown and never decisive are dotted.
"""

import contextlib
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from causalgrok.files import write_bytes
from causalgrok.plotting import frames
from causalgrok.plotting.palette import DISTINCT, hues
from causalgrok.plotting.palette import colours as colours

ONE_COLUMN, TWO_COLUMNS = 3.4, 7.0
"""Widths in inches of a figure in one column and over two columns of a paper."""

THIN, THICK = 0.6, 1.8
"""Line widths in points of one run and of a mean over runs."""

GREY = "#767676"
"""Controls, reference lines and legend keys that stand for any recipe."""

SPLITS = {
    "train": "training set",
    "id_val": "ID validation",
    "ood_val": "OOD validation hospital",
    "ood_test": "OOD test hospital",
    "test": "test set",
}
"""Split -> its name in figures, in the order of the panels."""

CONTROL = {"linestyle": (0, (3, 1.5)), "linewidth": 1, "marker": "s", "markersize": 2.5, "markeredgewidth": 0}
"""Line of a decisive control."""

SHOWN = {"linestyle": (0, (1, 1.5)), "linewidth": 0.9}
"""Line of a control that is shown, never decisive."""

BANDED = 3
"""Recipes, at most, whose bands are drawn in one panel where they would otherwise hide one another."""

SHADE = 0.14
"""Opacity of the range of a control's repeats."""

CONTEXT = {
    # Shipped with matplotlib, so every machine lays a figure out alike; wider than the fonts that a browser without it
    # falls back to, so text stored as text never runs into its neighbour.
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 1.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "causalgrok",
}
"""Matplotlib settings of every figure; a figure's function runs in them: ``@mpl.rc_context(style.CONTEXT)``."""


# Colours and labels


def shades(count: int, *, sequential: bool) -> Sequence[str]:
    """Colours for what is not a recipe: in order, as training-set sizes are, or merely distinct, as seeds are."""
    if sequential:
        # Without viridis' last fifth, which is too pale for a line on white.
        return [to_hex(mpl.colormaps["viridis"](0.8 * index / max(1, count - 1))) for index in range(count)]
    return DISTINCT[:count] if count <= len(DISTINCT) else hues(count)


def counted(frame: pd.DataFrame) -> dict[str, str]:
    """Recipe -> its name with the number of runs that a mean is taken of, a range where training sets differ in it."""
    runs = frame.groupby(["recipe", "task", "n"])["seed"].nunique()
    labels = {}
    for recipe, counts in runs.groupby("recipe"):
        low, high = counts.min(), counts.max()
        number = str(low) if low == high else f"{low} to {high}"
        labels[recipe] = f"{recipe} ({number} {'run' if high == 1 else 'runs'})"
    return labels


def titled(recipe: str, runs: pd.DataFrame) -> str:
    """A panel's recipe with the number of runs that the panel shows."""
    count = runs.groupby(frames.RUN_KEYS).ngroups
    return f"{recipe} ({count} {'run' if count == 1 else 'runs'})"


def row_label(recipe: str, runs: pd.DataFrame, setting: str) -> str:
    """A row's recipe with its number of runs and training set; a long recipe's name has a line for itself."""
    label = titled(recipe, runs)
    return f"{label if len(label) <= 22 else label.replace(' (', chr(10) + '(')}\n{setting}"


# Drawing


def panels(
    rows: int, columns: int, *, height: float = 1.8, share_x: str = "none", share_y: str = "none"
) -> tuple[Figure, np.ndarray]:
    """A figure as wide as its columns ask for, and its axes (rows, columns); `height` is one row's, in inches."""
    figure = Figure(figsize=(ONE_COLUMN if columns == 1 else TWO_COLUMNS, rows * height), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=share_x, sharey=share_y, squeeze=False)
    for panel in axes.flat:
        panel.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3))
    return figure, axes


def empty(text: str) -> Figure:
    """A figure that says in words why there is nothing to draw: a result, not an error."""
    figure = Figure(figsize=(ONE_COLUMN, 0.8), layout="constrained")
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=8, color=GREY)
    return figure


def bound(axes: Axes, values: Iterable[float]) -> None:
    """Keep an interval from flattening the data: it is cut a quarter of the data's range beyond the data.

    The t interval of three runs is five times their standard deviation wide.

    Args:
        axes: drawn panel; those that share its vertical axis follow.
        values: all that the panel and those others show of single runs.
    """
    low, high = axes.get_ylim()
    values = pd.Series(values, dtype=float)
    least, most = values.min(), values.max()
    if most > least:
        room = 0.25 * (most - least)
        axes.set_ylim(max(low, least - room), min(high, most + room))


def by_split(
    frame: pd.DataFrame, order: Iterable[str] | None = None, *, height: float = 1.8, share_y: str = "none"
) -> tuple[Figure, list[list[tuple[Axes, str, pd.DataFrame]]]]:
    """A figure with a row of panels a training set, and in it a panel for each split of `order` that it has.

    Returns:
        The figure, and its rows of (axes, title, rows of the table to be drawn there).
    """
    content = [
        [(split, setting, runs[runs["split"] == split]) for split in frames.splits(runs, order)]
        for setting, runs in frames.settings(frame).items()
    ]
    figure, axes = panels(len(content), max(map(len, content)), height=height, share_y=share_y)
    rows = []
    for row, parts in zip(axes, content, strict=True):
        # Two panels a row have room for one line of title, three have not.
        between = "\n" if len(row) > 2 else ", "
        rows.append(
            [
                (panel, f"{SPLITS[split]}{between}{setting}", runs)
                for panel, (split, setting, runs) in zip(row, parts, strict=False)
            ]
        )
        for spare in row[len(parts) :]:
            spare.remove()
    return figure, rows


def curves(axes: Axes, frame: pd.DataFrame, x: str, y: str, palette: dict[str, str]) -> None:
    """Each run as a thin line, and each recipe's mean over runs as a thick line with its 95 % t interval.

    Args:
        axes: where to draw.
        frame: one row a recipe, seed and value of `x`.
        x: column of the horizontal axis.
        y: column of the vertical axis.
        palette: recipe -> colour.
    """
    for (recipe, _), run in frame.dropna(subset=y).sort_values(x).groupby(["recipe", "seed"]):
        axes.plot(run[x], run[y], color=palette[recipe], linewidth=THIN, alpha=0.5, **_alone(run, 2.5))
    means(axes, frame, x, y, palette, linewidth=THICK)


def means(
    axes: Axes,
    frame: pd.DataFrame,
    x: str,
    y: str,
    palette: dict[str, str],
    *,
    by: str = "recipe",
    shade: float = 0.18,
    bars: bool = False,
    **line: object,
) -> None:
    """The mean over runs against `x`, with its 95 % t interval, for each value of the column `by`.

    The band has the opacity `shade`, and is left out at 0; with `bars` the interval is a bar at each point, which
    leaves bands to the range of a control.
    """
    groups = frames.complete(frame.dropna(subset=y), [x] if by == "recipe" else [x, by]).groupby([by, x])[y]
    mean, half = groups.mean(), frames.half_interval(groups)
    for name in mean.index.unique(by):
        centre, colour = mean.loc[name], palette[name]
        low, high = centre - half.loc[name], centre + half.loc[name]
        axes.plot(centre.index, centre, color=colour, **_alone(centre, 4) | line)
        if bars or (shade and len(centre) == 1):
            axes.vlines(centre.index, low, high, color=colour, linewidth=0.8)
        elif shade:
            axes.fill_between(centre.index, low, high, color=colour, alpha=shade, linewidth=0)


def _alone(points: Sized, size: float) -> dict[str, object]:
    """Markers for a line of one point, which would not be seen."""
    return {"marker": "o", "markersize": size, "markeredgewidth": 0} if len(points) == 1 else {}


def control_range(
    axes: Axes, frame: pd.DataFrame, x: str, palette: dict[str, str], *, by: str = "recipe", shade: float = SHADE
) -> None:
    """The range of a control's repeats within a run as a band, its ends averaged over runs.

    Args:
        axes: where to draw.
        frame: rows of `spread`.
        x: column of the horizontal axis.
        palette: value of `by` -> colour.
        by: column that has a band for each of its values.
        shade: opacity.
    """
    ends = frames.complete(frame, [x] if by == "recipe" else [x, by]).groupby([by, x])[["low", "high"]].mean()
    for name in ends.index.unique(by):
        band = ends.loc[name]
        axes.fill_between(band.index, band["low"], band["high"], color=palette[name], alpha=shade, linewidth=0)


def marks(
    axes: Axes,
    place: float,
    values: Sequence[float],
    colour: str,
    *,
    marker: str = "_",
    hollow: bool = False,
    flat: bool = False,
    aside: float | None = 0.08,
) -> None:
    """The mean over runs at one place of a categorical axis, with its 95 % t interval, and a dot a run beside it.

    Args:
        axes: where to draw.
        place: position on the categorical axis.
        values: one value a run; missing ones are left out.
        colour: colour of all of it.
        marker: marker of the mean.
        hollow: whether markers are outlines.
        flat: whether the categorical axis is the vertical one.
        aside: distance of the dots from the mean; None leaves them out.
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if not len(values):
        return

    def draw(at: float, along: Sequence[float], **line: object) -> None:
        places = np.full(len(along), at)
        axes.plot(*((along, places) if flat else (places, along)), color=colour, **line)

    face = {"markerfacecolor": "white"} if hollow else {}
    draw(place, frames.t_interval(values), linewidth=1, zorder=2)
    edge = 1.4 if marker in "_|" else 0.9
    size = 6 if marker in "_|" else 4.5
    draw(place, [values.mean()], linestyle="", marker=marker, markersize=size, markeredgewidth=edge, zorder=3, **face)
    if aside is not None and len(values) > 1:
        draw(place - aside, values, linestyle="", marker="o", markersize=2.5, markeredgewidth=0, alpha=0.6, zorder=1)


def dodge(count: int, room: float) -> np.ndarray:
    """Positions around 0, within `room`, of so many marks that share a place on a categorical axis."""
    step = room / max(count, 1)
    return step * (np.arange(count) - (count - 1) / 2)


def epoch_axis(axes: Axes, last: int) -> None:
    """Show epochs from 0 to `last` on a scale that is linear up to 1 and logarithmic beyond, as evaluations are."""
    axes.set_xlabel("epoch")
    if last <= 10:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    else:
        axes.set_xscale("symlog", linthresh=1, linscale=0.5)
        decades = [10**power for power in range(math.floor(math.log10(last)) + 1)]
        axes.xaxis.set_major_locator(FixedLocator([0, *decades]))
        axes.xaxis.set_minor_locator(FixedLocator([times * ten for ten in decades for times in range(2, 10)]))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    # Of one checkpoint, at 0, half a point would be seen.
    axes.set_xlim((0, last) if last else (-1, 1))


def logarithmic(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic vertical axis that names 1, 2 and 5 of each decade if the positive ones of `values` span few."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return
    decades = math.log10(positive.max() / positive.min())
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.2 else (1,), numticks=6))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def reference(axes: Axes, height: float, linestyle: str = ":") -> None:
    """A grey horizontal line behind the data."""
    axes.axhline(height, color=GREY, linewidth=0.8, linestyle=linestyle, zorder=0)


def guesses(axes: Axes, tasks: Iterable[str], chance: Mapping[str, float]) -> None:
    """The accuracy of guessing in these tasks, as far as it is known, as `reference` lines."""
    for height in sorted({chance[task] for task in tasks if task in chance}):
        reference(axes, height)


def guess_key(tasks: Iterable[str], chance: Mapping[str, float]) -> list[Artist]:
    """The legend key of `guesses`, where there are any."""
    known = not chance.keys().isdisjoint(tasks)
    return [line_key("chance", linewidth=0.8, linestyle=":")] if known else []


def recipe_keys(frame: pd.DataFrame, palette: dict[str, str]) -> list[Artist]:
    """Legend keys: every recipe with its number of runs."""
    return [Line2D([], [], color=palette[name], linewidth=THICK, label=label) for name, label in counted(frame).items()]


def line_key(label: str, **line: object) -> Artist:
    """A legend key that stands for any recipe."""
    return Line2D([], [], **({"color": GREY, "linewidth": THICK} | line), label=label)


def interval_key(frame: pd.DataFrame, *, bars: bool = False) -> list[Artist]:
    """Legend key of the interval, where any recipe has runs enough for one."""
    if not frames.has_interval(frame):
        return []
    label = "95 % t interval over runs"
    return [line_key(label, linewidth=0.8, linestyle="", marker="|", markersize=8) if bars else shade_key(label)]


def shade_key(label: str, *, alpha: float = 0.3) -> Artist:
    """Legend key of a band."""
    return Patch(color=GREY, alpha=alpha, linewidth=0, label=label)


def range_key(control: str) -> Artist:
    """Legend key of `control_range`."""
    return shade_key(f"{control} of a run, 2.5 to 97.5 %")


def run_key(frame: pd.DataFrame) -> list[Artist]:
    """Legend key of the dots that `marks` draws, where any mean is taken of several runs."""
    dot = {"linestyle": "", "marker": "o", "markersize": 2.5, "markeredgewidth": 0, "alpha": 0.6}
    return [line_key("one run", **dot)] if frames.most_runs(frame) > 1 else []


def curve_keys(frame: pd.DataFrame, palette: dict[str, str]) -> list[Artist]:
    """Legend keys of `curves`; where every recipe has one run, there is nothing to tell from its mean."""
    keys = recipe_keys(frame, palette)
    if frames.most_runs(frame) > 1:
        keys += [line_key("one run", linewidth=THIN), line_key("mean over runs"), *interval_key(frame)]
    return keys


def legend(figure: Figure, keys: Sequence[Artist]) -> None:
    """Put the legend below the panels, in as many columns as the width holds, and make the figure higher by it."""
    # A character is about 0.06 inches wide, the key with its spacing 0.5; a row is 0.17 inches high.
    widths = [0.06 * len(key.get_label()) + 0.5 for key in keys]
    columns = max(
        columns
        for columns in range(1, len(keys) + 1)
        if columns == 1 or sum(max(part) for part in np.array_split(widths, columns)) < figure.get_figwidth()
    )
    figure.legend(handles=keys, loc="outside lower center", ncols=columns)
    figure.set_figheight(figure.get_figheight() + 0.17 * math.ceil(len(keys) / columns) + 0.1)


# Files


def lay_out(figure: Figure) -> None:
    """Give every panel its final place, once: drawing the figure then does not lay it out again."""
    engine = figure.get_layout_engine()
    if engine is None:
        return
    axes = [axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis)]
    locators = [axis.get_minor_locator() for axis in axes]
    # Minor ticks have no labels, so they take no room, but measuring them takes most of the layout's time.
    for axis in axes:
        axis.set_minor_locator(NullLocator())
    engine.execute(figure)
    for axis, locator in zip(axes, locators, strict=True):
        axis.set_minor_locator(locator)
    figure.set_layout_engine(None)


@contextlib.contextmanager
def named_in_errors(figure: str) -> Iterator[None]:
    """Have the last line of an error say which figure was being drawn: one job draws several."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"figure {figure}: {error}") from error
    except Exception as error:
        error.add_note(f"figure {figure}: {error!r}")
        raise


def save_figure(figure: Figure, pdf: str | Path, svg: str | Path) -> None:
    """Write a figure as PDF and SVG; the same figure gives the same bytes, and text stays text."""
    with mpl.rc_context(CONTEXT):
        # Laid out once, or a figure would be laid out anew for each file; then drawn once for each.
        lay_out(figure)
        for path, kind, date in ((pdf, "pdf", "CreationDate"), (svg, "svg", "Date")):
            content = io.BytesIO()
            figure.savefig(content, format=kind, metadata={date: None})
            write_bytes(path, content.getvalue())
