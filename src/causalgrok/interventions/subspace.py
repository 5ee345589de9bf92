"""Hospital-subspace ablation: what the network loses with the directions along which hospitals differ.

A multinomial logistic regression for hospital on the pooled features of the probe pool's fitting slides has rows W;
they span the shortcut. With an orthonormal basis B of the leading r right singular vectors of W,
``h' = h - s B B^T h``, and the network's own head classifies h'. Control: isotropic random subspaces of equal rank.

Choices. W is fitted on standardised features and mapped back to the space in which the features come (``W / scale``),
which is where h' is formed; the source does not say. h is not centred, as in the source: the ablation also removes the
mean along B, so that accuracy may change by a shift of the threshold where AUROC does not. The rows of W sum to zero,
W W^T is singular, and the rank is hospitals - 1 at most: directions below a tolerance are dropped.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS
from causalgrok.interventions.controls import random_subspaces
from causalgrok.interventions.features import Features, Head
from causalgrok.interventions.probing import fit_probes
from causalgrok.interventions.scoring import double, score_heads
from causalgrok.interventions.settings import Measurement

_TOLERANCE = 1e-6
"""Singular values below this fraction of the largest belong to directions that are not there."""


def orthonormal_basis(rows: np.ndarray) -> np.ndarray:
    """Orthonormal basis (d, rank) of the span of rows (m, d), in descending order of singular values."""
    _, values, vectors = np.linalg.svd(rows, full_matrices=False)
    return vectors[values > _TOLERANCE * values[0]].T


def ablate(features: np.ndarray, basis: np.ndarray, strength: float) -> np.ndarray:
    """Features (n, d) without a fraction `strength` of their projection on an orthonormal basis (d, r)."""
    return features - strength * (features @ basis) @ basis.T


def ablated_heads(head: Head, bases: Sequence[np.ndarray], strengths: Sequence[float]) -> np.ndarray:
    """Weights (bases * strengths, classes, d) of the heads that see `ablate`'s features; the bias stays as it is.

    The projection is symmetric, so that taking it out of the features is taking it out of the weights.
    """
    weights = [ablate(head.weight, basis, strength) for basis in bases for strength in strengths]
    return np.array(weights).reshape(-1, *head.weight.shape)


def ablate_subspace(features: Features, settings: Measurement) -> pd.DataFrame:
    """Ablate the hospital subspace and random ones at every checkpoint, over ranks and strengths.

    Returns:
        The columns of the table `subspace`: methods logistic and random, ranks 1 .. rank of W, the settings' strengths
        and repeats, all splits. A checkpoint where no direction separates hospitals has no rows.

    Raises:
        ValueError: a hospital has only one slide, or a feature is not finite.
    """
    frames = []
    for epoch in features.epochs:
        head = double(features.head(epoch))
        probe = fit_probes(features, epoch, settings, targets=("hospital",))["hospital"]
        hospital = orthonormal_basis(probe.raw_weight)
        width, rank = hospital.shape
        random = random_subspaces(width, rank, settings.repeats, seed=settings.seed)
        subspaces = [("logistic", 0, hospital), *(("random", repeat, basis) for repeat, basis in enumerate(random))]
        leading = [(name, r, repeat, basis[:, :r]) for name, repeat, basis in subspaces for r in range(1, rank + 1)]
        cases = pd.DataFrame(
            [(name, r, strength, repeat) for name, r, repeat, _ in leading for strength in settings.strengths],
            columns=["method", "rank", "strength", "repeat"],
        ).astype({"method": str, "rank": int, "strength": float, "repeat": int})  # also where there are no rows
        weight = ablated_heads(head, [basis for *_, basis in leading], settings.strengths)
        frames.append(score_heads(features, epoch, cases, weight, head.bias))
    return pd.concat(frames, ignore_index=True)[list(COLUMNS["subspace"])]
