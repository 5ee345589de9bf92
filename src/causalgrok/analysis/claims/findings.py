"""What tests of claims share: the runs they compare, and the shape of what they find."""

from dataclasses import dataclass

import pandas as pd

from causalgrok.analysis.claims.test_entries import RunFilter

LEVEL = 0.95
"""Coverage of intervals."""

_CELL = ("task", "recipe", "n")


class NotRun(ValueError):
    """The study has no runs that could decide the claim; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a test found."""

    design: str
    """What was compared, such as ``5 seeds``, ``3 pairs`` or ``5 vs 3 seeds``."""

    runs: pd.DataFrame
    """The runs that went in: the columns of `RUN` and `value`."""

    units: str
    """What the estimate is, in words."""

    estimate: float
    """The estimate, in the units of the measure."""

    low: float
    """Lower end of its interval; NaN where the data cannot give one."""

    high: float
    """Upper end."""

    level: float
    """Coverage that the interval aims at."""

    threshold: float
    """The value that the claim is about: for counts the chance."""

    p: float
    """Chance of data at least as far on this side if the truth were at the claim's bound."""

    smallest_p: float
    """The smallest p that this design can give."""

    claimed: bool
    """Whether the estimate lies where the claim says."""


def kept(values: pd.DataFrame, runs: RunFilter) -> pd.DataFrame:
    """The runs, with the columns of `RUN`, that a filter keeps."""
    for column in ("task", "recipe"):
        if (names := getattr(runs, column)) is not None:
            values = values[values[column].isin(names)]
    if runs.n == "largest":
        return values[values["n"] == values["n"].max()]
    return values if runs.n is None else values[values["n"].isin(runs.n)]


def in_words(runs: RunFilter) -> str:
    """A filter as conditions for pandas' `query`, except for the largest n; empty if it keeps all."""
    conditions = []
    for column, values in runs.model_dump(exclude_none=True).items():
        if values == "largest":
            conditions.append("n the largest")
        else:
            conditions.append(f"{column} == {values[0]!r}" if len(values) == 1 else f"{column} in {values!r}")
    return " and ".join(conditions)


def arms(values: pd.DataFrame, of: RunFilter, against: RunFilter) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two sets of runs, each run with a counterpart of the same task, recipe and n, unless these are what is compared.

    Raises:
        NotRun: one of them is empty, or they have nothing in common.
    """
    chosen = kept(values, of), kept(values, against)
    for arm, runs in zip(chosen, (of, against), strict=True):
        if arm.empty:
            raise NotRun(f"no run has a value where {in_words(runs) or 'anything'}")
    compared = set(of.model_dump(exclude_none=True)) | set(against.model_dump(exclude_none=True))
    cell = [column for column in _CELL if column not in compared]
    if not cell:
        return chosen
    cells = [pd.MultiIndex.from_frame(arm[cell]) for arm in chosen]
    first, second = chosen[0][cells[0].isin(cells[1])], chosen[1][cells[1].isin(cells[0])]
    if first.empty:
        raise NotRun(f"the two sets of runs have no {' and '.join(cell)} in common")
    return first, second


def number(count: int, thing: str) -> str:
    """``3 seeds``, ``1 seed``."""
    return f"{count} {thing}{'' if count == 1 else 's'}"
