"""Sides of a benchmark, run in turn so that whatever else the machine does falls on all of them; how they compare."""

from collections.abc import Callable

import numpy as np


def in_turn(sides: dict[str, Callable[[], float]], repeats: int) -> dict[str, np.ndarray]:
    """Call every side once a repeat, one after the other, and return what each gave: (repeats,) numbers."""
    values = {name: [] for name in sides}
    for _ in range(repeats):
        for name, run in sides.items():
            values[name].append(run())
    return {name: np.array(given) for name, given in values.items()}


def show(name: str, values: np.ndarray, unit: str = "", *, asked: str = "", format: str = ".1f") -> None:
    """Print a median, its unit, the lowest and the highest value, and what is asked of it.

    Args:
        name: whose values they are.
        values: (repeats,) numbers.
        unit: what they count.
        asked: the target, in words.
        format: how a number is written.
    """
    low, middle, high = (f"{value:{format}}" for value in np.percentile(values, [0, 50, 100]))
    target = f"  asked {asked}" if asked else ""
    print(f"{name:34} {middle:>9} {unit:9} (from {low} to {high}){target}", flush=True)
