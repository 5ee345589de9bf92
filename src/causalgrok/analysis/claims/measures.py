"""Measures: from a study's tables to one value a run.

Each takes its settings (`causalgrok.analysis.claims.measure_entries`) and the tables, and gives a value for every run
that it is defined for, with the rows that it was taken from in words. A new kind of measure is one model there and one
function here; most claims need none, because `value` reads any column of any table.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from causalgrok.analysis.claims.measure_entries import (
    PLACES,
    BeatsControls,
    Curve,
    MonotoneSteering,
    Rows,
    Value,
)
from causalgrok.analysis.dynamics import equally_spaced, memorised_epoch
from causalgrok.analysis.statistics.counts import null_rates
from causalgrok.analysis.verdicts import MONOTONE, monotone_responses
from causalgrok.columns import RUN

Tables = Mapping[str, pd.DataFrame]

_RUN = list(RUN)


class Measured(NamedTuple):
    """What a measure gives."""

    values: pd.DataFrame
    """The columns of `RUN`, `value`, and `chance` where each run has a chance of its own."""

    rows: str
    """The table rows it was taken from, as ``table.column where ...``."""


def measure(settings: Any, tables: Tables) -> Measured:
    """Take a measure.

    Args:
        settings: a measure of `causalgrok.analysis.claims.measure_entries`.
        tables: the study's tables, at least `settings.tables`.

    Raises:
        ValueError: its settings select what it is not defined for.
    """
    measured = _MEASURES[type(settings)](settings, tables)
    values = measured.values.replace({"value": {np.inf: np.nan, -np.inf: np.nan}})
    return measured._replace(values=values)


def selected(frame: pd.DataFrame, rows: Rows, tables: Tables) -> pd.DataFrame:
    """The rows of a study table that a selection keeps."""
    for column, condition in rows.where.items():
        if isinstance(condition, dict):
            frame = _nearest_share(frame, column, condition["share_of_largest"])
        else:
            frame = frame[frame[column].isin(condition if isinstance(condition, list) else [condition])]
    return frame if rows.at is None else _at(frame, rows.at, tables)


def in_words(table: str, column: str, rows: Rows) -> str:
    """The rows of a selection; what stands after ``where`` can be asked of pandas' `query` if no place follows it."""
    conditions = [_condition(name, value) for name, value in rows.where.items()]
    place = f" at {rows.at}" if rows.at else ""
    return f"{table}.{column}" + (f" where {' and '.join(conditions)}" if conditions else "") + place


