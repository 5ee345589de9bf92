"""Features made ready for many linear classifiers: standardised, and rotated onto their principal axes.

L2 penalty and loss of a classifier do not change when features are rotated, so they are rotated once, onto min(n, d)
axes, along which they are uncorrelated. Where few classifiers are fitted to many features, the leading axes do nearly
as well at a fraction of the cost: they come from a random sketch (Halko, Martinsson & Tropp 2011, arXiv 0909.4061).
For a classifier that may not read some directions of the features these are taken out of the coordinates, which is
cheaper than to begin anew.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from causalgrok.interventions.products import column_after_column

_CONSTANT = 1e-7
"""A channel whose standard deviation is below this fraction of its largest value is constant but for rounding."""

_ABSENT = 1e-6
"""What is left of a unit vector below which nothing is left but rounding."""

_POWERS = 2
"""Products with the covariance that turn a random sketch towards the leading axes."""

_ROWS = 64
"""Examples that are rotated at a time."""


def constant_channels(features: np.ndarray) -> np.ndarray:
    """Which channels (d,) of features (n, d) do not vary, but for rounding."""
    return _constant(features, features.std(axis=0))


def _constant(features: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    return deviation <= _CONSTANT * np.maximum(features.max(axis=0), -features.min(axis=0))


@dataclass(frozen=True)
class Design:
    """Fitting features, standardised and rotated onto their principal axes."""

    coordinates: np.ndarray
    """(n, r) standardised features along the axes, r <= min(n, d)."""

    covariance: np.ndarray
    """(r,) variances of the coordinates if these are as good as uncorrelated, else their covariance (r, r)."""

    axes: np.ndarray
    """(d, r) orthonormal but for rows of constant channels, which are zero."""

    mean: np.ndarray
    """(d,) mean of the features."""

    scale: np.ndarray
    """(d,) their standard deviation; 1 for a constant channel."""

    @classmethod
    def of(cls, features: np.ndarray, *, leading: int | None = None) -> "Design":
        """Prepare features (n, d).

        Args:
            features: (n, d) as they come.
            leading: how many principal axes are sought, if at most a quarter of all. The others are any that
                complete these, and what is correlated among them is missing in `covariance`: fits take up to a fifth
                more iterations.

        Raises:
            ValueError: a feature is not finite.
        """
        if not np.isfinite(features).all():
            raise ValueError("features are not finite: the network diverged; leave this checkpoint out")
        standard = features.astype(np.float64)
        mean = standard.mean(axis=0)
        standard -= mean
        scale = np.sqrt(_squares(standard))
        constant = _constant(features, scale)
        scale[constant] = 1.0
        standard /= scale
        standard[:, constant] = 0.0
        if leading is not None and 4 * leading <= min(standard.shape):
            axes = _rotate(standard, _sketched(standard, leading))
            axes[constant] = 0.0
            return cls(standard, _squares(standard), axes, mean, scale)
        if standard.shape[1] <= standard.shape[0]:
            axes = np.linalg.eigh(standard.T @ standard)[1]
            axes[constant] = 0.0
            coordinates = standard @ axes
            return cls(coordinates, _squares(coordinates), axes, mean, scale)
        values, left = np.linalg.eigh(standard @ standard.T)
        # An axis that carries less than 1e-7 of the largest singular value cannot move a probability.
        kept = values > 1e-14 * values[-1]
        coordinates = left[:, kept] * np.sqrt(values[kept])
        axes = standard.T @ (left[:, kept] / np.sqrt(values[kept]))
        return cls(coordinates, _squares(coordinates), axes, mean, scale)

    @cached_property
    def single(self) -> "Design":
        """The same with coordinates in single precision, half as much to read, an axis after the other in memory."""
        return replace(self, coordinates=column_after_column(self.coordinates))

    @property
    def live(self) -> np.ndarray:
        """Which channels (d,) are not constant."""
        return self.axes.any(axis=1)

    def without(self, directions: np.ndarray) -> "Design":
        """The design of a classifier that may not read some directions.

        Its logits ``h w^T`` have ``w v = 0`` for every v of `directions` (d, q): these are the linear classifiers of
        features from which a projection with these right factors was taken out. Mean, scale and hence the penalty stay
        those of the features as they are.
        """
        # In standardised coordinates w v = (w * scale) (v / scale).
        vectors, values, _ = np.linalg.svd(directions / self.scale[:, None], full_matrices=False)
        unread = vectors[:, values > _ABSENT * values.max(initial=0.0)]
        overlap = self.axes.T @ unread
        left, cosines, _ = np.linalg.svd(overlap, full_matrices=False)
        remaining = np.sqrt(np.clip(1 - cosines**2, 0, None))
        remaining[remaining < _ABSENT] = 0.0
        # The axes lose the directions and are made orthonormal again; coordinates keep what remains of every axis.
        stretch = np.divide(1, remaining, out=np.zeros_like(remaining), where=remaining > 0)
        axes = self.axes - unread @ overlap.T
        axes = axes + (axes @ left) * (stretch - 1) @ left.T
        lost = left * (1 - remaining)
        shrink = np.eye(len(left)) - lost @ left.T
        covariance = shrink @ (
            self.covariance[:, None] * shrink if self.covariance.ndim == 1 else self.covariance @ shrink
        )
        return replace(
            self, coordinates=self.coordinates - (self.coordinates @ left) @ lost.T, covariance=covariance, axes=axes
        )


def _squares(rows: np.ndarray) -> np.ndarray:
    """The mean squares (d,) of the columns of (n, d)."""
    return np.einsum("ij,ij->j", rows, rows) / len(rows)


def _sketched(standard: np.ndarray, count: int) -> np.ndarray:
    """Orthonormal axes (d, count), nearly the leading principal ones of features (n, d)."""
    single = standard.astype(np.float32)
    axes = np.random.default_rng(0).standard_normal((standard.shape[1], count), dtype=np.float32)
    for power in range(_POWERS):
        axes = single.T @ (single @ axes)
        axes = np.linalg.qr(axes if power < _POWERS - 1 else axes.astype(np.float64))[0]
    return axes


def _rotate(standard: np.ndarray, leading: np.ndarray) -> np.ndarray:
    """Rotate features (n, d), in place, onto orthonormal axes (d, d) that begin with leading ones (d, q).

    The others are those of a block reflection ``Q = I - M (I + H)^-1 M^T``, ``M = V - E S``, that takes the first q
    unit vectors E, turned by S, to the leading axes V. It is orthogonal where ``V_1 = -S H`` is the polar
    decomposition of the first q rows of V.

    Returns:
        The axes (d, d).
    """
    scores = standard @ leading
    turn = np.linalg.eigh(scores.T @ scores)[1]
    leading, scores, (d, q) = leading @ turn, scores @ turn, leading.shape
    left, values, right = np.linalg.svd(leading[:q])
    polar, rest = -left @ right, (right.T / (1 + values)) @ right @ leading[q:].T
    for begin in range(0, len(standard), _ROWS):  # in parts that stay in cache
        rows = standard[begin : begin + _ROWS]
        rows[:, q:] += (rows[:, :q] @ polar - scores[begin : begin + _ROWS]) @ rest
    standard[:, :q] = scores
    axes = np.empty((d, d))
    axes[:, :q] = leading
    np.matmul(-leading, rest, out=axes[:, q:])
    axes[:q, q:] += polar @ rest
    axes[range(q, d), range(q, d)] += 1
    return axes
