"""Logistic regression on standardised features, fitted many times over on the same examples.

Minimised is scikit-learn's objective, ``C * sum of log losses + ||W||^2 / 2`` with a free intercept: multinomial with a
row a class, binary as one row that stands here as two of opposite sign. All folds, targets and values of C share the
principal axes of a `Design`. There the Hessian is close to diagonal, ``curvature * covariance + 1 / (C n)``: scaled by
its root, L-BFGS converges in 10 to 50 iterations instead of hundreds. Label vectors, folds and values of C are fitted
side by side, so that the features pass through the cache once for all of them; each stops by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.linalg import solve_triangular

from causalgrok.interventions.design import Design
from causalgrok.interventions.lbfgs import minimise

_TOLERANCE = 2e-6
"""Largest component of the mean objective's gradient in scaled coordinates; probabilities are then right to 1e-4."""

_SCREENING = 5e-5
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
    return _probe(design, _classes(labels), _solved(design, labels, C, weights), C)


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
    solutions = _solve(design, labels, classes, np.full(len(labels), C), _REFITTING, weights)
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
    return fit_validated_many(design, labels[None], folds[None], grid, weights=weights)[0]


def fit_validated_many(
    design: Design,
    labels: np.ndarray,
    folds: np.ndarray,
    grid: Sequence[float],
    *,
    weights: np.ndarray | None = None,
) -> list[LogisticProbe]:
    """Fit m label vectors (m, n), each with its folds (m, n), side by side; see `fit_validated`.

    Raises:
        ValueError: a label vector has fewer than two classes.
    """
    for vector in labels:
        _classes(vector)
    grid = np.array(sorted(grid), dtype=float)
    correct = np.zeros((len(labels), len(grid)), dtype=int)
    begun: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in labels]
    # Single precision is enough to rank values of C, and half as much to read.
    screened = replace(design, coordinates=design.coordinates.astype(np.float32))
    for vectors, left_out, classes in _side_by_side(labels, folds):
        given = ~left_out * (1.0 if weights is None else weights)
        given /= given.mean(axis=1, keepdims=True)
        present = np.where(np.isin(labels[vectors], classes), labels[vectors], classes[0])
        each = partial(np.repeat, repeats=len(grid), axis=0)
        values = np.tile(grid, len(vectors))
        weight, bias = _solve(screened, each(present), classes, values, _SCREENING, each(given))
        weight, bias = (array.reshape(len(vectors), len(grid), *array.shape[1:]) for array in (weight, bias))
        for fit, (vector, rows) in enumerate(zip(vectors, left_out, strict=True)):
            logits = _logits(weight[fit], bias[fit], np.ascontiguousarray(screened.coordinates[rows].T))
            correct[vector] += np.sum(classes[np.argmax(logits, axis=1)] == labels[vector, rows], axis=1)
            if len(classes) == len(np.unique(labels[vector])):
                begun[vector].append((weight[fit], bias[fit]))
    probes: dict[int, LogisticProbe] = {}
    best = np.argmax(correct, axis=1)
    for vectors, _, classes in _alike(np.arange(len(labels)), folds, labels):
        # The mean of the folds' solutions is close to the one of all examples.
        start = None
        if all(begun[vector] for vector in vectors):
            starts = [[np.mean([fold[part][best[v]] for fold in begun[v]], axis=0) for v in vectors] for part in (0, 1)]
            start = np.array(starts[0]), np.array(starts[1])
        given = None if weights is None else np.tile(weights, (len(vectors), 1))
        solutions = _solve(design, labels[vectors], classes, grid[best[vectors]], _TOLERANCE, given, start)
        for vector, *solution in zip(vectors, *solutions, strict=True):
            probes[vector] = _probe(design, classes, tuple(solution), float(grid[best[vector]]))
    return [probes[vector] for vector in range(len(labels))]


