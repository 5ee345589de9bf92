"""The minimum of logistic regression's objective for many label vectors side by side; see `logistic` for what it is.

In the coordinates of a `Design` the Hessian is close to diagonal, ``curvature * covariance + 1 / (C n)``: scaled by its
root, L-BFGS converges in 10 to 50 iterations instead of hundreds.
"""

from functools import partial

import numpy as np
from scipy.linalg import solve_triangular

from causalgrok.interventions.design import Design
from causalgrok.interventions.lbfgs import minimise


def solve(
    design: Design,
    labels: np.ndarray,
    classes: np.ndarray,
    C: np.ndarray,
    tolerance: float,
    weights: np.ndarray | None,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise the objectives of m label vectors over k classes.

    Args:
        design: the examples, in coordinates (n, r).
        labels: (m, n) labels.
        classes: (k,) the classes, ascending.
        C: (m,) inverse regularisation of each.
        tolerance: largest component of a mean objective's gradient in scaled coordinates.
        weights: (m, n) weights of mean 1; an example whose weight is zero is left out. None: 1.
        start: weights (m, k, r) and intercepts (m, k) where they begin; none is zero.

    Returns:
        Optimal weights (m, k, r) and intercepts (m, k).

    Raises:
        RuntimeError: one did not converge.
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
            weight[fits], bias[fits] = solve(design, *given)
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
    probability = _softmax(logits_of(weight, bias, transposed))[0]
    return np.mean(probability * (1 - probability), axis=(1, 2), keepdims=True)


def logits_of(weight: np.ndarray, bias: np.ndarray, transposed: np.ndarray) -> np.ndarray:
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
    logits = logits_of(weight, bias, transposed)
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
