"""Affine maps that take a subspace out of features.

    h' = h - s (h - c) L R,    L (d, r), R (r, d), R L = I,  0 <= s <= 1,

so that orthogonal projections (L = B, R = B^T with an orthonormal basis B) and oblique ones are one thing; where only
fractions f are taken out of each direction, R L = diag(f). `space` is
where B is orthonormal: in raw features, or in standardised ones, z = h D^-1 with D the channels' standard deviations,
where taking out B means ``L = D^-1 B, R = B^T D``. `centred` puts the pool's mean back (c = mean). Without it (c = 0)
the features' mean along the subspace goes too, which adds a constant to every logit and moves the threshold, whatever
the subspace says about single examples.

A linear classifier of h' is one of h whose weights w satisfy ``R w^T = 0``, plus a bias: neither L nor c matter for
what can still be read linearly. Mean differences and LEACE (Belrose et al. 2023, arXiv 2306.03819) have the same span
R: they leave the same to linear classifiers and differ in what else they change. LEACE changes the features least in
the metric of their covariance. Its solution puts the mean back and does not depend on the space (but for the shrinkage
of the covariance towards a multiple of the identity), so that it comes in one variant: raw, centred.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from causalgrok.interventions.design import constant_channels
from causalgrok.interventions.features import Head

_TOLERANCE = 1e-6
"""Singular values below this fraction of the largest belong to directions that are not there."""


@dataclass(frozen=True, kw_only=True)
class Eraser:
    """Takes a subspace out of features."""

    left: np.ndarray
    """(d, r) what is read of the features: L."""

    right: np.ndarray
    """(r, d) along which it is taken out: R."""

    centre: np.ndarray
    """(d,) the features that stay as they are: the pool's mean, or zero."""

    space: Literal["raw", "scaled"]
    """Space in which the projection is orthogonal; LEACE's is not."""

    centred: bool
    """Whether the centre is the pool's mean."""

    @property
    def rank(self) -> int:
        """Dimensions that are taken out."""
        return self.left.shape[1]

    def leading(self, rank: int) -> "Eraser":
        """The eraser of the first `rank` dimensions."""
        return replace(self, left=self.left[:, :rank], right=self.right[:rank])

    def erase(self, features: np.ndarray, strength: float = 1.0) -> np.ndarray:
        """Features (n, d) without a fraction `strength` of the subspace."""
        return features - strength * ((features - self.centre) @ self.left) @ self.right

    def alter(self, head: Head, strength: float = 1.0) -> Head:
        """The head whose logits of features are those of `head` after `erase`."""
        along = head.weight @ self.right.T
        return Head(
            head.weight - strength * along @ self.left.T, head.bias + strength * along @ (self.left.T @ self.centre)
        )


def orthonormal_basis(rows: np.ndarray) -> np.ndarray:
    """Orthonormal basis (d, rank) of the span of rows (m, d), in descending order of singular values."""
    _, values, vectors = np.linalg.svd(rows, full_matrices=False)
    return vectors[values > _TOLERANCE * values.max(initial=0.0)].T


def orthogonal_eraser(basis: np.ndarray, *, mean: np.ndarray | None = None, scale: np.ndarray | None = None) -> Eraser:
    """The eraser of the span of an orthonormal basis.

    Args:
        basis: (d, r) orthonormal, in standardised coordinates if `scale` is given.
        mean: (d,) the pool's mean, for a centred eraser.
        scale: (d,) standard deviations of the channels, for one that is orthogonal in standardised coordinates.
    """
    left, right = (basis, basis.T) if scale is None else (basis / scale[:, None], basis.T * scale)
    return Eraser(
        left=left,
        right=right,
        centre=np.zeros(len(basis)) if mean is None else mean,
        space="raw" if scale is None else "scaled",
        centred=mean is not None,
    )


def leace_eraser(features: np.ndarray, hospitals: np.ndarray) -> Eraser:
    """LEACE of hospitals (n,), one-hot, fitted on features (n, d); see `leace_erasers`."""
    return leace_erasers(features, hospitals[None])[0]


def leace_erasers(features: np.ndarray, groupings: np.ndarray) -> list[Eraser]:
    """LEACE of hospitals, one-hot, under m groupings (m, n), fitted on features (n, d) in float64.

    With the covariance S of the features, shrunk, and C the one of features and hospitals, ``L = S^-1/2 U`` and
    ``R = U^T S^1/2``, where U are the left singular vectors of ``S^-1/2 C``. Equals the authors' library
    concept-erasure, which the tests hold it to, without torch, whose import takes longer than everything measured
    here, and without the library's constraint on the trace: where that bites, what is left is no longer uncorrelated
    with the hospitals.

    Raises:
        ValueError: there are fewer than two hospitals.
    """
    names = np.unique(groupings)
    if len(names) < 2:
        raise ValueError(f"LEACE needs at least two hospitals; the fitting examples are all of {names.tolist()}")
    features = features.astype(np.float64)
    (n, d), mean = features.shape, features.mean(axis=0)
    centred = (features - mean) * ~constant_channels(features)
    values, vectors = np.linalg.eigh(centred.T @ centred / n)
    values = _shrunk(values, n)
    present = values > values.max() * d * np.finfo(np.float64).eps
    roots = np.sqrt(values[present])[:, None]
    axes = vectors[:, present]
    whitened = (centred @ axes).T / roots / (n - 1)
    erasers = []
    for hospitals in groupings:
        directions, sizes, _ = np.linalg.svd(whitened @ np.equal.outer(hospitals, names), full_matrices=False)
        kept = directions[:, sizes > _TOLERANCE]
        left, right = axes @ (kept / roots), (axes @ (kept * roots)).T
        erasers.append(Eraser(left=left, right=right, centre=mean, space="raw", centred=True))
    return erasers


def _shrunk(eigenvalues: np.ndarray, n: int) -> np.ndarray:
    """Eigenvalues (d,) of a covariance of n examples, shrunk towards their mean (Bodnar et al. 2014, arXiv 1308.2608).

    The weight of the mean is kept within 0 .. 1, which the library leaves to chance: with few channels of nearly equal
    variance it would exceed 1 and turn small eigenvalues negative.
    """
    spread = np.sum((eigenvalues - eigenvalues.mean()) ** 2)
    weight = min(eigenvalues.sum() ** 2 / n / spread, 1.0) if spread > 0 else 1.0
    return (1 - weight) * eigenvalues + weight * eigenvalues.mean()
