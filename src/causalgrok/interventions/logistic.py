"""Logistic regression on standardised features, fitted many times over on the same examples.

Minimised is scikit-learn's objective, ``C * sum of log losses + ||W||^2 / 2`` with a free intercept: multinomial with a
row a class, binary as one row that stands here as two of opposite sign. All folds, targets and values of C share the
principal axes of a `Design`. There the Hessian is close to diagonal, ``curvature * covariance + 1 / (C n)``: scaled by
its root, L-BFGS converges in 10 to 30 iterations instead of hundreds. Many label vectors are fitted side by side, so
that the features pass through the cache once for all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from causalgrok.interventions.design import Design

_TOLERANCE = 2e-6
"""Largest component of the mean objective's gradient in scaled coordinates; probabilities are then right to 1e-4."""

_SCREENING = 2e-4
"""The same for the folds, which only rank the values of C."""

_REFITTING = 5e-4
"""The same for many fits side by side: the span of their rows is then right to half a degree."""


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


def fit_logistic(design: Design, labels: np.ndarray, *, C: float, weights: np.ndarray | None = None) -> LogisticProbe:
    """Fit labels (n,) at one inverse regularisation C, examples weighted by `weights` (n,) of mean 1 if given.

    Raises:
        ValueError: there are fewer than two classes.
    """
    return _probe(design, _classes(labels), _path(design, labels, [C], _TOLERANCE, weights)[-1], C)


def fit_many(design: Design, labels: np.ndarray, *, C: float, weights: np.ndarray | None = None) -> list[LogisticProbe]:
    """Fit m label vectors (m, n) side by side, more loosely than one alone: for controls, of which there are many.

    Args:
        design: the fitting features.
        labels: (m, n) what is fitted; every row has the same classes.
        C: inverse regularisation.
        weights: (m, n) weights of the examples, of mean 1; none is all equal.

    Raises:
        ValueError: there are fewer than two classes, or rows differ in their classes.
    """
    classes = _classes(labels)
    if any(len(np.unique(row)) < len(classes) for row in labels):
        raise ValueError(f"label vectors that are fitted side by side need the same classes, all of {classes.tolist()}")
    solutions = _paths(design, labels, classes, [C], _REFITTING, weights)[-1]
    return [_probe(design, classes, solution, C) for solution in zip(*solutions, strict=True)]


def fit_validated(
    design: Design,
    labels: np.ndarray,
    folds: np.ndarray,
    grid: Sequence[float],
    *,
    weights: np.ndarray | None = None,
) -> LogisticProbe:
    """Fit labels (n,) at the C of a grid that classifies left-out folds best; of equals, the smallest C.

    Standardisation is the one of all fitting examples: it sees no label, and folds then share their axes. Examples
    of a class that a fold's training part lacks count as errors, whatever the C.

    Args:
        design: the fitting features.
        labels: (n,) what is fitted.
        folds: (n,) the fold in which each example is left out.
        grid: values of C.
        weights: (n,) weights of the examples in the fits, of mean 1; none is all equal.

    Raises:
        ValueError: there are fewer than two classes.
    """
    grid = sorted(grid)
    correct = np.zeros(len(grid), dtype=int)
    # Single precision is enough to rank values of C, and half as much to read.
    screened = replace(design, coordinates=design.coordinates.astype(np.float32))
    for left_out, classes in _side_by_side(labels, folds):
        given = ~left_out * (1.0 if weights is None else weights)
        given /= given.mean(axis=1, keepdims=True)
        present = np.tile(np.where(np.isin(labels, classes), labels, classes[0]), (len(left_out), 1))
        for index, (weight, bias) in enumerate(_paths(screened, present, classes, grid, _SCREENING, given)):
            for fold, rows in enumerate(left_out):
                logits = design.coordinates[rows] @ weight[fold].T + bias[fold]
                correct[index] += np.sum(classes[np.argmax(logits, axis=1)] == labels[rows])
    best = int(np.argmax(correct))
    # Fitted along the way to the chosen C: each fit starts from the one before.
    path = _path(design, labels, grid[: best + 1], _TOLERANCE, weights)
    return _probe(design, _classes(labels), path[-1], grid[best])


