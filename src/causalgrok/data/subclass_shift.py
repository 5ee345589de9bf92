"""Classes made of subclasses, some of which training shows less often than the test split does.

A subclass is a code of p bits. Bit i is written in r numbers, drawn from a normal distribution about one of two means
that lie a distance of 1 apart, in a direction that is drawn for it, with the same deviation along every axis; an
example is its p bits side by side. How far two subclasses lie apart is thus the Hamming distance of their codes.

- equidistant: four classes of two subclasses, any two of which differ in two bits: one-bit codes, the largest such set.
- equivariant: the codes 63, 240, 323 and 396, any two of which differ in six bits, and each one's p neighbours at
  distance 1: four classes of 1 + p subclasses, each of which resembles its class more than any other.

In each class some subclasses are reduced. Training has D examples, f times as many of a reduced subclass as of a full
one: with s reduced and r full subclasses ``ceil(f D / (f s + r))`` and ``floor(D / (f s + r))``; f = 1 is no shift, f =
0 leaves the reduced ones out. The test split has equally many of all.

Carvalho, d'Avila Garcez, Lamb, Vital Brazil: Grokking explained (2025), https://arxiv.org/abs/2502.01774
"""

import itertools
import math
from fractions import Fraction
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from causalgrok.data.splits import Split
from causalgrok.settings import Integer, Number, Settings

CLASSES = 4
"""Classes of either kind."""

CENTRES = (63, 240, 323, 396)
"""Code about which each equivariant class lies, as the source gives them."""

_DRAWS = 2**32
"""Above every number of draws of a subclass: row ids are ``code * _DRAWS + draw``."""


class SubclassShiftSettings(Settings):
    """Which subclasses there are, how far they scatter, and how few of some of them training has."""

    holds: ClassVar[str] = "vectors"
    """What an example is."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    """What is drawn."""

    kind: Literal["subclass_shift"]
    """Classes with subclasses, generated."""

    hierarchy: Literal["equidistant", "equivariant"]
    """How subclasses lie: all equally far apart, or each near the others of its class."""

    bits: Annotated[Integer, Field(ge=9, le=16)] = 9
    """p: bits of a code."""

    features: Annotated[Integer, Field(ge=1, le=1000)] = 13
    """r: numbers that a bit is written in."""

    noise: Annotated[Number, Field(gt=0)]
    """Deviation of each of these numbers from its mean; the two means of a bit lie 1 apart."""

    reduced_fraction: Annotated[Number, Field(ge=0, le=1)]
    """f: training examples of a reduced subclass for each one of a full subclass."""

    reduced_per_class: Annotated[Integer, Field(ge=1)] | None = None
    """Subclasses of each class that are reduced; empty: half of them."""

    test_examples: Annotated[Integer, Field(ge=1, le=1_000_000)] = 10_000
    """Size of the test split: equally many of every subclass."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Together with a run's seed, the seed of means and examples."""

    @model_validator(mode="after")
    def _fits(self) -> "SubclassShiftSettings":
        of_class = self.subclasses // CLASSES
        if self.reduced >= of_class:
            raise ValueError(f"reduced_per_class {self.reduced} leaves none of {of_class} subclasses full")
        if self.test_examples % self.subclasses:
            raise ValueError(
                f"test_examples {self.test_examples} is not a multiple of the {self.subclasses} subclasses"
            )
        return self

    @property
    def length(self) -> int:
        """Items of an example: its bits."""
        return self.bits

    @property
    def classes(self) -> int:
        """Number of labels."""
        return CLASSES

    @property
    def subclasses(self) -> int:
        """Number of subclasses of all classes."""
        return CLASSES * (2 if self.hierarchy == "equidistant" else 1 + self.bits)

    @property
    def reduced(self) -> int:
        """Subclasses of each class that are reduced."""
        return self.reduced_per_class or self.subclasses // CLASSES // 2

    @property
    def all_reduced(self) -> int:
        """s: subclasses of all classes that are reduced; the others are r."""
        return CLASSES * self.reduced

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
            near = next(size for k in itertools.count(1) for size in (n + k, n - k) if self.total(size) == size > 0)
            of_reduced, of_full = self.counts(n)
            raise ValueError(
                f"n = {n} is no sum of {of_full} for a full and {of_reduced} for a reduced subclass, of which there "
                f"are {self.subclasses - self.all_reduced} and {self.all_reduced}; take n = {near}"
            )


SETTINGS = SubclassShiftSettings
"""What `draw` takes; see `causalgrok.data.registry`."""


def draw(settings: SubclassShiftSettings, *, n: int, seed: int) -> dict[str, Split]:
    """The splits `train`, n examples, and `test` of one seed.

    Inputs are (n, bits, features) float32, groups the codes of the subclasses, domains 1 where the subclass is reduced
    and 0 elsewhere, rows the code and the number of the draw. Means and test split of a seed are the same for every f
    and n, and the examples of a smaller training set lie inside a larger one.

    Raises:
        ValueError: n cannot be had in these proportions.
    """
    settings.check_size(n)
    means = _means(settings, seed)
    of_reduced, of_full = settings.counts(n)
    of_test = settings.test_examples // settings.subclasses
    parts = {"train": [], "test": []}
    for label, codes in enumerate(class_codes(settings)):
        for place, code in enumerate(codes):
            reduced = place >= len(codes) - settings.reduced
            # The test split is drawn first, so that it does not depend on how many examples training has.
            drawn = _examples(means, code, of_test + (of_reduced if reduced else of_full), settings, seed)
            split = _split(drawn, code=code, label=label, reduced=reduced)
            parts["test"].append(split[:of_test])
            parts["train"].append(split[of_test:])
    return {name: _joined(splits) for name, splits in parts.items()}


def class_codes(settings: SubclassShiftSettings) -> list[list[int]]:
    """The codes of each class's subclasses; the last ones are those that may be reduced."""
    if settings.hierarchy == "equidistant":
        return [[1 << 2 * label, 2 << 2 * label] for label in range(CLASSES)]
    return [[centre, *(centre ^ (1 << bit) for bit in range(settings.bits))] for centre in CENTRES]


def _means(settings: SubclassShiftSettings, seed: int) -> np.ndarray:
    """Means (bits, 2, features) of each bit's two values, about the origin and 1 apart."""
    directions = np.random.default_rng([settings.seed, seed]).normal(size=(settings.bits, settings.features))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.stack([-directions, directions], axis=1) / 2


def _examples(means: np.ndarray, code: int, count: int, settings: SubclassShiftSettings, seed: int) -> np.ndarray:
    """Examples (count, bits, features) of a subclass; the first ones of many are those of few."""
    bits = code >> np.arange(settings.bits) & 1
    noise = np.random.default_rng([settings.seed, seed, code]).normal(size=(count, *means.shape[::2]))
    return means[np.arange(settings.bits), bits] + settings.noise * noise


def _split(examples: np.ndarray, *, code: int, label: int, reduced: bool) -> Split:
    count = len(examples)
    return Split(
        inputs=examples.astype(np.float32),
        labels=np.full(count, label),
        domains=np.full(count, int(reduced)),
        groups=np.full(count, code),
        rows=code * _DRAWS + np.arange(count),
    )


def _joined(splits: list[Split]) -> Split:
    fields = ("inputs", "labels", "domains", "groups", "rows")
    return Split(*(np.concatenate([getattr(split, field) for split in splits]) for field in fields))
