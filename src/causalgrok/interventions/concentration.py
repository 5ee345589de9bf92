"""How concentrated is the shortcut? Four measures of a checkpoint's pooled features, with intervals and a null.

    inlp_area              area under the curve of hospital information left against the rank that INLP removed, from 0
                           to R, divided by R: near 0 where the first directions hold all of it, 1 where removing R
                           dimensions changes nothing
    inlp_half_rank         removed rank at which half of the information is gone, interpolated; R where it never is
    between_participation  (sum l)^2 / sum l^2 of the eigenvalues l of the covariance between hospitals' means: the
                           number of directions along which hospitals differ, 1 to hospitals - 1
    head_angle             smallest principal angle, in degrees, between the span of the hospitals' mean differences
                           and the head's: w_1 - w_0 for two classes, all differences of its rows for more. Raw
                           features. 0 where a direction between hospitals is one that the head reads, 90 where the
                           head does not see hospitals

Information left at a rank is the accuracy of INLP's classifier on the judging slides above the share of their most
frequent hospital, not below 0, relative to rank 0. R is `inlp_iterations` times hospitals - 1, whatever was found.
Labels' means are taken out of the features, and the noise that slides make out of the covariance (`between`): else wide
networks and noisy slides would look as if hospitals differed in many directions, at a right angle to the head. So
runs can be compared, of different width too: all four have no unit, do not change when features are multiplied (the
last two, nor when they are rotated), and come from the same patches and the same R.

Intervals: 95 % of bootstrap draws of slides within every hospital. For INLP the judging slides are drawn and the
classifiers stay as they are: the interval says how well the curve of these classifiers is known, not how they vary with
the fitting slides. The other two are computed anew from draws of the whole pool; a draw holds the noise of slides
twice, its own and the pool's, and both are taken out.

A measure is missing where, in more than one draw in forty, hospitals cannot be told apart at all (the classifier at
rank 0 not above chance; no more variance between hospitals than slides make): what is not there is not concentrated.
The null is the median under hospital permuted by slide; there INLP's measures are mostly missing, for this reason.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS
from causalgrok.interventions.between import (
    between_gram,
    draw_slides,
    participation_ratio,
    smallest_angle,
    without_noise,
)
from causalgrok.interventions.controls import generator
from causalgrok.interventions.erasers import orthonormal_basis
from causalgrok.interventions.estimates import (
    Estimates,
    Patches,
    balancing_weights,
    labelless_slides,
    permuted_hospitals,
)
from causalgrok.interventions.features import Features
from causalgrok.interventions.inlp import fit_inlp
from causalgrok.interventions.logistic import LogisticProbe
from causalgrok.interventions.settings import Measurement

_REFITS = 5
"""Permuted hospitals under which INLP is run, at most: each may cost as much as the measure itself."""

_QUANTILES = (0.025, 0.975)


def measure_concentration(features: Features, estimates: Estimates) -> pd.DataFrame:
    """Measure how concentrated the hospital is at a checkpoint.

    Returns:
        The columns of the table `concentration`: a row for every measure.

    Raises:
        ValueError: hospitals cannot be permuted by slide.
    """
    settings, epoch = estimates.settings, estimates.epoch
    measured = _from_inlp(estimates, settings) | _from_means(estimates, features.head(epoch).weight, settings)
    rows = [(epoch, measure, *numbers) for measure, numbers in measured.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS["concentration"]))


def inlp_measures(information: np.ndarray, ranks: np.ndarray, full: int) -> tuple[np.ndarray, np.ndarray]:
    """Area (...) under the curve of information left, and rank (...) at which half of it is gone.

    Args:
        information: (..., m) information left, in any unit; negative is none.
        ranks: (m,) dimensions removed, ascending from 0.
        full: R, where the curve ends; it goes on from its last value.

    Returns:
        Area and half rank; NaN where there is no information at rank 0.
    """
    intact = information[..., :1]
    missing = np.full(information.shape, np.nan)
    relative = np.divide(np.clip(information, 0, None), intact, out=missing, where=intact > 0)
    if ranks[-1] < full:
        ranks, relative = np.append(ranks, full), np.concatenate([relative, relative[..., -1:]], axis=-1)
    area = np.trapezoid(relative, ranks, axis=-1) / full
    below = relative <= 0.5
    # The first rank with one half or less, and the rank before it: the curve crosses one half between them.
    after = np.maximum(np.argmax(below, axis=-1), 1)
    low, high = (np.take_along_axis(relative, index[..., None], axis=-1)[..., 0] for index in (after, after - 1))
    way = np.divide(high - 0.5, high - low, out=np.zeros_like(area), where=high > low)
    half = np.where(below.any(axis=-1), ranks[after - 1] + way * (ranks[after] - ranks[after - 1]), float(full))
    return area, np.where(np.isnan(area), np.nan, half)


def _from_inlp(estimates: Estimates, settings: Measurement) -> dict[str, tuple[float, ...]]:
    """Value, low, high and null of INLP's measures."""
    inlp, judging = estimates.inlp, estimates.judging
    full = settings.inlp_iterations * (len(estimates.probe.classes) - 1)
    counts = _counts(judging, settings)
    known = _above_chance(estimates.probe, judging, counts)
    measured = inlp_measures(_information(inlp.probes, judging, counts), inlp.ranks, full)
    nulls = _permuted_inlp(estimates, settings, full) if known else np.full((2, 1), np.nan)
    names = ("inlp_area", "inlp_half_rank")
    return {name: _summary(values, null, known) for name, values, null in zip(names, measured, nulls, strict=True)}