def _side_by_side(labels: np.ndarray, folds: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Folds whose training parts have the same classes: of which label vectors (f,), what each leaves out (f, n)."""
    vectors = np.repeat(np.arange(len(labels)), [len(np.unique(row)) for row in folds])
    left_out = np.concatenate([np.unique(row)[:, None] == row for row in folds])
    yield from _alike(
        vectors, left_out, [labels[vector][~rows] for vector, rows in zip(vectors, left_out, strict=True)]
    )


def _alike(
    vectors: np.ndarray, left_out: np.ndarray, given: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Group fits by the classes of the labels that each is given."""
    classes = [tuple(np.unique(some)) for some in given]
    for some in sorted(set(classes)):
        chosen = np.array([one == some for one in classes])
        yield vectors[chosen], left_out[chosen], np.array(some)


def _classes(labels: np.ndarray) -> np.ndarray:
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(f"a probe needs at least two classes; its fitting labels are all {classes.tolist()}")
    return classes


def _probe(design: Design, classes: np.ndarray, solution: tuple[np.ndarray, np.ndarray], C: float) -> LogisticProbe:
    weight, bias = solution
    return LogisticProbe(classes, weight @ design.axes.T, bias, design.mean, design.scale, C)


def _solved(design: Design, labels: np.ndarray, C: float, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Optimal weights (k, r) and intercepts (k,) for one label vector (n,)."""
    weights = None if weights is None else weights[None]
    weight, bias = _solve(design, labels[None], _classes(labels), np.array([C]), _TOLERANCE, weights)
    return weight[0], bias[0]


def _solve(
    design: Design,
    labels: np.ndarray,
    classes: np.ndarray,
    C: np.ndarray,
    tolerance: float,
    weights: np.ndarray | None,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Optimal weights (m, k, r) and intercepts (m, k) for m label vectors (m, n) over k classes, each with its C (m,).

    An example whose weight is zero is left out. `start` is where they begin; none is zero.
    """
    coordinates = design.coordinates
    (n, r), m, k = coordinates.shape, len(labels), len(classes)
    weights = np.ones((m, n)) if weights is None else weights
    weight, bias = start or (np.zeros((m, k, r)), np.zeros((m, k)))
    if design.covariance.ndim == 2 and len(np.unique(C)) > 1:  # fits share a root only at one C
        weight, bias = weight.copy(), bias.copy()
        for value in np.unique(C):
            fits = value == C
            given = labels[fits], classes, C[fits], tolerance, weights[fits], (weight[fits], bias[fits])
            weight[fits], bias[fits] = _solve(design, *given)
        return weight, bias
    transposed = np.ascontiguousarray(coordinates.T)  # which a few rows are multiplied with twice as fast
    targets = np.eye(k, dtype=coordinates.dtype)[:, np.searchsorted(classes, labels)].swapaxes(0, 1)
    # Two opposite rows of half the binary coefficients have half their squared norm.
    decay = (2 if k == 2 else 1) / (C * np.count_nonzero(weights, axis=1))[:, None, None]
    root, inverse = _roots(_curvature(weight, bias, transposed), design.covariance, decay)
    begin = np.concatenate([_times(weight, root), bias[..., None]], axis=2).reshape(m, -1)
    weights = weights.astype(coordinates.dtype, copy=False)
    objective = partial(_objective, coordinates, transposed, targets, weights, decay, inverse)
    found, gradient = minimise(objective, begin, tolerance, rounding=10 * np.finfo(coordinates.dtype).eps)
    # Rounding can stop the line search just short of the tolerance; anything more is no optimum.
    if gradient.max() > 10 * tolerance:
        worst = np.argmax(gradient)
        raise RuntimeError(
            f"logistic regression did not converge at C = {C[worst]:g}: its gradient is {gradient[worst]:.2g}"
        )
    found = found.reshape(m, k, r + 1)
    return _times(found[..., :-1], inverse), found[..., -1]


def _curvature(weight: np.ndarray, bias: np.ndarray, transposed: np.ndarray) -> np.ndarray:
    """The mean (m, 1, 1) of p (1 - p) over classes and examples."""
    probability = _softmax(_logits(weight, bias, transposed))[0]
    return np.mean(probability * (1 - probability), axis=(1, 2), keepdims=True)


def _logits(weight: np.ndarray, bias: np.ndarray, transposed: np.ndarray) -> np.ndarray:
    """Logits (m, k, n) of coordinates (r, n): one product for all rows, so that these are read once."""
    rows = weight.reshape(-1, weight.shape[-1]).astype(transposed.dtype, copy=False)
    return (rows @ transposed).reshape(*bias.shape, -1) + bias[..., None].astype(transposed.dtype, copy=False)


def _roots(curvature: np.ndarray, covariance: np.ndarray, decay: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Roots R, R R^T = curvature * covariance + decay (m, 1, 1), and their inverses.

    Diagonals (m, 1, r) where the covariance is one, else one matrix (r, r) for the mean of all.
    """
    if covariance.ndim == 1:
        root = np.sqrt(curvature * covariance + decay)
        return root, 1 / root
    identity = np.eye(len(covariance))
    root = np.linalg.cholesky(curvature.mean() * covariance + decay.mean() * identity)
    return root, solve_triangular(root, identity, lower=True)


def _times(rows: np.ndarray, scaling: np.ndarray) -> np.ndarray:
    """Rows (m, k, r) times diagonals (m, 1, r) or a matrix (r, r)."""
    return rows * scaling if scaling.ndim == 3 else rows @ scaling


def _objective(
    coordinates: np.ndarray,
    transposed: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    decay: np.ndarray,
    scaling: np.ndarray,
    scaled: np.ndarray,
    chosen: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean objectives (a,) of the chosen label vectors (a,) at scaled parameters (a, k * (r + 1)), and gradients."""
    (n, r), k = coordinates.shape, targets.shape[1]
    targets, weights, decay = targets[chosen], weights[chosen], decay[chosen]
    scaling = scaling[chosen] if scaling.ndim == 3 else scaling
    parameters = scaled.reshape(len(chosen), k, r + 1)
    weight, bias = _times(parameters[..., :-1], scaling), parameters[..., -1]
    logits = _logits(weight, bias, transposed)
    probability, normaliser = _softmax(logits)
    loss = np.sum(weights * (normaliser - np.sum(logits * targets, axis=1)), axis=1, dtype=np.float64) / n
    loss += np.sum(decay * weight**2, axis=(1, 2)) / 2
    residual = (probability - targets) * (weights[:, None] / n)
    rows = residual.reshape(-1, n).astype(coordinates.dtype, copy=False)
    gradient = _times(
        (rows @ coordinates).reshape(weight.shape) + decay * weight, scaling if scaling.ndim == 3 else scaling.T
    )
    return loss, np.concatenate([gradient, residual.sum(axis=2, keepdims=True, dtype=np.float64)], axis=2).reshape(
        len(chosen), -1
    )


def _softmax(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (m, k, n) of logits (m, k, n), and the logarithms (m, n) of their normalisers."""
    top = logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits - top)
    total = exponentials.sum(axis=1, keepdims=True)
    return exponentials / total, (np.log(total) + top)[:, 0]
