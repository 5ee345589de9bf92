"""Activation steering: how the network answers when features are pushed along the direction in which hospitals differ.

v is the top eigenvector of the between-hospital covariance of the probe pool's features (hospitals weighted equally,
label means taken out), ``h' = h + alpha sigma v`` with sigma the standard deviation of the pool's projections on v. The
sign of an eigenvector is arbitrary: v points toward the OOD-val hospital's mean, seen from the pool's mean. Where the
cosine with that way is below `UNDEFINED_COSINE` the direction is undefined; its rows stand in the table with their
cosine.

Controls, oriented likewise. `permuted` refits v with hospital permuted by slide and moves along it as far, relative to
v's own step, as its hospitals lie apart relative to the true ones: where the effect is strong, refits find its
direction too and only the distance tells them from it (in units of their own sigma they were told apart in 6 % of
planted cases). `matched` directions are drawn with the features' covariance and moved by their own sigma; `isotropic`
ones, moved as far as v, are shown, never decisive.

At the pooled stage, before a linear head, every h' adds the constant ``alpha sigma (w v)`` to the logits. It moves the
decision threshold and nothing else: AUROC cannot change, nor can accuracy at a threshold recalibrated on id_val, and
accuracy that changes monotonically says that the threshold was off. `bias`, the constant without any direction,
reproduces it. Directions are made from arrays, so that they serve for earlier stages (`stage_steering`) too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS
from causalgrok.interventions.controls import (
    covariance_matched_directions,
    isotropic_directions,
    permuted_domains,
    slide_ids,
    without_label_means,
)
from causalgrok.interventions.features import PROBE, Features
from causalgrok.interventions.margins import score_shifted
from causalgrok.interventions.scoring import double
from causalgrok.interventions.settings import Measurement

UNDEFINED_COSINE = 0.1
"""A direction whose cosine with the way to the OOD-val hospital is below this has no sign to speak of."""


@dataclass(frozen=True)
class Directions:
    """Ways to push features: the hospital direction first, then its controls."""

    names: np.ndarray
    """(m,) hospital, permuted, matched or isotropic."""

    repeats: np.ndarray
    """(m,) index of the draw among those of one name; 0 for hospital."""

    steps: np.ndarray
    """(m, d) what alpha = 1 adds to the features: sigma times the unit vector."""

    cosines: np.ndarray
    """(m,) cosine, never negative, with the way to the OOD-val hospital's mean; NaN where there is no OOD val."""

    def cases(self, alphas: Sequence[float], control_alphas: Sequence[float]) -> tuple[pd.DataFrame, np.ndarray]:
        """What is done to the features: the hospital direction at all alphas, the controls at all control alphas.

        Returns:
            k rows with columns direction, repeat, cosine and alpha; and what each adds to the features (k, d).
        """
        counts = [len(alphas) if name == "hospital" else len(control_alphas) for name in self.names]
        index = np.repeat(np.arange(len(self.names)), counts)
        alpha = np.concatenate([alphas if name == "hospital" else control_alphas for name in self.names])
        columns = {"direction": self.names, "repeat": self.repeats, "cosine": self.cosines}
        cases = pd.DataFrame({name: values[index] for name, values in columns.items()} | {"alpha": alpha})
        return cases, alpha[:, None] * self.steps[index]

    def oriented(self, logits: np.ndarray) -> "Directions":
        """These directions, those without a cosine turned such that they raise the margin.

        Args:
            logits: (m, classes) the change of the mean logits that the steps make; the last minus the first counts.
        """
        turned = np.isnan(self.cosines) & (logits[:, -1] < logits[:, 0])
        return replace(self, steps=np.where(turned[:, None], -self.steps, self.steps))


def hospital_direction(means: np.ndarray) -> np.ndarray:
    """Top eigenvector (..., d) of the covariance between hospitals' mean features (..., hospitals, d), of any sign."""
    return np.linalg.svd(means - means.mean(axis=-2, keepdims=True), full_matrices=False)[2][..., 0, :]


