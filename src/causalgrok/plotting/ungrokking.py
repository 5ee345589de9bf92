"""Where networks that had grokked end when they are trained further on fewer examples: against n, recipe by recipe."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style


@mpl.rc_context(style.CONTEXT)
def ungrokking(ungrokking: pd.DataFrame) -> Figure:
    """Draw test accuracy over the final plateau against n, a panel a task; above, where the continued runs started.

    Args:
        ungrokking: the study table, one row a continued run.
    """
    runs = ungrokking[ungrokking["label"] != "not_grokked"]
    if runs.empty:
        return style.empty("No run that is continued had grokked.")
    runs = frames.select(runs, "ungrokking", "end_accuracy", "start_accuracy", "train_end", "parent_n")
    palette = style.colours(runs["recipe"])
    tasks = list(dict(iter(runs.groupby("task", sort=False))).items())
    figure, axes = style.panels(1, len(tasks), height=2.4, share_y="all")
    for panel, (task, of_task) in zip(axes[0], tasks, strict=True):
        sizes = sorted(of_task["n"].unique())
        for shift, (recipe, colour) in zip(style.dodge(len(palette), 0.5), palette.items(), strict=True):
            for place, n in enumerate(sizes):
                ends = of_task[(of_task["recipe"] == recipe) & (of_task["n"] == n)]
                style.marks(panel, place + shift, ends["end_accuracy"], colour)
        style.reference(panel, of_task["start_accuracy"].mean())
        style.reference(panel, of_task["train_end"].mean(), "--")
        panel.set_xticks(range(len(sizes)), [str(n) for n in sizes])
        panel.set_xlim(-0.6, len(sizes) - 0.4)
        panel.set_ylim(-0.03, 1.06)
        panel.set_title(f"{task}, continued from n = {', '.join(map(str, sorted(of_task['parent_n'].unique())))}")
        panel.set_xlabel("training examples n")
    axes[0, 0].set_ylabel("test accuracy at the end (fraction)")
    keys = [*style.recipe_keys(runs, palette), *style.run_key(runs)]
    keys += [
        style.line_key(
            "mean over runs, 95 % t interval" if frames.has_interval(runs) else "mean over runs", linewidth=1
        ),
        style.line_key("test accuracy at the start, mean", linewidth=0.8, linestyle=":"),
        style.line_key("train accuracy at the end, mean", linewidth=0.8, linestyle="--"),
    ]
    style.legend(figure, keys)
    return figure
