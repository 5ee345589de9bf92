"""Affine maps that take a subspace out of features.

    h' = h - s (h - c) L R,    L (d, r), R (r, d), R L = I,  0 <= s <= 1,

so that orthogonal projections (L = B, R = B^T with an orthonormal basis B) and oblique ones are one thing. `space` is
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
    """LEACE of hospitals (n,), one-hot, fitted on features (n, d) in float64 by the library of its authors.

    Their covariance is shrunk as by default. The constraint on the trace is off: where it bites, what is left is no
    longer uncorrelated with the hospitals.

    Raises:
        ValueError: there are fewer than two hospitals.
    """
    import torch
    from concept_erasure import LeaceFitter

    names = np.unique(hospitals)
    if len(names) < 2:
        raise ValueError(f"LEACE needs at least two hospitals; the fitting examples are all of {names.tolist()}")
    fitter = LeaceFitter(
        features.shape[1], len(names), dtype=torch.float64, constrain_cov_trace=False, svd_tol=_TOLERANCE
    )
    fitter.update(
        torch.from_numpy(features.astype(np.float64)), torch.from_numpy(np.equal.outer(hospitals, names) * 1.0)
    )
    fitted = fitter.eraser
    # The factors come with a zero column for every direction below the tolerance.
    kept = fitted.proj_right.any(dim=1)
    left, right = fitted.proj_right[kept].numpy().T, fitted.proj_left[:, kept].numpy().T
    return Eraser(left=left, right=right, centre=fitted.bias.numpy(), space="raw", centred=True)