def _side_by_side(labels: np.ndarray, folds: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Folds whose training parts have the same classes: the examples (m, n) that each leaves out, and the classes."""
    left_out = np.unique(folds)[:, None] == folds
    classes = [tuple(np.unique(labels[~rows])) for rows in left_out]
    for some in sorted(set(classes)):
        yield left_out[[one == some for one in classes]], np.array(some)


def _classes(labels: np.ndarray) -> np.ndarray:
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(f"a probe needs at least two classes; its fitting labels are all {classes.tolist()}")
    return classes


def _probe(design: Design, classes: np.ndarray, solution: tuple[np.ndarray, np.ndarray], C: float) -> LogisticProbe:
    weight, bias = solution
    return LogisticProbe(classes, weight @ design.axes.T, bias, design.mean, design.scale, C)


def _path(
    design: Design, labels: np.ndarray, grid: Sequence[float], tolerance: float, weights: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Optimal weights (k, r) and intercepts (k,) for ascending values of C, each started from the one before."""
    weights = None if weights is None else weights[None]
    path = _paths(design, labels[None], np.unique(labels), grid, tolerance, weights)
    return [(weight[0], bias[0]) for weight, bias in path]


def _paths(
    design: Design,
    labels: np.ndarray,
    classes: np.ndarray,
    grid: Sequence[float],
    tolerance: float,
    weights: np.ndarray | None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same for m label vectors (m, n) over k classes: weights (m, k, r) and intercepts (m, k) for each C.

    An example whose weight is zero is left out.
    """
    coordinates = design.coordinates
    (n, r), m, k = coordinates.shape, len(labels), len(classes)
    transposed = np.ascontiguousarray(coordinates.T)  # which a few rows are multiplied with twice as fast
    targets = np.eye(k)[:, np.searchsorted(classes, labels)].swapaxes(0, 1)
    weights = np.ones((m, n)) if weights is None else weights
    sizes = np.repeat(np.count_nonzero(weights, axis=1), k)[:, None]
    weight, bias = np.zeros((m * k, r)), np.zeros((m * k, 1))
    curvature = (1 - 1 / k) / k  # p (1 - p) of equal probabilities, where the path begins
    solutions = []
    for C in grid:
        # Two opposite rows of half the binary coefficients have half their squared norm.
        decay = (2 if k == 2 else 1) / (C * sizes)
        root, inverse = _roots(curvature * design.covariance, decay.mean())
        start = np.hstack([_times(weight, root), bias]).ravel()
        arguments = (coordinates, transposed, targets, weights, decay, inverse)
        options = {"gtol": tolerance, "ftol": 0.0, "maxiter": 10_000, "maxfun": 20_000}
        result = minimize(_objective, start, arguments, "L-BFGS-B", jac=True, options=options)
        # Rounding can stop the line search just short of the tolerance; anything more is no optimum.
        if np.abs(result.jac).max() > 10 * tolerance:
            raise RuntimeError(f"logistic regression did not converge at C = {C:g}: {result.message}")
        weight, bias = np.split(result.x.reshape(m * k, r + 1), [r], axis=1)
        weight = _times(weight, inverse)
        solutions.append((weight.reshape(m, k, r), bias.reshape(m, k)))
        probability = _softmax((weight.astype(coordinates.dtype) @ transposed + bias).reshape(m, k, n))[0]
        curvature = np.mean(probability * (1 - probability))
    return solutions


def _roots(covariance: np.ndarray, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """A root R, R R^T = covariance + decay, and its inverse: diagonals (r,) if the covariance is one, else (r, r)."""
    if covariance.ndim == 1:
        root = np.sqrt(covariance + decay)
        return root, 1 / root
    identity = np.eye(len(covariance))
    root = np.linalg.cholesky(covariance + decay * identity)
    return root, solve_triangular(root, identity, lower=True)


def _times(rows: np.ndarray, scaling: np.ndarray) -> np.ndarray:
    """Rows (m, r) times a diagonal (r,) or a matrix (r, r)."""
    return rows * scaling if scaling.ndim == 1 else rows @ scaling


def _objective(
    scaled: np.ndarray,
    coordinates: np.ndarray,
    transposed: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    decay: np.ndarray,
    scaling: np.ndarray,
) -> tuple[float, np.ndarray]:
    """Sum of m mean objectives at flat scaled parameters (m * k * (r + 1),), and its gradient there."""
    (n, r), (m, k, _) = coordinates.shape, targets.shape
    weight, bias = np.split(scaled.reshape(m * k, r + 1), [r], axis=1)
    weight = _times(weight, scaling)
    logits = (weight.astype(coordinates.dtype) @ transposed + bias).reshape(m, k, n)
    probability, normaliser = _softmax(logits)
    loss = np.sum(weights * (normaliser - np.sum(logits * targets, axis=1))) / n + np.sum(decay * weight**2) / 2
    residual = ((probability - targets) * (weights[:, None] / n)).reshape(m * k, n)
    gradient = _times(residual.astype(coordinates.dtype) @ coordinates + decay * weight, scaling.T)
    return loss, np.hstack([gradient, residual.sum(axis=1, keepdims=True)]).ravel()


def _softmax(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (m, k, n) of logits (m, k, n), and the logarithms (m, n) of their normalisers."""
    top = logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits - top)
    total = exponentials.sum(axis=1, keepdims=True)
    return exponentials / total, (np.log(total) + top)[:, 0]
