"""How concentrated the shortcut is, over training: tidier and lower-dimensional, as claimed, or not?"""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_MEASURES = {
    "inlp_area": ("Area under\nthe INLP curve", "area (fraction)"),
    "between_participation": ("Participation ratio\nbetween hospitals", "directions"),
    "head_angle": ("Angle of hospital\nsubspace and head", "angle (degrees)"),
}
_NULL = {"linewidth": 1, "linestyle": (0, (3, 1.5))}


@mpl.rc_context(style.CONTEXT)
def concentration(concentration: pd.DataFrame) -> Figure:
    """Draw each measure against epoch, a row a training set, a column a measure.

    Args:
        concentration: the study table. Where a recipe has too few runs for a t interval, the bootstrap interval of
            each run is drawn, as long as there are three recipes at most.
    """
    concentration = frames.select(
        concentration, "concentration", *("epoch", "value", "low", "high", "null"), measure=tuple(_MEASURES)
    )
    palette = style.colours(concentration["recipe"])
    settings = frames.settings(concentration)
    measures = [measure for measure in _MEASURES if measure in set(concentration["measure"])]
    bootstrapped = len(palette) <= style.BANDED and _few(concentration).any()
    figure, axes = style.panels(len(settings), len(measures), height=2, share_y="col")
    for row, (setting, of_setting) in zip(axes, settings.items(), strict=True):
        for panel, measure in zip(row, measures, strict=True):
            title, unit = _MEASURES[measure]
            runs = of_setting[of_setting["measure"] == measure]
            if runs.empty:
                panel.set_visible(False)
                continue
            if bootstrapped:
                _draw_bootstrap(panel, runs, palette)
            # Of one checkpoint there is a dash beside the dots.
            null = _NULL | ({"marker": "_", "markersize": 14} if runs["epoch"].nunique() == 1 else {})
            style.means(panel, runs, "epoch", "null", palette, shade=0, **null)
            style.curves(panel, runs, "epoch", "value", palette)
            style.bound(panel, pd.concat([runs["value"], runs["null"]]))
            style.epoch_axis(panel, runs["epoch"].max())
            panel.set_title(f"{title}\n{setting}")
            panel.set_ylabel(unit)
    keys = style.curve_keys(concentration, palette)
    if bootstrapped:
        keys.append(style.shade_key("95 % bootstrap interval of a run", alpha=style.SHADE))
    keys.append(style.line_key("hospital permuted by slide, median", **_NULL))
    style.legend(figure, keys)
    return figure


def _few(runs: pd.DataFrame) -> pd.Series:
    """Whether a row's recipe and training set has too few runs for a t interval over them."""
    return runs.groupby(["task", "recipe", "n"])["seed"].transform("nunique") < frames.LEAST_RUNS


def _draw_bootstrap(axes: Axes, runs: pd.DataFrame, palette: dict[str, str]) -> None:
    """The bootstrap interval over slides of every run whose recipe has too few of them."""
    for (recipe, _), run in runs[_few(runs)].sort_values("epoch").groupby(["recipe", "seed"]):
        axes.fill_between(run["epoch"], run["low"], run["high"], color=palette[recipe], alpha=style.SHADE, linewidth=0)
