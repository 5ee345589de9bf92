"""Logistic regression on standardised features, fitted many times over on the same examples.

Minimised is scikit-learn's objective, ``C * sum of log losses + ||W||^2 / 2`` with a free intercept: multinomial with a
row a class, binary as one row that stands here as two of opposite sign. All folds and targets share the principal
axes of a `Design`, and are fitted side by side, so that the features pass through the cache once for all of them; each
stops by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from causalgrok.interventions.design import Design
from causalgrok.interventions.logistic_solver import logits_of, solve

_TOLERANCE = 2e-6
"""Largest component of the mean objective's gradient in scaled coordinates; probabilities are then right to 1e-4."""

_CLOSE = 5e-6
"""The same for the fit in single precision from which that one begins."""

_SCREENING = 1e-3
"""The same for the folds, which only rank the values of C: right to about 1 % of the examples."""

_BEHIND = 0.02
"""How far behind the best in accuracy a value of C may then be to have its folds fitted on."""

_RANKING = 5e-5
"""The same for these: right to about two examples in a thousand."""

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
        weight = self.raw_weight.T
        return self.classes[np.argmax(features @ weight + (self.bias - self.mean @ weight), axis=1)]


def fit_logistic(design: Design, labels: np.ndarray, *, C: float, weights: np.ndarray | None = None) -> LogisticProbe:
    """Fit labels (n,) at one inverse regularisation C, examples weighted by `weights` (n,) of mean 1 if given.

    Raises:
        ValueError: there are fewer than two classes.
    """
    classes, weights = _classes(labels), None if weights is None else weights[None]
    weight, bias = _optima(design, labels[None], np.array([C]), weights)
    return _probe(design, classes, (weight[0], bias[0]), C)


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
    codes, counts = _coded(labels)
    solutions = solve(design, codes, counts, np.full(len(labels), C), _REFITTING, weights)
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
    best, start = _ranked(design, labels, folds, grid, weights)
    weights = None if weights is None else np.tile(weights, (len(labels), 1))
    solutions = _optima(design, labels, grid[best], weights, start)
    return [
        _probe(design, np.unique(vector), solution, float(C))
        for vector, C, *solution in zip(labels, grid[best], *solutions, strict=True)
    ]


def _ranked(
    design: Design, labels: np.ndarray, folds: np.ndarray, grid: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The index (m,) of the best C of a grid, and weights (m, k, r) and intercepts (m, k) near those of all examples.

    Every fold is fitted loosely along the grid, each time from the values of C before; those that may still be the best
    are then fitted tightly. Single precision is enough to rank them.
    """
    vectors = np.repeat(np.arange(len(labels)), [len(np.unique(row)) for row in folds])
    left_out = np.concatenate([np.unique(row)[:, None] == row for row in folds])
    given = ~left_out * (1.0 if weights is None else weights)
    given /= given.mean(axis=1, keepdims=True)
    codes, classes = _coded(labels[vectors], ~left_out)
    each = _coded(labels)[1]
    shape = len(vectors), len(grid), each.max()
    weight = np.zeros((*shape, design.coordinates.shape[1]), dtype=np.float32)
    bias, right = np.zeros(shape, dtype=np.float32), np.zeros(shape[:2], dtype=int)

    def fit(fits: np.ndarray, values: np.ndarray, start: Sequence[np.ndarray], tolerance: float) -> np.ndarray:
        """Fit some folds at some indices of C; how many examples are right (m, values) at each C so far."""
        found = solve(design.single, codes[fits], classes[fits], grid[values], tolerance, given[fits], start)
        weight[fits, values], bias[fits, values] = found
        said = np.argmax(logits_of(*found, design.single), axis=1)
        right[fits, values] = np.sum((said == codes[fits]) & left_out[fits], axis=1)
        return np.stack([right[vectors == vector].sum(axis=0) for vector in range(len(labels))])

    every = np.arange(len(vectors))
    for value in range(len(grid)):
        start = [_extrapolated(grid[: value + 1], part[:, :value]) for part in (weight, bias)]
        correct = fit(every, np.full(len(vectors), value), start, _SCREENING)
    contending = correct >= correct.max(axis=1, keepdims=True) - _BEHIND * labels.shape[1]
    fits, at = np.nonzero((contending & (contending.sum(axis=1, keepdims=True) > 1))[vectors])
    if len(fits):
        correct = np.where(contending, fit(fits, at, (weight[fits, at], bias[fits, at]), _RANKING), -1)
    best = np.argmax(correct, axis=1)
    # The mean of the folds' solutions is close to the one of all examples.
    whole = (classes == each[vectors]) & (vectors == np.arange(len(labels))[:, None])
    share = whole / np.maximum(whole.sum(axis=1, keepdims=True), 1)
    chosen = weight[every, best[vectors]], bias[every, best[vectors]]
    return best, tuple(np.einsum("mf,f...->m...", share, part) for part in chosen)


def _extrapolated(grid: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """A guess (f, ...) at the last C of a grid, on the line in log C through the two (f, values, ...) before it."""
    if len(grid) < 3:
        return fitted[:, -1] if fitted.size else np.zeros_like(fitted, shape=(len(fitted), *fitted.shape[2:]))
    steps = np.diff(np.log(grid[-3:]))
    return fitted[:, -1] + (steps[1] / steps[0] * (fitted[:, -1] - fitted[:, -2])).astype(fitted.dtype)


def _coded(labels: np.ndarray, given: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Labels (m, n) as 0 to classes - 1 of those (m, n) that are given, the others as -1; and the classes (m,)."""
    codes, counts = np.full(labels.shape, -1), np.zeros(len(labels), dtype=int)
    for row, vector in enumerate(labels):
        classes = np.unique(vector if given is None else vector[given[row]])
        counts[row] = len(classes)
        for code, label in enumerate(classes):
            codes[row, vector == label] = code
    return codes, counts


def _classes(labels: np.ndarray) -> np.ndarray:
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(f"a probe needs at least two classes; its fitting labels are all {classes.tolist()}")
    return classes


def _probe(design: Design, classes: np.ndarray, solution: Sequence[np.ndarray], C: float) -> LogisticProbe:
    weight, bias = (part[: len(classes)] for part in solution)
    return LogisticProbe(classes, weight @ design.axes.T, bias, design.mean, design.scale, C)


def _optima(
    design: Design,
    labels: np.ndarray,
    C: np.ndarray,
    weights: np.ndarray | None,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Optimal weights (m, k, r) and intercepts (m, k) for label vectors (m, n), each at its C (m,)."""
    codes, counts = _coded(labels)
    # Single precision comes close at half the cost.
    start = solve(design.single, codes, counts, C, _CLOSE, weights, start)
    return solve(design, codes, counts, C, _TOLERANCE, weights, start)
