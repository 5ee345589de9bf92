"""Classes made of subclasses, some of which training shows less often than the test split does.

A subclass is a code of p bits. Bit i is written in r numbers, drawn from a normal distribution about one of two means
that lie a distance of 1 apart, in a direction that is drawn for it, with the same deviation along every axis; an
example is its p bits side by side. How far two subclasses lie apart is thus the Hamming distance of their codes.

- equidistant: four classes of two subclasses, any two of which differ in two bits: eight of the one-bit codes.
- equivariant: the codes 63, 240, 323 and 396, any two of which differ in six bits, and each one's p neighbours at
  distance 1: four classes of 1 + p subclasses, each of which resembles its class more than any other.

In each class the last subclasses are reduced, as `causalgrok.data.reduced_subclasses` says.

Carvalho, d'Avila Garcez, Lamb, Vital Brazil: Grokking explained (2025), https://arxiv.org/abs/2502.01774
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from causalgrok.data.reduced_subclasses import ReducedSubclasses
from causalgrok.data.splits import Split
from causalgrok.settings import Integer, Number

CLASSES = 4
"""Classes of either kind."""

CENTRES = (63, 240, 323, 396)
"""Code about which each equivariant class lies, as the source gives them."""

_DRAWS = 2**32
"""Above every number of draws of a subclass: row ids are ``code * _DRAWS + draw``."""


class SubclassShiftSettings(ReducedSubclasses):
    """Which subclasses there are, how far they scatter, and how few of some of them training has."""

    holds: ClassVar[str] = "vectors"
    """What an example is."""

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

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Together with a run's seed, the seed of means and examples."""

    @property
    def length(self) -> int:
        """Items of an example: its bits."""
        return self.bits

    @property
    def classes(self) -> int:
        """Number of labels."""
        return CLASSES

    @property
    def subclasses_per_class(self) -> int:
        """Number of subclasses of each class."""
        return 2 if self.hierarchy == "equidistant" else 1 + self.bits


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
    means, codes = _means(settings, seed), class_codes(settings)
    parts = {"train": [], "test": []}
    for cell in settings.cells(n):
        code = codes[cell.label][cell.place]
        # The test split is drawn first, so that it does not depend on how many examples training has.
        drawn = _examples(means, code, cell.test + cell.train, settings, seed)
        split = _split(drawn, code=code, label=cell.label, reduced=cell.reduced)
        parts["test"].append(split[: cell.test])
        parts["train"].append(split[cell.test :])
    return {name: Split.joined(splits) for name, splits in parts.items()}


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
