"""Do the channels that tell hospitals apart matter more for accuracy than others of equal mean and variance?

Decisive control: channels matched in mean and variance, dead ones out. Random ones are drawn dotted, never decisive.
"""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from causalgrok.plotting import frames, style

_COLOURS = {"hospital": "#882255", "tumour": "#117733", "matched": "#444444", "random": style.GREY}
_TARGET = {"linewidth": 1.2, "markersize": 4, "markeredgewidth": 0, "linestyle": "-"}
_LINES = {
    "hospital": _TARGET | {"marker": "o"},
    "tumour": _TARGET | {"marker": "^"},
    "matched": style.CONTROL,
    "random": style.SHOWN,
}
_RANDOM = {"linestyle": "", "marker": "_", "markersize": 9, "markeredgewidth": 0.8}
_NAMES = {
    "hospital": "most hospital-selective",
    "tumour": "most tumour-selective",
    "matched": "matched control",
    "random": "random, never decisive",
}


@mpl.rc_context(style.CONTEXT)
def neurons(neurons: pd.DataFrame) -> Figure:
    """Draw accuracy against the number of silenced channels at the final checkpoint, a column of panels a recipe.

    Args:
        neurons: the study table.
    """
    effects = _effects(neurons)
    settings = frames.settings(effects)
    columns = min(max(runs["recipe"].nunique() for runs in settings.values()), 2)
    rows = [
        (f"{style.SPLITS[split]}, {setting}", runs[runs["split"] == split], recipes[start : start + columns])
        for setting, runs in settings.items()
        for split in reversed(frames.splits(runs))
        for recipes in [sorted(set(runs["recipe"]))]
        for start in range(0, len(recipes), columns)
    ]
    figure, axes = style.panels(len(rows), columns, height=2, share_y="row")
    for row, (place, runs, recipes) in zip(axes, rows, strict=True):
        for panel, recipe in zip(row, recipes, strict=False):
            of_recipe = frames.spread(runs[runs["recipe"] == recipe], ["k", "selection"], "accuracy")
            style.control_range(panel, of_recipe[of_recipe["selection"] == "matched"], "k", _COLOURS, by="selection")
            for selection, line in reversed(_LINES.items()):
                means = of_recipe[of_recipe["selection"] == selection]
                interval = {"bars": True} if line.get("linestyle") == "-" else {"shade": 0}
                style.means(panel, means, "k", "accuracy", _COLOURS, by="selection", **interval, **line)
            _count_axis(panel, sorted(runs["k"].unique()))
            panel.set_title(f"{style.titled(recipe, of_recipe)}\n{place}")
            panel.set_ylabel("accuracy (fraction)" if panel is row[0] else "")
        ends = frames.spread(runs, ["k", "selection"], "accuracy")
        style.bound(row[0], ends[["low", "accuracy", "high"]].to_numpy().flat)
        for spare in row[len(recipes) :]:
            spare.remove()
    present = set(effects["selection"])
    keys = [
        style.line_key(_NAMES[selection], color=_COLOURS[selection], **line)
        for selection, line in _LINES.items()
        if selection in present
    ]
    keys += style.interval_key(effects, bars=True)
    style.legend(figure, [*keys, *([style.range_key("matched draws")] if "matched" in present else [])])
    return figure


@mpl.rc_context(style.CONTEXT)
def neurons_per_seed(neurons: pd.DataFrame, *, k: int = 64) -> Figure:
    """Draw, run by run, how much more accuracy the hospital's channels cost than matched ones.

    Args:
        neurons: the study table.
        k: number of silenced channels; the nearest that every run has is shown, the larger of two as near.

    Returns:
        A sentence where some run has no hospital channels with matched ones: few channels, or few that are alive.
    """
    effects = _effects(neurons)
    k = _nearest(effects, k)
    if k is None:
        return style.empty("No channels were matched to the hospital's in every run.")
    extra = _extra_drop(effects[effects["k"] == k])
    palette = style.colours(extra["recipe"])
    figure, rows = style.by_split(extra, share_y="all")
    for row in rows:
        for panel, title, runs in row:
            _draw_seeds(panel, runs, palette)
            panel.set_title(title)
        row[0][0].set_ylabel(f"accuracy lost beyond\nmatched, K = {k} (fraction)")
    keys = [
        *(
            Line2D([], [], color=palette[name], linestyle="", marker="D", markersize=4, label=label)
            for name, label in style.counted(extra).items()
        ),
        style.shade_key("matched draws of the run, 2.5 to 97.5 %", alpha=0.35),
    ]
    if extra["random"].notna().any():
        keys.append(style.line_key("mean of random draws, never decisive", **_RANDOM))
    style.legend(figure, keys)
    return figure