def _condition(column: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"{column} nearest to {value['share_of_largest']} of the largest"
    return f"{column} in {value!r}" if isinstance(value, list) else f"{column} == {value!r}"


def _nearest_share(frame: pd.DataFrame, column: str, share: float) -> pd.DataFrame:
    """The rows whose value is nearest to a share of the run's largest."""
    distance = (frame[column] - share * frame.groupby(_RUN)[column].transform("max")).abs()
    return frame[distance == distance.groupby([frame[key] for key in _RUN]).transform("min")]


def _at(frame: pd.DataFrame, place: str, tables: Tables) -> pd.DataFrame:
    """The rows at a place in training; of a run that ended before it none."""
    if place in PLACES[2:]:
        checkpoints = tables["checkpoints"]
        epochs = checkpoints.loc[checkpoints["name"] == place, [*_RUN, "epoch"]]
        return frame.merge(epochs, on=[*_RUN, "epoch"])
    kind, _, number = place.rpartition(" ")
    column = "step" if kind == "step" else "epoch"
    of_run = frame.groupby(_RUN)[column]
    first, last = of_run.transform("min"), of_run.transform("max")
    if kind == "from share":
        return frame[frame[column] >= float(number) * last]
    wanted = (
        {"first": first, "last": last}[place] if place in PLACES else float(number) * (last if kind == "share" else 1)
    )
    distance = (frame[column] - wanted).abs().where(last >= wanted)
    nearest = frame[distance == distance.groupby([frame[key] for key in _RUN]).transform("min")]
    # Two evaluations may be equally near.
    return nearest[nearest[column] == nearest.groupby(_RUN)[column].transform("min")]


def _by_run(values: pd.Series | pd.DataFrame) -> pd.DataFrame:
    """Columns of `RUN` and the rest from something indexed by run."""
    frame = values.to_frame("value") if isinstance(values, pd.Series) else values
    return frame.reset_index()


def _value(settings: Value, tables: Tables) -> Measured:
    def of(column: str, rows: Rows) -> pd.Series:
        kept = selected(tables[settings.table], rows, tables)
        if settings.equals is not None:
            holds = (kept[column] == settings.equals).astype(float).where(kept[column].notna())
            return holds.groupby([kept[key] for key in _RUN]).mean()
        return kept.groupby(_RUN)[column].mean().astype(float)

    here = Rows(where=settings.where, at=settings.at)
    values, words = of(settings.column, here), in_words(settings.table, settings.column, here)
    if settings.equals is not None:
        words = f"{words} being {settings.equals!r}"
    if settings.against or settings.against_column:
        other = settings.against or Rows()
        there = Rows(where={**settings.where, **other.where}, at=other.at or settings.at)
        column = settings.against_column or settings.column
        rest = of(column, there)
        values = values / rest if settings.ratio else values - rest
        words += f" {'/' if settings.ratio else '-'} {in_words(settings.table, column, there)}"
    if settings.log:
        values, words = np.log(values.where(values > 0)), f"log of {words}"
    return Measured(_by_run(values), words)


def _curve(settings: Curve, tables: Tables) -> Measured:
    metrics = tables["metrics"]
    values = {}
    for run, evaluations in metrics.groupby(_RUN):
        curve = _of_split(evaluations, settings.split)[settings.column]
        if settings.after_memorised:
            memorised = memorised_epoch(_of_split(evaluations, "train")["accuracy"])
            curve = curve[curve.index >= memorised]
        values[run] = _STATISTICS[settings.statistic](curve) if len(curve) else np.nan
    when = " from memorisation on" if settings.after_memorised else ""
    words = f"{settings.statistic} of metrics.{settings.column} where split == {settings.split!r}{when}"
    return Measured(_of_runs(values), words)


def _of_split(evaluations: pd.DataFrame, split: str) -> pd.DataFrame:
    return evaluations[evaluations["split"] == split].set_index("epoch").sort_index()


def _peak_time(curve: pd.Series) -> float:
    grid = equally_spaced(curve)
    return float(grid.idxmax() / grid.index[-1]) if len(grid) else np.nan


_STATISTICS: dict[str, Callable[[pd.Series], float]] = {
    "min": lambda curve: curve.min(),
    "max": lambda curve: curve.max(),
    "mean": lambda curve: curve.mean(),
    "peak_time": _peak_time,
}


def _of_runs(values: Mapping[tuple, float]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(list(values), names=_RUN) if values else pd.MultiIndex.from_product([[]] * 4)
    return _by_run(pd.Series(list(values.values()), index=index.rename(_RUN), dtype=float))


def _beats_controls(settings: BeatsControls, tables: Tables) -> Measured:
    rows = Rows(where=settings.where)
    kept = selected(tables["verdicts"], rows, tables).set_index(_RUN)
    if kept.index.has_duplicates:
        run = kept.index[kept.index.duplicated()][0]
        raise ValueError(f"verdicts has {kept.index.to_list().count(run)} rows of run {run}: narrow `where` to one")
    # p moves in steps of 1 / (1 + controls): the chance of p <= level is the last step below it.
    draws = kept["controls"] + 1
    chance = np.floor(settings.level * draws + 1e-9) / draws
    found = (kept["p"] <= settings.level + 1e-12).astype(float).where(kept["p"].notna())
    words = f"{in_words('verdicts', 'p', rows)} at or below {settings.level:g}"
    return Measured(_by_run(pd.DataFrame({"value": found, "chance": chance})), words)


def _monotone_steering(settings: MonotoneSteering, tables: Tables) -> Measured:
    rows = Rows(where={"stage": settings.stage, "split": settings.split}, at=settings.checkpoint)
    directions = ["hospital", settings.control]
    wide = Rows(where={**rows.where, "direction": directions}, at=rows.at)
    steering = selected(tables["steering"], wide, tables)
    responses = monotone_responses(steering.assign(checkpoint=settings.checkpoint))
    monotone = (responses["monotone"] >= MONOTONE).astype(float).where(responses["monotone"].notna())
    responses = responses.assign(monotone=monotone).set_index(_RUN)
    values = responses.loc[responses["direction"] == "hospital", "monotone"]
    controls = responses.loc[responses["direction"] == settings.control, "monotone"].groupby(_RUN)
    hits, totals = controls.sum().reindex(values.index), controls.count().reindex(values.index)
    known = totals > 0
    chance = pd.Series(np.nan, index=values.index)
    if known.any():
        chance[known] = null_rates(hits[known], totals[known])
    words = f"|Spearman(alpha, accuracy)| >= {MONOTONE} from {in_words('steering', 'accuracy', wide)}"
    return Measured(_by_run(pd.DataFrame({"value": values, "chance": chance})), words)


_MEASURES: dict[type, Callable[[Any, Tables], Measured]] = {
    Value: _value,
    Curve: _curve,
    BeatsControls: _beats_controls,
    MonotoneSteering: _monotone_steering,
}


def tables_needed(measures: Iterable[Any]) -> list[str]:
    """The tables that these measures are taken from, each once."""
    return list(dict.fromkeys(table for settings in measures for table in settings.tables))
