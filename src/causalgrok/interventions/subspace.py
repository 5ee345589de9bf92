"""Hospital-subspace ablation: what the network loses with the directions along which hospitals differ.

A subspace is estimated on the fitting slides of the probe pool, a fraction s of the features' projection on it is taken
out (`erasers`), and the network's own head classifies the rest. Five ways, and controls that decide (`estimates`):

    logistic         the rows of a multinomial logistic regression for hospital (the source's)
    mean_difference  the differences of the hospitals' mean features
    leace            LEACE, the least change after which hospital and features are uncorrelated
    inlp             logistic regressions fitted and taken out in turn: ranks beyond hospitals - 1
    shrunken_mean    mean differences, each taken out by the fraction that is more than the noise of slides: whole ones
                     cannot be told from `permuted_mean` even where hospitals lie far apart (`estimates.shrunken_means`)
    matched          random subspaces with the covariance of the features
    permuted         logistic regressions, with the same C, for hospital permuted by slide
    permuted_mean    shrunken means under hospital permuted by slide
    permuted_leace   LEACE of hospital permuted by slide
    isotropic        random subspaces, shown, never decisive

Choices. The source does not say in which space its subspace is orthogonal, nor whether features are centred. Ours for
the main comparison: raw features, not centred (`space` raw, `centred` False). That also takes out the mean along the
subspace, so that accuracy may change by a shift of the threshold; the centred variant does not, and AUROC of two
classes is the same in both. Of k hospitals, rows and mean differences have rank k - 1 at most.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS
from causalgrok.interventions.erasers import Eraser
from causalgrok.interventions.estimates import (
    Estimates,
    centred,
    control_erasers,
    hospital_erasers,
    shrunken_means,
)
from causalgrok.interventions.features import Features
from causalgrok.interventions.scoring import double, score_heads

_SHOWN = ("matched", "isotropic")
"""Controls that are drawn over all strengths."""


def ablate_subspace(features: Features, estimates: Estimates) -> pd.DataFrame:
    """Ablate the hospital subspace in five ways, and its controls, at a checkpoint.

    Returns:
        The columns of the table `subspace`, on all splits. At full rank the settings' strengths, 0 and 1; at strength 1
        every rank; INLP at strength 1 only. Controls have the rank of the logistic subspace; at strength 1 they come
        centred too, and matched and isotropic ones at all strengths. Without a direction that separates hospitals there
        are no rows.

    Raises:
        ValueError: a hospital has only one slide, hospitals cannot be permuted by slide, or a feature is not finite.
    """
    head, cases = double(features.head(estimates.epoch)), list(_cases(estimates))
    if not cases:
        return pd.DataFrame(columns=list(COLUMNS["subspace"]))
    described = pd.DataFrame(
        [
            (method, eraser.space, eraser.centred, eraser.rank, strength, repeat)
            for method, repeat, eraser, strength in cases
        ],
        columns=["method", "space", "centred", "rank", "strength", "repeat"],
    )
    heads = [eraser.alter(head, strength) for _, _, eraser, strength in cases]
    weight, bias = np.stack([one.weight for one in heads]), np.stack([one.bias for one in heads])
    return score_heads(features, estimates.epoch, described, weight, bias)[list(COLUMNS["subspace"])]


def _cases(estimates: Estimates) -> Iterator[tuple[str, int, Eraser, float]]:
    """Every ablation of a checkpoint: method, repeat, eraser and strength."""
    settings = estimates.settings
    strengths = sorted({0.0, *settings.strengths, 1.0})
    rank = 0
    for method, eraser in (*hospital_erasers(estimates), *_shrunken(estimates)):
        rank = eraser.rank if method == "logistic" else rank
        full = [] if method == "inlp" else strengths[:-1]
        yield from ((method, 0, eraser, strength) for strength in full)
        yield from ((method, 0, eraser.leading(r), 1.0) for r in range(1, eraser.rank + 1))
    if not rank:
        return
    for method, repeat, eraser in control_erasers(
        estimates, rank=rank, repeats=settings.repeats, refits=settings.refits
    ):
        yield from ((method, repeat, eraser, strength) for strength in (strengths if method in _SHOWN else [1.0]))
        if not eraser.centred:
            yield method, repeat, centred(eraser, estimates.design.mean), 1.0


def _shrunken(estimates: Estimates) -> Iterator[tuple[str, Eraser]]:
    """Shrunken mean differences as they are, and with the pool's mean put back."""
    eraser = shrunken_means(estimates, estimates.fitting.hospitals[None])[0]
    if eraser.rank:
        yield "shrunken_mean", eraser
        yield "shrunken_mean", centred(eraser, estimates.design.mean)
