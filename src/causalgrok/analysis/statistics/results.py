"""What the statistics take and give: samples of runs, the design they form, tests and intervals.

A two-sided p is twice the smaller tail, at most 1 (Fisher's test on counts excepted, which says so itself): each tail
is then tested at half the level, so that a rejection also says in which direction. The other definition, the share of
labelings with ``|T| >= |T observed|``, is the same where the arms are equal or paired, because the null distribution is
then symmetric; with unequal arms it may put the whole level into one tail, and reaches half of the smallest p.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Alternative = Literal["two-sided", "greater", "less"]
"""``greater`` asks whether arm a lies above arm b."""


@dataclass(frozen=True)
class Design:
    """How many runs are compared with how many."""

    a: int
    """Runs of arm a; the pairs, if paired."""

    b: int
    """Runs of arm b."""

    paired: bool = False
    """Whether run i of both arms shares seed, subset, initialisation and order."""

    @property
    def runs(self) -> int:
        """Runs of both arms, or pairs: what a labeling is drawn over."""
        return self.a if self.paired else self.a + self.b

    @property
    def labelings(self) -> int:
        """Ways to hand out the arms: 2^pairs signs, or (a + b choose a)."""
        return 2**self.a if self.paired else math.comb(self.a + self.b, self.a)

    def smallest_p(self, alternative: Alternative = "two-sided") -> float:
        """The smallest p that a permutation test of this design can reach, whatever the data."""
        return min(1.0, sides(alternative) / self.labelings)

    def __str__(self) -> str:
        return f"{self.a} pairs" if self.paired else f"{self.a} vs {self.b}"


@dataclass(frozen=True, kw_only=True)
class Significance:
    """A test, its p, and the smallest p that its design could have reached."""

    test: str
    """Name of the test."""

    design: str
    """The runs it compared, such as ``5 vs 3`` or ``10 pairs``."""

    n: int
    """Runs of all arms, or pairs."""

    alternative: Alternative
    """Direction it was asked for."""

    estimate: float
    """The statistic in the units of the data; each test says which."""

    p: float
    """The p-value."""

    smallest_p: float
    """The smallest p that this design can give: above alpha, no data could have been significant."""

    exact: bool
    """Whether p is exact, rather than drawn or asymptotic."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its confidence interval."""

    estimate: float
    """The point estimate."""

    low: float
    """Lower end; NaN where the data cannot give one."""

    high: float
    """Upper end."""

    level: float
    """Coverage that the method aims at."""

    method: str
    """How it was made: ``t``, ``welch``, ``bca``, ``percentile``, ``point`` (no spread to go by) or ``none``."""


def sides(alternative: Alternative) -> int:
    """How many tails an alternative looks at.

    Raises:
        ValueError: it is not one of the three.
    """
    if alternative not in ("two-sided", "greater", "less"):
        raise ValueError(f"alternative {alternative!r} is unknown: expected two-sided, greater or less")
    return 2 if alternative == "two-sided" else 1


def tail(greater: float, less: float, alternative: Alternative) -> float:
    """The p of an alternative, from the null probabilities of a statistic at or above and at or below the observed."""
    doubled = min(1.0, 2 * min(greater, less))
    return {"greater": greater, "less": less, "two-sided": doubled}[alternative]


def sample(values: ArrayLike, name: str, *, minimum: int = 1) -> np.ndarray:
    """Values (n,) as float64, of which there are enough and all are finite.

    Raises:
        ValueError: fewer than `minimum` values, more than one dimension, or a value that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}: expected one value a run, (n,)")
    if len(array) < minimum:
        raise ValueError(f"{name} has {len(array)} values: expected at least {minimum}")
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise ValueError(
            f"{name}: value {bad[0]} of {len(array)} is {array[bad[0]]}: expected finite numbers; leave out runs "
            "without a value, or treat them as censored"
        )
    return array


def arms(a: ArrayLike, b: ArrayLike, *, paired: bool, minimum: int = 1) -> tuple[np.ndarray, np.ndarray, Design]:
    """Two samples and the design that they form.

    Raises:
        ValueError: an arm is refused by `sample`, or paired arms differ in length.
    """
    a, b = sample(a, "arm a", minimum=minimum), sample(b, "arm b", minimum=minimum)
    if paired and len(a) != len(b):
        raise ValueError(f"paired arms have {len(a)} and {len(b)} values: expected one of each a seed, in one order")
    return a, b, Design(len(a), len(b), paired)


def share(value: float, name: str) -> float:
    """A level, size or power strictly between 0 and 1.

    Raises:
        ValueError: it is not.
    """
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}: expected a number between 0 and 1, both excluded")
    return value


def of_equal_length(named: dict[str, Sequence]) -> None:
    """Refuse columns that differ in length.

    Raises:
        ValueError: they do.
    """
    lengths = {name: len(values) for name, values in named.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"lengths differ: {lengths}: expected one entry a run in each")
