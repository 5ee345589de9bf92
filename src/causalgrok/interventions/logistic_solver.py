"""The minimum of logistic regression's objective for many label vectors side by side; see `logistic` for what it is.

Rows of k classes sum to zero, so that k - 1 rows are sought, in an orthonormal basis of such sums (Helmert's); the
norm of the weights is theirs. A vector of fewer classes than the others leaves its last rows zero. In the coordinates
of a `Design` the Hessian is close to diagonal, ``curvature * covariance + 1 / (C n)``: scaled by its root, L-BFGS
converges in 10 to 50 iterations instead of hundreds. The curvature is that at the start: where examples are classified
with ever more certainty it falls, so that a fit that begins near its end takes fewer steps and is stopped in time.
"""

from copy import copy

import numpy as np
from scipy.linalg import helmert, solve_triangular

from causalgrok.interventions.design import Design
from causalgrok.interventions.lbfgs import minimise
from causalgrok.interventions.products import product

_FLATTEST = 1e-3
"""Least curvature that is scaled by: where every example is classified with certainty there is none."""


def solve(
    design: Design,
    codes: np.ndarray,
    classes: np.ndarray,
    C: np.ndarray,
    tolerance: float,
    weights: np.ndarray | None = None,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise the objectives of m label vectors over at most k classes, in the precision of the coordinates.

    Args:
        design: the examples, in coordinates (n, r).
        codes: (m, n) labels as 0 to classes - 1; of no account where the weight is zero.
        classes: (m,) how many classes each vector has, k at most.
        C: (m,) inverse regularisation of each.
        tolerance: largest component of a mean objective's gradient in scaled coordinates.
        weights: (m, n) weights of mean 1; an example whose weight is zero is left out. None: 1.
        start: weights (m, k, r) and intercepts (m, k) where they begin; none is zero.

    Returns:
        Optimal weights (m, k, r) and intercepts (m, k); rows beyond a vector's classes are zero.

    Raises:
        RuntimeError: one did not converge.
    """
    (n, r), m, k = design.coordinates.shape, len(codes), int(classes.max())
    weights = np.ones((m, n)) if weights is None else weights
    weight, bias = start or (np.zeros((m, k, r)), np.zeros((m, k)))
    if design.covariance.ndim == 2 and len(np.unique(C)) > 1:  # fits share a root only at one C
        weight, bias = weight.copy(), bias.copy()
        for value in np.unique(C):
            fits = value == C
            given = codes[fits], classes[fits], C[fits], tolerance, weights[fits], (weight[fits], bias[fits])
            weight[fits], bias[fits] = solve(design, *given)
        return weight, bias
    objective = _Objective(design, codes, weight.shape[1], classes, C, weights)
    found, gradient = minimise(objective, objective.begin(weight, bias), tolerance, rounding=10 * objective.precision)
    # Rounding can stop the line search just short of the tolerance; anything more is no optimum.
    if gradient.max() > 10 * tolerance:
        worst = np.argmax(gradient)
        raise RuntimeError(
            f"logistic regression did not converge at C = {C[worst]:g}: its gradient is {gradient[worst]:.2g}"
        )
    return objective.end(found)


def logits_of(weight: np.ndarray, bias: np.ndarray, design: Design) -> np.ndarray:
    """Logits (m, k, n) of a design's examples: one product for all rows, so that these are read once."""
    rows = weight.reshape(-1, weight.shape[-1]).astype(design.coordinates.dtype, copy=False)
    return product(rows, design.coordinates.T).reshape(*bias.shape, -1) + bias[..., None].astype(rows.dtype, copy=False)


class _Objective:
    """Mean objectives and gradients of m label vectors, at parameters (m, (k - 1) * (r + 1)) scaled by the Hessian."""

    def __init__(
        self, design: Design, codes: np.ndarray, k: int, classes: np.ndarray, C: np.ndarray, weights: np.ndarray
    ):
        dtype = design.coordinates.dtype
        self.design, self.classes, self.precision = design, classes, np.finfo(dtype).eps
        self.weights = weights.astype(dtype, copy=False)
        self.contrasts = helmert(k).astype(dtype)
        self.targets = self.contrasts[:, codes]
        # Classes that a vector lacks have no probability, and rows of theirs are zero.
        self.absent = np.where(np.arange(k)[:, None] < classes, 0, -np.inf).astype(dtype)[..., None]
        self.present = np.arange(1, k)[:, None] < classes
        # Binary coefficients stand as two opposite rows of half their length, which have half their squared norm.
        self.decay = (np.where(classes == 2, 2, 1) / (C * np.count_nonzero(weights, axis=1)))[:, None, None]
        self.part: tuple[np.ndarray, _Objective] | None = None

    def begin(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Scaled parameters of weights (m, k, r) and intercepts (m, k); scales by the curvature there."""
        rows, offsets = self.contrasts @ weight, self.contrasts @ bias[..., None]
        probability = self._probabilities(self._logits(rows, offsets))[0]
        spread = np.mean((1 - np.sum(probability**2, axis=0)) * self.weights, axis=1, dtype=np.float64)
        curvature = np.maximum(spread / np.maximum(self.classes - 1, 1), _FLATTEST)[:, None, None]
        root, inverse = _roots(curvature, self.design.covariance, self.decay)
        dtype = self.weights.dtype
        self.scaling, self.shift = inverse.astype(dtype), (1 / np.sqrt(curvature)).astype(dtype)
        self.decay = self.decay.astype(dtype)
        begin = np.concatenate([_times(rows, root), offsets * np.sqrt(curvature)], axis=2)
        return begin.reshape(len(weight), -1).astype(dtype)

    def end(self, scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (m, k, r) and intercepts (m, k) of scaled parameters."""
        rows, offsets = self._unscaled(scaled)
        return self.contrasts.T @ rows, (self.contrasts.T @ offsets)[..., 0]

    def __call__(self, scaled: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Objectives (a,) of the chosen label vectors (a,), and their gradients."""
        if self.part is None or not np.array_equal(chosen, self.part[0]):
            self.part = chosen, self._of(chosen)
        return self.part[1]._evaluated(scaled)

    def _of(self, chosen: np.ndarray) -> "_Objective":
        """The objectives of the chosen label vectors alone."""
        part = copy(self)
        part.classes, part.weights, part.decay, part.shift = (
            array[chosen] for array in (self.classes, self.weights, self.decay, self.shift)
        )
        part.targets, part.absent, part.present = (
            array[:, chosen] for array in (self.targets, self.absent, self.present)
        )
        part.scaling = self.scaling[chosen] if self.scaling.ndim == 3 else self.scaling
        return part

    def _evaluated(self, scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, offsets = self._unscaled(scaled)
        logits, n = self._logits(rows, offsets), self.targets.shape[-1]
        probability, normaliser = self._probabilities(logits)
        loss = np.sum(self.weights * (normaliser - np.sum(logits * self.targets, axis=0)), axis=1, dtype=np.float64) / n
        loss += np.sum(self.decay * rows**2, axis=(1, 2), dtype=np.float64) / 2
        residual = self._mixed(self.contrasts, probability)
        residual -= self.targets
        residual *= self.weights / scaled.dtype.type(n)
        gradient = self._product(residual, self.design.coordinates).swapaxes(0, 1) + self.decay * rows
        gradient = _times(gradient, self.scaling if self.scaling.ndim == 3 else self.scaling.T)
        of_offsets = residual.sum(axis=2).T[..., None] * self.shift
        return loss, np.concatenate([gradient, of_offsets], axis=2).reshape(len(scaled), -1)

    def _unscaled(self, scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows (m, k - 1, r) and offsets (m, k - 1, 1)."""
        parameters = scaled.reshape(len(scaled), len(self.contrasts), -1)
        return _times(parameters[..., :-1], self.scaling), parameters[..., -1:] * self.shift

    def _logits(self, rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Logits (k - 1, m, n) in the basis of the contrasts."""
        rows, offsets = (part.swapaxes(0, 1).astype(self.weights.dtype, copy=False) for part in (rows, offsets))
        return self._product(rows, self.design.coordinates.T) + offsets

    def _product(self, rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """Rows (k - 1, m, p) times a matrix (p, q), but for those of classes that a vector lacks, which are zero."""
        found = np.zeros((*rows.shape[:2], matrix.shape[1]), dtype=rows.dtype)
        found[self.present] = product(rows[self.present], matrix)
        return found

    def _probabilities(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (k, m, n), and the logarithm of their normaliser (m, n)."""
        logits = self._mixed(self.contrasts.T, logits)
        logits += self.absent
        largest = logits.max(axis=0)
        np.exp(np.subtract(logits, largest, out=logits), out=logits)
        total = logits.sum(axis=0)
        return np.divide(logits, total, out=logits), np.log(total) + largest

    @staticmethod
    def _mixed(matrix: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """A matrix (k, j) times logits (j, m, n)."""
        return (matrix @ logits.reshape(len(logits), -1)).reshape(len(matrix), *logits.shape[1:])


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
