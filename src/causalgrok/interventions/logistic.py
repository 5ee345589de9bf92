"""Logistic regression on standardised features, fitted many times over on the same examples.

Minimised is scikit-learn's objective, ``C * sum of log losses + ||W||^2 / 2`` with a free intercept: multinomial with a
row a class, binary as one row that stands here as two of opposite sign. L2 penalty and loss do not change when features
are rotated, so they are rotated once onto their principal axes (min(n, d) of them), which all folds, targets and values
of C then share. There the Hessian is close to diagonal, ``curvature * variance + 1 / (C n)``: scaled by its root,
L-BFGS converges in 10 to 30 iterations instead of hundreds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

_TOLERANCE = 2e-6
"""Largest component of the mean objective's gradient in scaled coordinates; probabilities are then right to 1e-4."""

_SCREENING = 5e-5
"""The same for the folds, which only rank the values of C: half the iterations."""

_CONSTANT = 1e-7
"""A channel whose standard deviation is below this fraction of its largest value is constant but for rounding."""


@dataclass(frozen=True)
class LogisticProbe:
    """A fitted linear classifier of features."""

    classes: np.ndarray
    """(k,) the labels, ascending."""

    weight: np.ndarray
    """(k, d) coefficients of the standardised features; the rows sum to zero."""

    bias: np.ndarray
    """(k,) intercepts."""

    mean: np.ndarray
    """(d,) mean of the fitting features."""

    scale: np.ndarray
    """(d,) their standard deviation; 1 for a constant channel."""

    C: float
    """Inverse regularisation."""

    @property
    def raw_weight(self) -> np.ndarray:
        """(k, d) coefficients of the features as they come: ``weight / scale``."""
        return self.weight / self.scale

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Labels (n,) of features (n, d)."""
        return self.classes[np.argmax((features - self.mean) @ self.raw_weight.T + self.bias, axis=1)]


@dataclass(frozen=True)
class Design:
    """Fitting features, standardised and rotated onto their principal axes."""

    coordinates: np.ndarray
    """(n, r) standardised features along the axes, r <= min(n, d)."""

    axes: np.ndarray
    """(d, r) orthonormal."""

    mean: np.ndarray
    """(d,) mean of the features."""

    scale: np.ndarray
    """(d,) their standard deviation; 1 for a constant channel."""

    @classmethod
    def of(cls, features: np.ndarray) -> "Design":
        """Prepare features (n, d).

        Raises:
            ValueError: a feature is not finite.
        """
        if not np.isfinite(features).all():
            raise ValueError("features are not finite: the network diverged; leave this checkpoint out")
        features = features.astype(np.float64)
        mean, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale <= _CONSTANT * np.abs(features).max(axis=0)] = 1.0
        standard = (features - mean) / scale
        if standard.shape[1] <= standard.shape[0]:
            axes = np.linalg.eigh(standard.T @ standard)[1]
            return cls(standard @ axes, axes, mean, scale)
        values, left = np.linalg.eigh(standard @ standard.T)
        # An axis that carries less than 1e-7 of the largest singular value cannot move a probability.
        kept = values > 1e-14 * values[-1]
        coordinates = left[:, kept] * np.sqrt(values[kept])
        return cls(coordinates, standard.T @ (left[:, kept] / np.sqrt(values[kept])), mean, scale)


def fit_logistic(design: Design, labels: np.ndarray, *, C: float) -> LogisticProbe:
    """Fit labels (n,) at one inverse regularisation C.

    Raises:
        ValueError: there are fewer than two classes.
    """
    return _probe(design, labels, _path(design.coordinates, labels, [C], _TOLERANCE)[-1], C)


def fit_validated(design: Design, labels: np.ndarray, folds: np.ndarray, grid: Sequence[float]) -> LogisticProbe:
    """Fit labels (n,) at the C of a grid that classifies left-out folds best; of equals, the smallest C.

    Standardisation is the one of all fitting examples: it sees no label, and folds then share their axes. Examples
    of a class that a fold's training part lacks count as errors, whatever the C.

    Args:
        design: the fitting features.
        labels: (n,) what is fitted.
        folds: (n,) the fold in which each example is left out.
        grid: values of C.

    Raises:
        ValueError: there are fewer than two classes.
    """
    grid = sorted(grid)
    correct = np.zeros(len(grid), dtype=int)
    for fold in np.unique(folds):
        fitted, left_out = folds != fold, folds == fold
        classes = np.unique(labels[fitted])
        path = _path(design.coordinates[fitted], labels[fitted], grid, _SCREENING)
        for index, (weight, bias) in enumerate(path):
            logits = design.coordinates[left_out] @ weight.T + bias
            correct[index] += np.sum(classes[np.argmax(logits, axis=1)] == labels[left_out])
    best = int(np.argmax(correct))
    # Fitted along the way to the chosen C: each fit starts from the one before.
    return _probe(design, labels, _path(design.coordinates, labels, grid[: best + 1], _TOLERANCE)[-1], grid[best])


def _probe(design: Design, labels: np.ndarray, solution: tuple[np.ndarray, np.ndarray], C: float) -> LogisticProbe:
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(f"a probe needs at least two classes; its fitting labels are all {classes.tolist()}")
    weight, bias = solution
    return LogisticProbe(classes, weight @ design.axes.T, bias, design.mean, design.scale, C)


def _path(
    coordinates: np.ndarray, labels: np.ndarray, grid: Sequence[float], tolerance: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Optimal weights (k, r) and intercepts (k,) for ascending values of C, each started from the one before."""
    n, r = coordinates.shape
    classes, codes = np.unique(labels, return_inverse=True)
    k = len(classes)
    targets = np.eye(k)[:, codes]
    variance = np.mean(coordinates**2, axis=0)
    solution = np.zeros((k, r + 1))
    curvature = (1 - 1 / k) / k  # p (1 - p) of equal probabilities, where the path begins
    solutions = []
    for C in grid:
        # Two opposite rows of half the binary coefficients have half their squared norm.
        decay = (2 if k == 2 else 1) / (C * n)
        root = np.append(np.sqrt(curvature * variance + decay), 1.0)
        arguments = (coordinates, targets, decay, root)
        options = {"gtol": tolerance, "ftol": 0.0, "maxiter": 10_000, "maxfun": 20_000}
        result = minimize(_objective, (solution * root).ravel(), arguments, "L-BFGS-B", jac=True, options=options)
        # Rounding can stop the line search just short of the tolerance; anything more is no optimum.
        if np.abs(result.jac).max() > 10 * tolerance:
            raise RuntimeError(f"logistic regression did not converge at C = {C:g}: {result.message}")
        solution = result.x.reshape(k, r + 1) / root
        solutions.append((solution[:, :r], solution[:, r]))
        probability = _softmax(solution[:, :r] @ coordinates.T + solution[:, r:])[0]
        curvature = np.mean(probability * (1 - probability))
    return solutions


def _objective(
    scaled: np.ndarray, coordinates: np.ndarray, targets: np.ndarray, decay: float, root: np.ndarray
) -> tuple[float, np.ndarray]:
    """Mean objective at flat scaled parameters (k * (r + 1),), and its gradient there."""
    n, r = coordinates.shape
    parameters = scaled.reshape(-1, r + 1) / root
    weight, bias = parameters[:, :r], parameters[:, r:]
    logits = weight @ coordinates.T + bias
    probability, normaliser = _softmax(logits)
    loss = (normaliser.sum() - np.sum(logits * targets)) / n + decay * np.sum(weight**2) / 2
    residual = (probability - targets) / n
    gradient = np.hstack([residual @ coordinates + decay * weight, residual.sum(axis=1, keepdims=True)])
    return loss, (gradient / root).ravel()


def _softmax(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (k, n) of logits (k, n), and the logarithms (n,) of their normalisers."""
    top = logits.max(axis=0)
    exponentials = np.exp(logits - top)
    total = exponentials.sum(axis=0)
    return exponentials / total, np.log(total) + top