def steering_directions(
    pool: np.ndarray,
    domains: np.ndarray,
    slides: np.ndarray,
    labels: np.ndarray,
    target: np.ndarray | None,
    *,
    permuted: int,
    matched: int,
    isotropic: int,
    seed: int,
) -> Directions:
    """The hospital direction and its controls at one stage.

    The first controls of a name are the same whatever their number.

    Args:
        pool: (n, d) features of the train hospitals.
        domains: (n,) their hospitals.
        slides: (n,) their slides.
        labels: (n,) their labels, whose means are taken out before hospitals are compared: nothing changes for
            hospitals that are balanced by label, but permuted ones are not and would differ by tumour.
        target: (d,) mean features of the OOD-val hospital, toward which directions point; None leaves signs arbitrary
            (see `Directions.oriented`) and cosines missing.
        permuted: number of directions refitted with hospital permuted by slide.
        matched: number of covariance-matched directions.
        isotropic: number of isotropic directions.
        seed: seed of the draws.

    Raises:
        ValueError: there is only one hospital, no label occurs in two of them, or none has a second slide.
    """
    if len(np.unique(domains)) < 2:
        raise ValueError("the probe pool has one hospital; a direction between hospitals takes two")
    if all(len(np.unique(domains[labels == label])) < 2 for label in np.unique(labels)):
        raise ValueError(
            "no label occurs in two hospitals of the probe pool, so hospitals cannot be told from labels; take a pool "
            "in which every hospital has every label"
        )
    pool = pool.astype(np.float64)
    groupings = np.vstack([domains, permuted_domains(domains, slides, permuted, seed=seed)])
    means = _regrouped_means(without_label_means(pool, labels), slide_ids(domains, slides), groupings)
    units = np.vstack(
        [
            hospital_direction(means),
            covariance_matched_directions(pool, matched, seed=seed),
            isotropic_directions(pool.shape[1], isotropic, seed=seed),
        ]
    )
    sigmas = np.std(pool @ units.T, axis=0)
    spreads = np.std(np.einsum("mhd,md->mh", means, units[: len(means)]), axis=1)
    sigmas[: len(means)] = sigmas[0] * spreads / max(spreads[0], np.finfo(float).tiny)
    counts = {"hospital": 1, "permuted": permuted, "matched": matched, "isotropic": isotropic}
    names = np.repeat(list(counts), list(counts.values()))
    sigmas[names == "isotropic"] = sigmas[0]
    if target is None:
        signs, cosines = np.ones(len(units)), np.full(len(units), np.nan)
    else:
        way = target - pool.mean(axis=0)
        along = units @ way
        signs = np.where(along < 0, -1.0, 1.0)
        cosines = np.abs(along) / max(np.linalg.norm(way), np.finfo(float).tiny)
    repeats = np.concatenate([np.arange(count) for count in counts.values()])
    return Directions(names, repeats, (signs * sigmas)[:, None] * units, cosines)


def steer_activations(features: Features, settings: Measurement) -> pd.DataFrame:
    """Steer the pooled features of every checkpoint.

    Without OOD val, directions point to where the margin of the last class over the first rises. Without id_val,
    accuracy at the recalibrated threshold is missing.

    Returns:
        The columns of the table `steering` at stage pooled: directions hospital, permuted (`refits`), matched
        (`directions`), isotropic (`repeats`) and bias, at every alpha, on every split.

    Raises:
        ValueError: the probe pool has only one hospital, no label in two of them, or no hospital with a second slide.
    """
    frames = []
    for epoch in features.epochs:
        head = double(features.head(epoch))
        target = features.at(epoch, "ood_val").mean(axis=0, dtype=np.float64) if "ood_val" in features.splits else None
        directions = steering_directions(
            features.at(epoch, PROBE),
            features.domains(PROBE),
            features.groups(PROBE),
            features.labels(PROBE),
            target,
            permuted=settings.refits,
            matched=settings.directions,
            isotropic=settings.repeats,
            seed=settings.seed,
        )
        directions = directions.oriented(directions.steps @ head.weight.T)
        cases, steps = directions.cases(settings.alphas, settings.alphas)
        shifts = steps @ head.weight.T
        hospital = cases["direction"] == "hospital"
        cases = pd.concat([cases, bias_cases(cases)])
        shifts = np.vstack([shifts, shifts[hospital]])
        logits = {split: head.logits(features.at(epoch, split)) for split in features.splits}
        labels = {split: features.labels(split) for split in features.splits}
        frame = score_shifted(cases, dict.fromkeys(logits, shifts), logits, labels)
        frames.append(frame.assign(epoch=epoch, stage="pooled"))
    return pd.concat(frames, ignore_index=True)[list(COLUMNS["steering"])]


def bias_cases(cases: pd.DataFrame) -> pd.DataFrame:
    """The rows of `Directions.cases` for the logit shifts that the hospital direction makes, without a direction."""
    return cases[cases["direction"] == "hospital"].assign(direction="bias", cosine=np.nan)


def _regrouped_means(features: np.ndarray, slides: np.ndarray, groupings: np.ndarray) -> np.ndarray:
    """Mean features (r, hospitals, d) under r groupings (r, n) of slides (n,) into hospitals, from sums over slides."""
    order = np.argsort(slides, kind="stable")
    first = np.unique(slides[order], return_index=True)[1]
    sums = np.add.reduceat(features[order], first, axis=0)
    hospital = groupings[:, order[first]]
    member = (hospital[:, None] == np.unique(hospital)[:, None]).astype(np.float64)
    sizes = member @ np.diff(np.append(first, len(slides)))
    return member @ sums / sizes[..., None]
