"""What figures take from study tables: rows, runs, splits, and the mean over runs with its interval.

The run is the unit of analysis: repeats of a control are averaged within a run before anything is averaged over runs.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from pandas.core.groupby import SeriesGroupBy
from scipy.special import stdtrit

from causalgrok.columns import RUN

RUN_KEYS = list(RUN)
"""The columns that name a run."""

LEAST_RUNS = 3
"""Runs from which a mean has an interval. Two would have one 25 standard errors wide, which covers every panel."""

SCORED = ("ood_val", "ood_test", "test")
"""Splits on which generalisation is shown: both held-out hospitals, or the one test set of a task without hospitals."""

NAMED = ("final", "selected", "memorised", "init")
"""Names of checkpoints, the latest first."""


def select(
    frame: pd.DataFrame, table: str, *columns: str, keys: Sequence[str] = RUN_KEYS, **kept: Iterable[object]
) -> pd.DataFrame:
    """Cut a study table down to what a figure is drawn from, or say what is missing.

    Args:
        frame: the study table.
        table: its name, for the error.
        columns: columns needed beside `keys` and those in `kept`.
        keys: columns that name a run; none for tables that are not about single runs.
        kept: column -> the values whose rows are kept.

    Raises:
        ValueError: a column is missing, or no row is left.
    """
    wanted = [*keys, *columns, *kept]
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise ValueError(f"table {table}: missing columns {missing}")
    if frame.empty:
        raise ValueError(f"table {table}: no rows")
    for column, values in kept.items():
        frame = frame[frame[column].isin(list(values))]
        if frame.empty:
            raise ValueError(f"table {table}: no rows whose {column} is {' or '.join(map(str, values))}")
    return frame[wanted]


def final(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of every run's last checkpoint."""
    return frame[frame["epoch"] == frame.groupby(RUN_KEYS)["epoch"].transform("max")]


def held_out(frame: pd.DataFrame) -> tuple[str, ...]:
    """The splits on which generalisation is shown; ID validation where no hospital was held out."""
    present = set(frame["split"].unique()) if "split" in frame else set()
    return ("id_val",) if "id_val" in present and not present & set(SCORED) else SCORED


def one_split(frame: pd.DataFrame) -> tuple[str, ...]:
    """The split to keep where there is room for one: the last of `held_out` that a table has."""
    present = splits(frame) if "split" in frame else []
    return tuple(present[-1:]) or SCORED


def latest(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows at the latest of the `NAMED` checkpoints that a table has, and its name."""
    name = next(name for name in NAMED if name in set(frame["checkpoint"].unique()))
    return frame[frame["checkpoint"] == name], name


def per_run(frame: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Average the repeats of a control within each run: one row a run and value of `by`."""
    return frame.groupby([*RUN_KEYS, *by], as_index=False)[value].mean()


def spread(frame: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """A control's repeats in each run: one row a run and value of `by`, with columns `low`, `value` and `high`.

    `value` is the mean over the repeats, `low` and `high` are their 2.5th and 97.5th percentile.
    """
    groups = frame.groupby([*RUN_KEYS, *by])[value]
    ends = {"low": groups.quantile(0.025), value: groups.mean(), "high": groups.quantile(0.975)}
    return pd.DataFrame(ends).reset_index()


def settings(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A table's rows by training set, (task, n), under the training set's name in titles."""
    several = frame["task"].nunique() > 1
    return {f"{task}, n = {n}" if several else f"n = {n}": rows for (task, n), rows in frame.groupby(["task", "n"])}


def splits(frame: pd.DataFrame, order: Iterable[str] | None = None) -> list[str]:
    """Those splits of `order`, by default of `held_out`, that a table holds."""
    order = held_out(frame) if order is None else order
    present = set(frame["split"].unique())
    return [split for split in order if split in present]


def most_runs(frame: pd.DataFrame) -> int:
    """The largest number of runs that any mean over runs is taken of."""
    return frame.groupby(["recipe", "task", "n"])["seed"].nunique().max()


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % t interval of the mean over runs; missing for fewer than `LEAST_RUNS`."""
    values = np.asarray(values, dtype=float)
    mean = values.mean()
    if len(values) < LEAST_RUNS:
        return math.nan, math.nan
    half = stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / math.sqrt(len(values))
    return mean - half, mean + half


def half_interval(groups: SeriesGroupBy) -> pd.Series:
    """Half the width of the 95 % t interval of each group's mean; missing for fewer than `LEAST_RUNS` values."""
    count = groups.count()
    return (stdtrit(count - 1, 0.975) * groups.sem()).where(count >= LEAST_RUNS)


def has_interval(frame: pd.DataFrame) -> bool:
    """Whether any recipe has the runs that `t_interval` takes."""
    return most_runs(frame) >= LEAST_RUNS


def complete(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Rows at those values of `by` that all runs of a recipe have: a mean over changing runs would show false steps."""
    having = frame.groupby(["recipe", *by])["seed"].transform("nunique")
    return frame[having == frame.groupby("recipe")["seed"].transform("nunique")]
