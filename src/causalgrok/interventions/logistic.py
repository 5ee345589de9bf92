"""Logistic regression on standardised features, fitted many times over on the same examples.

Minimised is scikit-learn's objective, ``C * sum of log losses + ||W||^2 / 2`` with a free intercept: multinomial with a
row a class, binary as one row that stands here as two of opposite sign. All folds, targets and values of C share the
principal axes of a `Design`, and are fitted side by side, so that the features pass through the cache once for all of
them; each stops by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from causalgrok.interventions.design import Design
from causalgrok.interventions.logistic_solver import logits_of, solve

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
    solutions = solve(design, labels, classes, np.full(len(labels), C), _REFITTING, weights)
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
        weight, bias = solve(screened, each(present), classes, values, _SCREENING, each(given))
        weight, bias = (array.reshape(len(vectors), len(grid), *array.shape[1:]) for array in (weight, bias))
        for fit, (vector, rows) in enumerate(zip(vectors, left_out, strict=True)):
            logits = logits_of(weight[fit], bias[fit], np.ascontiguousarray(screened.coordinates[rows].T))
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
        solutions = solve(design, labels[vectors], classes, grid[best[vectors]], _TOLERANCE, given, start)
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
    weight, bias = solve(design, labels[None], _classes(labels), np.array([C]), _TOLERANCE, weights)
    return weight[0], bias[0]
