"""L-BFGS for many convex problems side by side: each takes its own steps and stops by itself, evaluations are shared.

Nocedal, Wright: Numerical Optimization (2006), algorithm 7.4, with backtracking: for strictly convex functions every
step then has positive curvature.
"""

from collections.abc import Callable

import numpy as np

Objective = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

_MEMORY = 5
_DECREASE = 1e-4
"""The share of the decrease which the slope promises that a step must keep."""

_SHORTEST = 1e-6
"""A step this much shorter than a whole one has met rounding: there is nothing left to gain."""


def minimise(
    objective: Objective, start: np.ndarray, tolerance: float, *, rounding: float, iterations: int = 10_000
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise p smooth convex functions of q numbers each, well scaled: a gradient is about the way to the minimum.

    Args:
        objective: takes points (a, q) and the problems (a,) they belong to; gives losses (a,) and gradients (a, q).
        start: (p, q) where they begin, in the precision of the gradients.
        tolerance: the largest component of a gradient at which a problem is solved.
        rounding: the relative error of a loss.
        iterations: steps, at most.

    Returns:
        The minima (p, q), and the largest component (p,) of the gradient at each.
    """
    minima, largest = start.copy(), np.empty(len(start))
    problems, x = np.arange(len(start)), start.copy()
    loss, gradient = objective(x, problems)
    memory: list[tuple[np.ndarray, ...]] = []
    stuck = np.zeros(len(start), dtype=bool)
    for _ in range(iterations):
        size = np.abs(gradient).max(axis=1)
        if (open_ := (size > tolerance) & ~stuck).sum() < len(problems):
            minima[problems[~open_]], largest[problems[~open_]] = x[~open_], size[~open_]
            problems, x, loss, gradient = problems[open_], x[open_], loss[open_], gradient[open_]
            memory = [tuple(part[open_] for part in pair) for pair in memory]
        if not len(problems):
            break
        direction = _direction(gradient, memory)
        moved, loss, new_gradient, stuck = _search(objective, problems, x, loss, gradient, direction, rounding)
        memory = [*memory[-_MEMORY + 1 :], _pair(moved - x, new_gradient - gradient)]
        x, gradient = moved, new_gradient
    minima[problems], largest[problems] = x, np.abs(gradient).max(axis=1, initial=0)
    return minima, largest


def _pair(step: np.ndarray, change: np.ndarray) -> tuple[np.ndarray, ...]:
    """Steps and changes of gradients (a, q), one over the curvature (a,) along them, or 0, and their scale (a,)."""
    curvature, square = np.einsum("aq,aq->a", step, change), np.einsum("aq,aq->a", change, change)
    positive = curvature > 0
    inverse = np.divide(1, curvature, out=np.zeros_like(curvature), where=positive)
    return step, change, inverse, np.divide(curvature, square, out=np.ones_like(square), where=positive)


def _direction(gradient: np.ndarray, memory: list[tuple[np.ndarray, ...]]) -> np.ndarray:
    """Minus the approximate inverse Hessians times the gradients (a, q), from remembered pairs."""
    direction, weights = -gradient, []
    for step, change, inverse, _ in reversed(memory):
        weights.append(inverse * np.einsum("aq,aq->a", step, direction))
        direction -= weights[-1][:, None] * change
    if memory:
        direction *= memory[-1][3][:, None]
    for (step, change, inverse, _), weight in zip(memory, reversed(weights), strict=True):
        direction += (weight - inverse * np.einsum("aq,aq->a", change, direction))[:, None] * step
    return direction


def _search(
    objective: Objective,
    problems: np.ndarray,
    x: np.ndarray,
    loss: np.ndarray,
    gradient: np.ndarray,
    direction: np.ndarray,
    rounding: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points (a, q) along the directions, their losses and gradients, and where (a,) no step was short enough."""
    slope = np.einsum("aq,aq->a", gradient, direction)
    # Nearly always the whole step is good for all.
    moved = x + direction
    new_loss, new_gradient = objective(moved, problems)
    length = np.ones(len(x), dtype=x.dtype)

    def too_high(losses: np.ndarray, some: np.ndarray) -> np.ndarray:
        bound = loss[some] + _DECREASE * length[some] * slope[some] + rounding * np.abs(loss[some])
        return some[~(losses <= bound)]

    pending = too_high(new_loss, np.arange(len(x)))
    while len(pending):
        length[pending] /= 2
        short = length[pending] <= _SHORTEST
        stuck, pending = pending[short], pending[~short]
        moved[stuck], new_loss[stuck], new_gradient[stuck] = x[stuck], loss[stuck], gradient[stuck]
        if len(pending):
            moved[pending] = x[pending] + length[pending, None] * direction[pending]
            new_loss[pending], new_gradient[pending] = objective(moved[pending], problems[pending])
            pending = too_high(new_loss[pending], pending)
    return moved, new_loss, new_gradient, length <= _SHORTEST
