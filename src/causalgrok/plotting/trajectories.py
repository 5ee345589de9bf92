"""OOD accuracy over training, run by run: does it jump late (grokking), or peak early and decline?"""

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from causalgrok.plotting import style


@mpl.rc_context(style.CONTEXT)
def trajectories(metrics: pd.DataFrame, *, chance: float = 0.5) -> Figure:
    """Draw accuracy against epoch: a row of panels for every training set, a column for every held-out split.

    Args:
        metrics: the study table.
        chance: accuracy of a guess on the held-out hospitals; tumour or not is even.
    """
    metrics = style.select(metrics, "metrics", "epoch", "accuracy", split=("train", *style.SCORED))
    splits = style.splits(metrics)
    if not splits:
        raise ValueError(f"table metrics: no rows whose split is {' or '.join(style.SCORED)}")
    palette = style.colours(metrics["recipe"])
    settings = style.settings(metrics)
    figure, axes = style.panels(len(settings), len(splits), share_y="all")
    for row, (setting, runs) in zip(axes, settings.items(), strict=True):
        train = style.complete(runs[runs["split"] == "train"], ["epoch"])
        for panel, split in zip(row, splits, strict=True):
            sns.lineplot(
                train,
                x="epoch",
                y="accuracy",
                hue="recipe",
                palette=palette,
                errorbar=None,
                linewidth=0.8,
                linestyle=(0, (4, 2)),
                alpha=0.6,
                legend=False,
                ax=panel,
            )
            style.curves(panel, runs[runs["split"] == split], "epoch", "accuracy", palette)
            style.epoch_axis(panel, runs["epoch"].max())
            if split.startswith("ood"):
                style.reference(panel, chance)
            panel.set_title(f"{style.SPLITS[split]}, {setting}")
            panel.set_ylabel("accuracy (fraction)" if panel is row[0] else "")
    style.bound(axes[0, 0], [chance, *metrics["accuracy"]])
    keys = [
        *style.curve_keys(metrics, palette),
        style.line_key("training set, mean", linewidth=0.8, linestyle=(0, (4, 2))),
    ]
    if any(split.startswith("ood") for split in splits):
        keys.append(style.line_key("chance", linewidth=0.8, linestyle=":"))
    style.legend(figure, keys)
    return figure
