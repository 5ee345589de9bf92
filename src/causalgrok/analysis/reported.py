"""Ours against published figures: each that a source prints, beside the runs that were trained as it says.

A figure is a task's accuracy or weight norm at a step. Ours is the mean over seeds at the evaluation nearest to that
step, no further from it than a hundredth; with two seeds or more it has a 95 % t interval. The verdict is about the
mean alone: within the tolerance that was set for this figure beforehand, outside, or not reached by any run.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from causalgrok.columns import COLUMNS, RUN

QUANTITIES = {
    "train_accuracy": ("metrics", "accuracy", {"split": "train"}),
    "validation_accuracy": ("metrics", "accuracy", {"split": "validation"}),
    "test_accuracy": ("metrics", "accuracy", {"split": "test"}),
    "weight_norm": ("dynamics", "weight_norm", {"group": "total"}),
    "summed_norm": ("dynamics", "summed_norm", {"group": "total"}),
}
"""What a source may print -> table, column and rows that it is read from."""

NEAR = 0.01
"""Largest distance of an evaluation from the step that was asked for, as a share of the step."""

_GROUP = [key for key in RUN if key != "seed"]


def compare_reported(metrics: pd.DataFrame, dynamics: pd.DataFrame, figures: Iterable[Mapping]) -> pd.DataFrame:
    """Hold a study's runs against published figures.

    Args:
        metrics: the study table.
        dynamics: the study table.
        figures: mappings of source, task, step, quantity (a key of `QUANTITIES`), reported, tolerance.

    Returns:
        The columns of the table `reported`: a row for each figure and each recipe and n that its task was trained with.
    """
    tables = {"metrics": metrics, "dynamics": dynamics}
    rows = [row for figure in figures for row in _rows(figure, tables)]
    return pd.DataFrame(rows, columns=list(COLUMNS["reported"]))


def _rows(figure: Mapping, tables: Mapping[str, pd.DataFrame]) -> Iterable[dict]:
    name, column, where = QUANTITIES[figure["quantity"]]
    table = tables[name]
    kept = table[table["task"] == figure["task"]]
    for key, value in where.items():
        kept = kept[kept[key] == value]
    for (task, recipe, n), runs in kept.groupby(_GROUP):
        values = [value for _, run in runs.groupby("seed") if (value := _at(run, figure["step"], column)) is not None]
        mean, half = _interval(np.array(values, dtype=float))
        difference = mean - figure["reported"]
        within = "within" if abs(difference) <= figure["tolerance"] + 1e-12 else "outside"
        yield {
            **{key: figure[key] for key in ("source", "step", "quantity", "reported", "tolerance")},
            "task": task,
            "recipe": recipe,
            "n": n,
            "runs": len(values),
            "mean": mean,
            "low": mean - half,
            "high": mean + half,
            "difference": difference,
            "verdict": within if len(values) else "not_reached",
        }


def _at(run: pd.DataFrame, step: int, column: str) -> float | None:
    """A run's value at the evaluation nearest to a step; None if there is none near."""
    distance = (run["step"] - step).abs()
    nearest = distance.idxmin()
    return float(run.loc[nearest, column]) if distance[nearest] <= NEAR * step else None


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Mean and half its 95 % t interval; missing where there are too few values."""
    if not len(values):
        return np.nan, np.nan
    if len(values) == 1:
        return float(values[0]), np.nan
    half = stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def as_markdown(reported: pd.DataFrame) -> str:
    """The table as Markdown: a row a task and step, a column a quantity, ours / reported, what is outside in bold."""
    quantities = [name for name in QUANTITIES if name in set(reported["quantity"])]
    lines = [
        f"| task | step | {' | '.join(name.replace('_', ' ') for name in quantities)} |",
        f"|---|---|{'---|' * len(quantities)}",
    ]
    for (task, step), rows in reported.groupby(["task", "step"], sort=False):
        cells = [_cell(rows[rows["quantity"] == quantity]) for quantity in quantities]
        lines.append(f"| {task} | {step:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(rows: pd.DataFrame) -> str:
    """One figure, of the first recipe and n that it has."""
    if rows.empty or rows["verdict"].iloc[0] == "not_reached":
        return "-"
    row = rows.iloc[0]
    digits = 1 if row["quantity"].endswith("norm") else 3
    text = f"{row['mean']:.{digits}f} / {row['reported']:.{digits}f}"
    return f"**{text}**" if row["verdict"] == "outside" else text