def _effects(neurons: pd.DataFrame) -> pd.DataFrame:
    """The table's rows at the final checkpoint, on the held-out splits."""
    return frames.final(
        frames.select(
            neurons,
            "neurons",
            *("epoch", "k", "repeat", "accuracy"),
            split=frames.held_out(neurons),
            selection=tuple(_COLOURS),
            mode=("zero",),
        )
    )


def _nearest(effects: pd.DataFrame, k: int) -> int | None:
    """The number of silenced channels nearest to `k` for which every run has hospital and matched channels, if any."""
    runs = effects.groupby(frames.RUN_KEYS).ngroups
    having = effects.groupby(["k", "selection"])[frames.RUN_KEYS].apply(lambda rows: len(rows.drop_duplicates()))
    everywhere = (having.unstack() == runs).reindex(columns=["hospital", "matched"], fill_value=False).all(axis=1)
    counts = [count for count in everywhere.index[everywhere] if count > 0]
    return min(counts, key=lambda count: (abs(count - k), -count), default=None)


def _extra_drop(effects: pd.DataFrame) -> pd.DataFrame:
    """Per run and split: accuracy lost to targeted channels minus the mean lost to matched ones, and the draws' spread.

    `low` and `high` are the 2.5th and 97.5th percentile of what single matched draws lose beyond their mean, `random`
    is the mean of what random ones lose beyond it.
    """
    accuracy = effects.groupby(["selection", *frames.RUN_KEYS, "split"])["accuracy"]
    mean, matched = accuracy.mean(), accuracy.mean().loc["matched"]
    extra = {
        "extra": matched - mean.loc["hospital"],
        "low": matched - accuracy.quantile(0.975).loc["matched"],
        "high": matched - accuracy.quantile(0.025).loc["matched"],
    }
    # Random draws may be missing.
    random = mean[mean.index.get_level_values("selection") == "random"].droplevel("selection")
    return pd.DataFrame(extra | {"random": matched - random}).reset_index()


def _draw_seeds(axes: Axes, runs: pd.DataFrame, palette: dict[str, str]) -> None:
    """A place on the horizontal axis for every run, recipes side by side."""
    runs = runs.sort_values(["recipe", "seed"]).reset_index(drop=True)
    # One free place between the recipes.
    places = runs.index + runs["recipe"].ne(runs["recipe"].shift()).cumsum() - 1
    style.reference(axes, 0, "-")
    # A bar's end would otherwise be the panel's end.
    axes.use_sticky_edges = False
    axes.bar(
        places, runs["high"] - runs["low"], bottom=runs["low"], width=0.6, color=style.GREY, alpha=0.35, linewidth=0
    )
    axes.plot(places, runs["random"], **{"color": style.GREY} | _RANDOM)
    axes.scatter(places, runs["extra"], c=runs["recipe"].map(palette), marker="D", s=16, linewidth=0, zorder=3)
    # More than 30 seeds cannot be named side by side.
    named = len(runs) <= 30
    axes.set_xticks(places, runs["seed"].astype(str) if named else [""] * len(runs))
    axes.set_xlim(-1, places.max() + 1)
    axes.set_xlabel("seed" if named else "runs, by seed")


def _count_axis(axes: Axes, counts: list[int]) -> None:
    """A scale to base 2 that holds 0: from 0 to the smallest count takes as much room as a doubling."""
    positive = [count for count in counts if count > 0]
    if positive:
        axes.set_xscale("symlog", base=2, linthresh=positive[0], linscale=0.5)
        axes.set_xlim(-0.2 * positive[0], 1.15 * positive[-1])
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("channels set to zero K")
