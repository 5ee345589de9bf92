"""Numbers and counts in words, alike in every part of a paper."""

from collections.abc import Iterable

import pandas as pd

from causalgrok.columns import RUN

SIZE = "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"

LISTED_ARMS = 4
"""Arms, at most, that are named one by one."""


def number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits; a dash where there is none."""
    if pd.isna(value):
        return "\N{EN DASH}"
    return f"{value:,.{digits}g}".replace("-", "\N{MINUS SIGN}") if abs(value) < 1000 else f"{value:,.0f}"


def share(value: float) -> str:
    """A fraction with two decimals: two rounded accuracies of .7 and .71 must look alike."""
    return "\N{EN DASH}" if pd.isna(value) else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def span(values: Iterable[float]) -> str:
    """The smallest and the largest of some numbers, or the one they all are."""
    values = pd.Series(list(values), dtype=float).dropna()
    if values.empty:
        return "\N{EN DASH}"
    low, high = number(values.min()), number(values.max())
    return low if low == high else f"{low} to {high}"


def count(amount: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def listed(items: Iterable[str]) -> str:
    """`a, b and c`; a dash for nothing."""
    *others, last = list(items) or ["\N{EN DASH}"]
    return f"{', '.join(others)} and {last}" if others else last


def runs_told(frame: pd.DataFrame) -> str:
    """The runs that the rows of a table are of: arm by arm where these are few, as totals otherwise."""
    runs = frame[list(RUN)].drop_duplicates()
    arms = runs.groupby(["task", "recipe", "n"], sort=False).size()
    if len(arms) <= LISTED_ARMS:
        told = (f"{count(size, 'run')} of {task} / {recipe} ({SIZE}{n})" for (task, recipe, n), size in arms.items())
        return listed(told)
    kinds = [count(runs[column].nunique(), noun) for column, noun in (("task", "task"), ("recipe", "recipe"))]
    return f"{count(len(runs), 'run')} in {len(arms)} arms ({listed(kinds)}, {SIZE}{span(runs['n'])})"
