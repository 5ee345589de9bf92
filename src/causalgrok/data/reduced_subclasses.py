"""Training sets that show some subclasses of each class less often than the test split does.

Of all subclasses s are reduced and r are full, equally many in every class. Training has D examples, f times as many of
a reduced subclass as of a full one: ``ceil(f D / (f s + r))`` and ``floor(D / (f s + r))``; f = 1 is no shift, f = 0
leaves the reduced ones out. The test split has equally many of all.

Carvalho, d'Avila Garcez, Lamb, Vital Brazil: Grokking explained (2025), https://arxiv.org/abs/2502.01774
"""

import itertools
import math
from abc import abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field, model_validator

from causalgrok.settings import Integer, Number, Settings

_FARTHEST = 10_000
"""How far from a size that cannot be had one that can be is looked for."""


class Cell(NamedTuple):
    """One subclass and how many examples the splits have of it."""

    label: int
    """Its class."""

    place: int
    """Its place in the class, from 0; the last ones are those that may be reduced."""

    reduced: bool
    """Whether training has fewer of it."""

    train: int
    """Examples in training."""

    test: int
    """Examples in the test split."""


class ReducedSubclasses(Settings):
    """How few of some subclasses training has."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    """What is drawn."""

    reduced_fraction: Annotated[Number, Field(ge=0, le=1)]
    """f: training examples of a reduced subclass for each one of a full subclass."""

    reduced_per_class: Annotated[Integer, Field(ge=1)] | None = None
    """Subclasses of each class that are reduced; empty: half of them."""

    test_examples: Annotated[Integer, Field(ge=1, le=1_000_000)] = 10_000
    """Size of the test split: equally many of every subclass."""

    @model_validator(mode="after")
    def _fits(self) -> "ReducedSubclasses":
        if self.reduced >= self.subclasses_per_class:
            raise ValueError(
                f"reduced_per_class {self.reduced} leaves none of {self.subclasses_per_class} subclasses full"
            )
        if self.test_examples % self.subclasses:
            raise ValueError(
                f"test_examples {self.test_examples} is not a multiple of the {self.subclasses} subclasses"
            )
        return self

    @property
    @abstractmethod
    def subclasses_per_class(self) -> int:
        """Number of subclasses of each class."""

    @property
    def subclasses(self) -> int:
        """Number of subclasses of all classes."""
        return self.classes * self.subclasses_per_class

    @property
    def reduced(self) -> int:
        """Subclasses of each class that are reduced."""
        return self.reduced_per_class or self.subclasses_per_class // 2

    @property
    def all_reduced(self) -> int:
        """s: subclasses of all classes that are reduced; the others are r."""
        return self.classes * self.reduced

    def counts(self, n: int) -> tuple[int, int]:
        """Training examples of a reduced and of a full subclass."""
        # The decimal as written: 0.2 in binary is above a fifth, and `ceil` would see it.
        fraction = Fraction(str(self.reduced_fraction))
        of_full = n / (fraction * self.all_reduced + self.subclasses - self.all_reduced)
        return math.ceil(fraction * of_full), math.floor(of_full)

    def total(self, n: int) -> int:
        """Training examples that these counts come to: n where it can be had, 0 where full subclasses have none."""
        of_reduced, of_full = self.counts(n)
        return (of_reduced * self.all_reduced + of_full * (self.subclasses - self.all_reduced)) * bool(of_full)

    def check_size(self, n: int) -> None:
        """Refuse a number of examples that cannot be had in these proportions.

        Raises:
            ValueError: names n, the counts it would come to and a number that can be had.
        """
        if self.total(n) != n:
            near = (size for k in range(1, _FARTHEST) for size in (n + k, n - k) if self.total(size) == size > 0)
            found = next(near, None)
            advice = f"take n = {found}" if found else "nor is any near it; take a larger reduced_fraction"
            of_reduced, of_full = self.counts(n)
            raise ValueError(
                f"n = {n} is no sum of {of_full} for a full and {of_reduced} for a reduced subclass, of which there "
                f"are {self.subclasses - self.all_reduced} and {self.all_reduced}; {advice}"
            )

    def cells(self, n: int) -> Iterator[Cell]:
        """Every subclass, class by class, with its examples in a training set of n and in the test split.

        Raises:
            ValueError: n cannot be had in these proportions.
        """
        self.check_size(n)
        of_reduced, of_full = self.counts(n)
        for label, place in itertools.product(range(self.classes), range(self.subclasses_per_class)):
            reduced = place >= self.subclasses_per_class - self.reduced
            yield Cell(label, place, reduced, of_reduced if reduced else of_full, self.test_examples // self.subclasses)
