"""Convex problems minimised side by side end at their own minima, and are asked for no longer than they need."""

import numpy as np

from causalgrok.interventions.lbfgs import minimise


def quadratics(conditions, q=30, seed=0):
    """Objective of problems (p,) with Hessians of given condition numbers, and their minima (p, q)."""
    rng = np.random.default_rng(seed)
    scales = np.array([np.geomspace(1, 1 / condition, q) for condition in conditions])
    minima, asked = rng.standard_normal((len(conditions), q)), np.zeros(len(conditions), dtype=int)

    def objective(points, problems):
        asked[problems] += 1
        apart = points - minima[problems]
        return (scales[problems] * apart**2).sum(axis=1) / 2, scales[problems] * apart

    return objective, minima, asked


def test_every_problem_ends_at_its_minimum():
    objective, minima, asked = quadratics([1, 10, 300])
    found, gradient = minimise(objective, np.zeros_like(minima), 1e-9, rounding=1e-15)
    np.testing.assert_allclose(found, minima, atol=1e-5)
    assert gradient.max() <= 1e-9
    assert asked[0] <= 3 and asked[0] < asked[1] < asked[2] < 200


def test_a_problem_beside_others_is_as_alone():
    objective, minima, _ = quadratics([10, 300])
    both, _ = minimise(objective, np.zeros_like(minima), 1e-6, rounding=1e-15)
    alone, _ = minimise(lambda x, _: objective(x, np.array([1])), np.zeros_like(minima[:1]), 1e-6, rounding=1e-15)
    np.testing.assert_allclose(both[1], alone[0], atol=1e-12)


def test_a_step_that_is_too_long_is_shortened():
    def objective(points, problems):
        return np.logaddexp(50 * points, -50 * points).sum(axis=1), 50 * np.tanh(50 * points)

    found, gradient = minimise(objective, np.full((1, 2), 0.3), 1e-6, rounding=1e-15)
    np.testing.assert_allclose(found, 0, atol=1e-8)
    assert gradient.max() <= 1e-6


def test_what_cannot_be_solved_shows_its_gradient():
    objective, minima, _ = quadratics([300])
    _, gradient = minimise(objective, np.zeros_like(minima), 1e-9, rounding=1e-15, iterations=3)
    assert gradient.max() > 1e-4
