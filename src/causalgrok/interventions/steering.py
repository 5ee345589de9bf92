"""Activation steering: how the network answers when features are pushed along the direction in which hospitals differ.

v is the top eigenvector of the between-hospital covariance of the probe pool's features (hospitals weighted equally),
``h' = h + alpha sigma v`` with sigma the standard deviation of the pool's projections on v. The sign of an eigenvector
is arbitrary: v points toward the OOD-val hospital's mean, seen from the mean of the train hospitals. Where the cosine
with that way is below `UNDEFINED_COSINE` the direction is undefined; its rows stand in the table with their cosine.
Control: isotropic random directions, oriented likewise and moved by the same length alpha sigma.

At the pooled stage, before a linear head, every h' adds the constant ``alpha sigma (w v)`` to the logits. It moves the
decision threshold and nothing else: AUROC cannot change, and accuracy that changes monotonically says that the
threshold was off. Directions are made from arrays, so that they serve for earlier stages too.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS
from causalgrok.interventions.controls import random_directions
from causalgrok.interventions.features import PROBE, Features
from causalgrok.interventions.scoring import double, score_shifts
from causalgrok.interventions.settings import Measurement

UNDEFINED_COSINE = 0.1
"""A direction whose cosine with the way to the OOD-val hospital is below this has no sign to speak of."""


@dataclass(frozen=True)
class Direction:
    """A way to push features."""

    name: str
    """hospital or random."""

    repeat: int
    """Index of the random draw; 0 for hospital."""

    step: np.ndarray
    """(d,) what alpha = 1 adds to the features: sigma times the unit vector."""

    cosine: float
    """Cosine, never negative, with the way to the OOD-val hospital's mean."""


def domain_means(features: np.ndarray, domains: np.ndarray) -> np.ndarray:
    """Mean features (hospitals, d) of features (n, d) by hospital (n,), hospitals ascending."""
    return np.stack([features[domains == domain].mean(axis=0) for domain in np.unique(domains)])


def hospital_direction(means: np.ndarray) -> np.ndarray:
    """Top eigenvector (d,) of the covariance between hospitals' mean features (hospitals, d); its sign is arbitrary."""
    return np.linalg.svd(means - means.mean(axis=0), full_matrices=False)[2][0]


def steering_directions(
    pool: np.ndarray, domains: np.ndarray, target: np.ndarray, *, repeats: int, seed: int
) -> list[Direction]:
    """The hospital direction and its random controls.

    Args:
        pool: (n, d) features of the train hospitals.
        domains: (n,) their hospitals.
        target: (d,) mean features of the OOD-val hospital, toward which directions point.
        repeats: number of random directions.
        seed: seed of the random directions.

    Raises:
        ValueError: there is only one hospital.
    """
    pool = pool.astype(np.float64)
    means = domain_means(pool, domains)
    if len(means) < 2:
        raise ValueError("the probe pool has one hospital; a direction between hospitals takes two")
    way = target - means.mean(axis=0)
    vector = hospital_direction(means)
    sigma = np.std(pool @ vector)
    units = np.vstack([vector, random_directions(len(vector), repeats, seed=seed)])
    along = units @ way
    signs = np.where(along < 0, -1.0, 1.0)
    cosines = np.abs(along) / max(np.linalg.norm(way), np.finfo(float).tiny)
    names = [("hospital", 0), *(("random", repeat) for repeat in range(repeats))]
    return [
        Direction(name, repeat, sigma * sign * unit, float(cosine))
        for (name, repeat), sign, unit, cosine in zip(names, signs, units, cosines, strict=True)
    ]


def steer_activations(features: Features, settings: Measurement) -> pd.DataFrame:
    """Steer the pooled features of every checkpoint.

    Returns:
        The columns of the table `steering` at stage pooled: directions hospital and random, the settings' alphas and
        repeats, all splits.

    Raises:
        ValueError: the probe pool has only one hospital.
    """
    frames = []
    for epoch in features.epochs:
        target = features.at(epoch, "ood_val").mean(axis=0, dtype=np.float64)
        directions = steering_directions(
            features.at(epoch, PROBE), features.domains(PROBE), target, repeats=settings.repeats, seed=settings.seed
        )
        cases = pd.DataFrame(
            [(one.name, one.repeat, one.cosine, alpha) for one in directions for alpha in settings.alphas],
            columns=["direction", "repeat", "cosine", "alpha"],
        )
        pushes = np.stack([one.step for one in directions]) @ double(features.head(epoch)).weight.T
        shifts = np.multiply.outer(settings.alphas, pushes).swapaxes(0, 1).reshape(len(cases), -1)
        frames.append(score_shifts(features, epoch, cases.assign(stage="pooled"), shifts))
    return pd.concat(frames, ignore_index=True)[list(COLUMNS["steering"])]