def _counts(patches: Patches, settings: Measurement) -> np.ndarray:
    """How often slides count (1 + draws, slides): once as they are, then as drawn."""
    hospitals = patches.hospitals[np.unique(patches.slides, return_index=True)[1]]
    drawn = draw_slides(hospitals, settings.bootstraps, generator(settings.seed, "bootstrap"))
    return np.vstack([np.ones(len(hospitals)), drawn])


def _information(probes: tuple[LogisticProbe, ...], judging: Patches, counts: np.ndarray) -> np.ndarray:
    """Accuracy above chance (draws, m) of m classifiers when slides count (draws, slides) times."""
    correct = np.column_stack([probe.predict(judging.features) == judging.hospitals for probe in probes])
    hospitals = judging.hospitals[:, None] == np.unique(judging.hospitals)
    member = (np.unique(judging.slides)[:, None] == judging.slides).astype(np.float64)
    sizes = counts @ (member @ hospitals)
    return (counts @ (member @ correct) - sizes.max(axis=1, keepdims=True)) / sizes.sum(axis=1, keepdims=True)


def _above_chance(probe: LogisticProbe, judging: Patches, counts: np.ndarray) -> bool:
    """Whether a classifier is above chance when slides are drawn again, but for one draw in forty."""
    return np.mean(_information((probe,), judging, counts)[1:, 0] > 0) >= _QUANTILES[1]


def _permuted_inlp(estimates: Estimates, settings: Measurement, full: int) -> np.ndarray:
    """INLP's measures (2, draws) under permuted hospitals; NaN where the classifier is not above chance."""
    fitting, judging, refits = estimates.fitting, estimates.judging, min(_REFITS, settings.refits)
    measured = np.full((2, refits), np.nan)
    if len(np.unique(judging.slides)) == len(estimates.probe.classes):
        return measured  # one judging slide a hospital: there is nothing to permute
    fitted = estimates.permuted[:refits]
    judged = permuted_hospitals(judging, refits, seed=settings.seed, purpose="judging refit")
    weights = np.stack([balancing_weights(grouping, fitting.labels) for grouping in fitted])
    design, C, iterations = estimates.design, estimates.probe.C, settings.inlp_iterations
    for index, probe in enumerate(estimates.refitted[:refits]):
        permuted = replace(judging, hospitals=judged[index])
        counts = _counts(permuted, settings)
        if _above_chance(probe, permuted, counts):
            inlp = fit_inlp(design, fitted[index], C=C, iterations=iterations, weights=weights[index], first=probe)
            information = _information(inlp.probes, permuted, counts[:1])[0]
            measured[:, index] = inlp_measures(information, inlp.ranks, full)
    return measured


def _from_means(estimates: Estimates, weight: np.ndarray, settings: Measurement) -> dict[str, tuple[float, ...]]:
    """Value, low, high and null of the measures of hospitals' means."""
    pool, slides = estimates.pool, labelless_slides(estimates.pool, estimates.design)
    counts = _counts(pool, settings)
    own = np.repeat(pool.hospitals[None, slides.first], len(counts), axis=0)
    permuted = permuted_hospitals(pool, settings.refits, seed=settings.seed)[:, slides.first]
    head = orthonormal_basis(weight - weight.mean(axis=0, dtype=np.float64))
    drawn, null = [], []
    for means in (slides.means, slides.means @ head):
        gram = means @ means.T
        products, noise = between_gram(gram, own, slides.sizes, counts)
        noise[1:] += noise[0]
        drawn.append(without_noise(products, noise))
        null.append(without_noise(*between_gram(gram, permuted, slides.sizes, np.ones(permuted.shape))))
    apart = np.mean(np.trace(drawn[0][1:], axis1=-2, axis2=-1) > 0) >= _QUANTILES[1]
    angles = [smallest_angle(*grams) if head.size else np.full(len(grams[0]), np.nan) for grams in (drawn, null)]
    return {
        "between_participation": _summary(participation_ratio(drawn[0]), participation_ratio(null[0]), apart),
        "head_angle": _summary(*angles, apart and head.size > 0),
    }


def _summary(values: np.ndarray, nulls: np.ndarray, known: bool) -> tuple[float, float, float, float]:
    """Value and interval, if known, of a value and its draws (1 + draws,); and the median of the nulls."""
    null = np.nan if np.isnan(nulls).all() else np.nanmedian(nulls)
    return (values[0], *np.nanquantile(values[1:], _QUANTILES), null) if known else (np.nan, np.nan, np.nan, null)
