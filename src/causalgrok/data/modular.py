"""Modular arithmetic: all pairs (a, b) of numbers mod p, labelled a o b mod p, some of them shown in training.

A seed shuffles the pairs. The first `train_fraction` of them are its training pool, of which a subset of n is the
first n, so that smaller subsets lie inside larger ones; the rest is its test split. Test accuracy is thus asked on the
same pairs whatever n, and never on a pair that a run of the seed has been trained on.

Power, Burda, Edwards, Babuschkin, Misra: Grokking (2022), https://arxiv.org/abs/2201.02177
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from causalgrok.data.splits import Split
from causalgrok.settings import Integer, Number, Settings


class ModularSettings(Settings):
    """Which operation, modulo what, and how many of its pairs may be shown in training."""

    holds: ClassVar[str] = "tokens"
    """What an example is."""

    length: ClassVar[int] = 2
    """Tokens of an example, a and b."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    """What is drawn."""

    kind: Literal["modular"]
    """Modular arithmetic, generated."""

    operation: Literal["addition", "subtraction", "multiplication", "division"] = "addition"
    """What a and b are put together by; division leaves b = 0 out."""

    modulus: Annotated[Integer, Field(ge=3, le=1000)]
    """p: there are p * p pairs, p * (p - 1) for division; 113 in Nanda et al. (2023), 97 in Power et al. (2022)."""

    train_fraction: Annotated[Number, Field(gt=0, lt=1)]
    """Share of the pairs that training may see, n of them at most; the rest is the test split."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Together with a run's seed, the seed of the shuffle."""

    @model_validator(mode="after")
    def _fits(self) -> "ModularSettings":
        if self.operation == "division" and not _prime(self.modulus):
            raise ValueError(
                f"modulus {self.modulus} is not prime: not every number has an inverse to divide by; take a prime"
            )
        if not 0 < self.pool < self.pairs:
            raise ValueError(
                f"train_fraction {self.train_fraction} of {self.pairs} pairs leaves training or test none; take another"
            )
        return self

    @property
    def pairs(self) -> int:
        """Number of pairs there are."""
        return self.modulus * (self.modulus - (self.operation == "division"))

    @property
    def pool(self) -> int:
        """Number of pairs that training may see."""
        return int(self.train_fraction * self.pairs + 1e-9)

    @property
    def classes(self) -> int:
        """Number of labels."""
        return self.modulus

    @property
    def tokens(self) -> int:
        """Number of different tokens."""
        return self.modulus

    def check_size(self, n: int) -> None:
        """Refuse a subset that the pool cannot give.

        Raises:
            ValueError: names n and what there is.
        """
        if n > self.pool:
            raise ValueError(
                f"n = {n} is above the {self.pool} training pairs that train_fraction {self.train_fraction} of "
                f"{self.pairs} leaves; take a smaller n or a larger train_fraction"
            )


SETTINGS = ModularSettings
"""What `draw` takes; see `causalgrok.data.registry`."""


def draw(settings: ModularSettings, *, n: int, seed: int) -> dict[str, Split]:
    """The splits `train`, n pairs in the order of the shuffle, and `test` of one seed.

    Inputs are (n, 2) int64 tokens a and b, rows ``a * p + b``, groups the rows, domains 0.

    Raises:
        ValueError: the pool has fewer than n pairs.
    """
    settings.check_size(n)
    shuffled = np.random.default_rng([settings.seed, seed]).permutation(settings.pairs)
    pairs = _pairs(settings)[shuffled]
    return {"train": _split(settings, pairs[:n]), "test": _split(settings, pairs[settings.pool :])}


def _pairs(settings: ModularSettings) -> np.ndarray:
    """All pairs (pairs, 2), in order."""
    lowest = int(settings.operation == "division")
    numbers = np.arange(settings.modulus)
    return np.stack(np.meshgrid(numbers, numbers[lowest:], indexing="ij"), axis=-1).reshape(-1, 2)


def _split(settings: ModularSettings, pairs: np.ndarray) -> Split:
    a, b = pairs.T
    rows = a * settings.modulus + b
    return Split(
        inputs=pairs,
        labels=_answers(settings, a, b),
        domains=np.zeros_like(rows),
        groups=rows,
        rows=rows,
    )


def _answers(settings: ModularSettings, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    p = settings.modulus
    if settings.operation == "division":
        inverses = np.array([0, *(pow(number, -1, p) for number in range(1, p))])
        return a * inverses[b] % p
    results = {"addition": a + b, "subtraction": a - b, "multiplication": a * b}
    return results[settings.operation] % p


def _prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
