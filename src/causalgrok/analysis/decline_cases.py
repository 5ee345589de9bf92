"""Runs that do not decline, for every measure of decline: what their false-positive rates are counted on.

A run's accuracies at two held-out hospitals stay at one level each. Checkpoints scatter about it, two hospitals'
together: the correlation between hospitals is what makes selecting on one of them an oracle's choice for the other.
Neighbouring checkpoints resemble each other a little. Ten seeds are tested by exact sign flips of their declines.

An epoch that the other seeds select is no oracle's choice for a run: its decline is 0 on average. But ten runs of which
each selects for the nine others are not independent, and a test that takes them to be rejects too often. Where seeds
that select are not tested, it keeps its level.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.random import Generator

from causalgrok.analysis.dynamics import best_epoch, early_and_late
from causalgrok.analysis.statistics.null_cases import ALPHA, NullCase
from causalgrok.analysis.statistics.permutation import attainable_size, permutation_test
from causalgrok.analysis.statistics.results import Design

SEEDS = 10
SELECTING = 3
"""Seeds that select and are not tested, where they are set apart."""

EVALUATIONS = 40
SCATTER = 0.03
"""Standard deviation of accuracy between checkpoints: that of an unseen hospital."""

AUTOCORRELATION = 0.3
CORRELATIONS = (0.0, 0.5, 0.9)


def decline_cases() -> list[NullCase]:
    """Two measures that promise their level, and three that do not."""
    measures = {
        "decline, selection-free": (selection_free, "met"),
        "decline, epoch of seeds set apart": (of_seeds_apart, "met"),
        "decline, epoch of other seeds": (across_seeds, "broken"),
        "decline, epoch of the other hospital": (own_selection, "broken"),
        "decline, peak minus end": (from_peak, "broken"),
    }
    return [
        NullCase(
            test=test,
            design=f"{_tested(measure)} seeds",
            condition=f"hospitals correlate by {correlation:g}",
            rejects=lambda rng, measure=measure, correlation=correlation: _rejects(measure(*draw(rng, correlation))),
            size=attainable_size(Design(_tested(measure), _tested(measure), True), ALPHA),
            assumption=assumption,
            cost=10,
        )
        for test, (measure, assumption) in measures.items()
        for correlation in CORRELATIONS
    ]


def draw(rng: Generator, correlation: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracy by epoch (rows) of every seed (columns) at the judged and at the other held-out hospital."""
    from scipy.signal import lfilter

    shared, *own = rng.standard_normal((3, EVALUATIONS + 50, SEEDS))
    level = 0.7 + 0.03 * rng.standard_normal((2, SEEDS))
    noise = [np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * one for one in own]
    noise = [lfilter([np.sqrt(1 - AUTOCORRELATION**2)], [1, -AUTOCORRELATION], one, axis=0)[50:] for one in noise]
    epochs = pd.Index(np.arange(1, EVALUATIONS + 1), name="epoch")
    test, other = (pd.DataFrame(at + SCATTER * one, index=epochs) for at, one in zip(level, noise, strict=True))
    return test, other


def selection_free(test: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Mean of the first quarter minus mean of the last."""
    early, late = early_and_late(test, memorised=0)
    return (early - late).to_numpy()


def across_seeds(test: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Accuracy at the epoch that the other seeds select at the other hospital, minus the last."""
    chosen = [best_epoch([other[seed] for seed in test if seed != own], test.index.to_numpy())[0] for own in test]
    return np.array([test.loc[epoch, own] for epoch, own in zip(chosen, test, strict=True)]) - test.iloc[-1].to_numpy()


def of_seeds_apart(test: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Accuracy at the epoch that the first seeds select at the other hospital, minus the last, of the rest."""
    epoch = best_epoch([other[seed] for seed in range(SELECTING)], test.index.to_numpy())[0]
    return (test.loc[epoch] - test.iloc[-1]).to_numpy()[SELECTING:]


def own_selection(test: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Accuracy at the epoch that the run itself selects at the other hospital, minus the last."""
    return np.array([test.loc[other[own].idxmax(), own] for own in test]) - test.iloc[-1].to_numpy()


def from_peak(test: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """The highest accuracy minus the last."""
    return (test.max() - test.iloc[-1]).to_numpy()


def _rejects(declines: np.ndarray) -> bool:
    return permutation_test(declines, np.zeros(len(declines)), paired=True).p <= ALPHA


def _tested(measure: Callable) -> int:
    """Number of seeds that are tested."""
    return SEEDS - SELECTING if measure is of_seeds_apart else SEEDS
