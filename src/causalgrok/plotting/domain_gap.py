"""How much accuracy is lost at hospitals that training never saw, task by task."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_COLOURS = {"id_val": style.GREY, "ood_val": "#56B4E9", "ood_test": "#0072B2"}


@mpl.rc_context(style.CONTEXT)
def domain_gap(metrics: pd.DataFrame, *, chance: Mapping[str, float] | None = None) -> Figure:
    """Draw accuracy at the end of training by split, a group of marks a training set, a panel a recipe.

    A run's end is the mean over the last quarter of its evaluations, so that no epoch is selected.

    Args:
        metrics: the study table.
        chance: task -> accuracy of guessing, where it is to be shown.
    """
    chance = chance or {}
    metrics = frames.select(metrics, "metrics", "epoch", "accuracy", split=_COLOURS)
    late = metrics[metrics["epoch"] >= 0.75 * metrics.groupby(frames.RUN_KEYS)["epoch"].transform("max")]
    late = frames.per_run(late, ["split"], "accuracy")
    recipes = style.colours(late["recipe"])
    # In the order of the study, which may mean something; the alphabet does not.
    order = list(metrics.groupby(["task", "n"], sort=False).groups)
    named = {tuple(runs[["task", "n"]].iloc[0]): name for name, runs in frames.settings(late).items()}
    settings = {named[key]: late[(late["task"] == key[0]) & (late["n"] == key[1])] for key in order}
    figure, axes = style.panels(1, len(recipes), height=2.2, share_y="all")
    for panel, recipe in zip(axes[0], recipes, strict=True):
        of_recipe = late[late["recipe"] == recipe]
        for place, runs in enumerate(settings.values()):
            runs = runs[runs["recipe"] == recipe]
            for shift, (split, colour) in zip((-0.2, 0, 0.2), _COLOURS.items(), strict=True):
                values = runs.loc[runs["split"] == split, "accuracy"]
                if values.empty:
                    continue
                dots, bar = np.full(len(values), place + shift - 0.05), place + shift + 0.05
                panel.plot(dots, values, "o", color=colour, markersize=3, alpha=0.6, markeredgewidth=0)
                panel.plot(bar, values.mean(), "_", color=colour, markersize=6)
                panel.vlines(bar, *frames.t_interval(values), color=colour, linewidth=1)
        style.guesses(panel, of_recipe["task"], chance)
        panel.set_title(style.titled(recipe, of_recipe))
        panel.set_xticks(range(len(settings)), [name.replace(", ", "\n") for name in settings])
        panel.set_xlim(-0.6, len(settings) - 0.4)
    axes[0, 0].set_ylabel("accuracy (fraction)")
    if len(settings) > 2:
        figure.set_figwidth(style.TWO_COLUMNS)
    style.bound(axes[0, 0], [*chance.values(), *late["accuracy"]])
    keys = [
        style.line_key(style.SPLITS[split], color=colour, linestyle="", marker="o", markersize=3)
        for split, colour in _COLOURS.items()
    ]
    mean = "mean over runs, 95 % t interval" if frames.has_interval(late) else "mean over runs"
    keys += [style.line_key(mean, linewidth=1, marker="_", markersize=6)]
    style.legend(figure, [*keys, *style.guess_key(late["task"], chance)])
    return figure
