"""Accuracy curves of runs of a known kind, on which the grokking detector is validated.

Curves are logistic in the logarithm of the step, with the noise that checkpoints have: evaluations that are dense early
(0, 1, 2, 4, ...) and equally spaced later, or log-spaced all along; autocorrelated scatter whose size and memory differ
between runs; now and then a spike of one or two evaluations, as adaptive optimisers at a constant rate produce.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from causalgrok.analysis.detector import Label

Scatter = Literal["ordinary", "strong"]

SCATTERS: dict[Scatter, tuple[float, float]] = {"ordinary": (0.002, 0.012), "strong": (0.02, 0.05)}
"""Range of the standard deviation of test accuracy between checkpoints: of a test split that is like the training data,
and of one that is not, such as an unseen hospital's."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A run whose fate is known."""

    steps: np.ndarray
    """Evaluations (n,)."""

    train: np.ndarray
    """Train accuracy (n,)."""

    test: np.ndarray
    """Test accuracy (n,)."""

    chance: float
    """Accuracy of guessing."""

    label: Label
    """What became of it."""

    memorised: float
    """Step at which train accuracy passes half of its rise; it has converged some steps later."""

    turn: float
    """Step at which test accuracy has made half of its last change; NaN if it rises with train accuracy."""


def synthetic_curve(label: Label, rng: Generator, *, scatter: Scatter = "ordinary") -> Curve:
    """A run of the given kind, its levels, times and noise drawn from ranges that tasks of the field show.

    Plateaus are of two kinds: test accuracy that rises with train accuracy, or creeps up by less than .04 afterwards.
    Runs that semi-grokked rose late by .06 to .09, or by more but only shortly before the end.
    """
    budget = 10 ** rng.uniform(4, 5)
    steps = _evaluations(rng, budget)
    chance = float(rng.choice([1 / 2, 1 / 10, 1 / 97]))
    memorised = budget * 10 ** rng.uniform(-2.6, -1.8)
    start = chance + rng.uniform(0, 0.15)
    room = 1 - start
    train_end, turn = rng.uniform(0.995, 1), np.nan
    noise = rng.uniform(*SCATTERS[scatter])
    if label == "never_memorised":
        train_end = rng.uniform(0.7, 0.93)
        test = start + _rise(steps, memorised, 0.15) * room * rng.uniform(0, 0.7)
    elif label == "grokked":
        turn = memorised * 10 ** rng.uniform(0.9, 1.3)
        test = start + _rise(steps, turn, rng.uniform(0.02, 0.12)) * max(0.25, room * rng.uniform(0.5, 1))
    elif label == "semi_grokked":
        small = rng.random() < 0.5
        turn = budget * rng.uniform(0.12, 0.25) if small else budget * rng.uniform(0.6, 0.7)
        gain = rng.uniform(0.06, 0.09) if small else room * rng.uniform(0.6, 1)
        test = start + _rise(steps, turn, 0.02) * gain
    elif label == "peak_decline":
        turn = memorised * 10 ** rng.uniform(0.3, 0.9)
        top = room * rng.uniform(0.4, 0.7)
        fall = _rise(steps, turn, 0.15) * max(0.06, top * rng.uniform(0.2, 0.6))
        test = start + _rise(steps, memorised / 2, 0.1) * top - fall
    elif label == "plateau":
        test = start + _rise(steps, memorised / 2, 0.12) * room * rng.uniform(0.1, 0.8)
        test = test + _rise(steps, memorised * 10, 0.3) * rng.uniform(0, 0.04)
    else:
        raise ValueError(f"label {label!r} is unknown: expected one of the detector's")
    train = chance + _rise(steps, memorised, 0.05) * (train_end - chance)
    return Curve(
        steps=steps,
        train=np.clip(train + _scatter(rng, len(steps), 0.001), 0, 1),
        test=np.clip(test + _scatter(rng, len(steps), noise), 0, 1),
        chance=chance,
        label=label,
        memorised=memorised,
        turn=turn,
    )


def _evaluations(rng: Generator, budget: float) -> np.ndarray:
    """Steps of the evaluations, of either schedule, within the budget."""
    if rng.random() < 0.5:
        spacing = budget // rng.integers(100, 301)
        dense = 2.0 ** np.arange(np.log2(spacing))
        return np.unique(np.concatenate([[0.0], dense, np.arange(spacing, budget + 1, spacing)]))
    return np.unique(np.concatenate([[0.0], np.geomspace(1, budget, int(rng.integers(150, 251))).round()]))


def _rise(steps: np.ndarray, middle: float, width: float) -> np.ndarray:
    """From 0 to 1, half-way at `middle`; `width` in decades."""
    return 1 / (1 + np.exp(-(np.log10(np.maximum(steps, 0.5)) - np.log10(middle)) / width))


def _scatter(rng: Generator, count: int, size: float) -> np.ndarray:
    """First-order autoregressive noise (count,) of standard deviation `size`, with rare spikes downwards."""
    memory = rng.uniform(0, 0.8)
    shocks = rng.normal(size=count) * size
    noise = np.empty(count)
    noise[0] = shocks[0]
    for step in range(1, count):
        noise[step] = memory * noise[step - 1] + np.sqrt(1 - memory**2) * shocks[step]
    for spike in rng.integers(0, count, rng.poisson(0.5)):
        noise[spike : spike + rng.integers(1, 3)] -= 20 * size
    return noise
