"""A classifier that may not read some directions is the classifier of features without them."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from causalgrok.interventions.design import Design
from causalgrok.interventions.logistic import fit_logistic


def data(n, d, seed=0):
    """Anisotropic, scaled features of three classes, with a dead channel."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    values = rng.standard_normal((n, d)) @ (rng.standard_normal((d, d)) / np.arange(1, d + 1)).T
    values = (values + 0.3 * rng.standard_normal((3, d))[labels]) * rng.uniform(0.1, 10, d) + rng.uniform(0, 3, d)
    values[:, 2] = 0.1
    return values, labels, rng.standard_normal((d, 3)) * np.append(np.ones(d - 1), 5)[:, None]


@pytest.mark.parametrize("shape", [(200, 30), (60, 90)])
def test_classifier_that_may_not_read_is_that_of_projected_features(shape):
    values, labels, directions = data(*shape)
    design = Design.of(values)
    part = design.without(directions)
    standard = (values - design.mean) / design.scale
    standard[:, 2] = 0
    unread = np.linalg.qr(directions / design.scale[:, None])[0]
    projected = standard - standard @ unread @ unread.T
    np.testing.assert_allclose(part.coordinates @ part.axes[np.arange(shape[1]) != 2].T, projected[:, design.live])
    np.testing.assert_allclose(part.coordinates.T @ part.coordinates / shape[0], part.covariance, atol=1e-9)

    probe = fit_logistic(part, labels, C=0.1)
    reference = LogisticRegression(C=0.1, tol=1e-8, max_iter=20_000).fit(projected, labels)
    np.testing.assert_allclose(probe.weight[:, design.live], reference.coef_[:, design.live], atol=1e-3)
    np.testing.assert_allclose(probe.raw_weight @ directions, 0, atol=1e-9)
    assert np.mean(probe.predict(values) == reference.predict(projected)) > 0.98
    assert np.abs(probe.weight - fit_logistic(design, labels, C=0.1).weight).max() > 0.02


@pytest.mark.parametrize("shape", [(200, 60), (60, 90)])
def test_leading_axes_are_completed_and_classify_alike(shape):
    values, labels, directions = data(*shape)
    design, exact = Design.of(values, leading=8), Design.of(values)
    varying = np.arange(shape[1]) != 2
    axes = design.axes[varying]
    assert axes.shape == (shape[1] - 1, shape[1]) and np.all(design.axes[2] == 0)
    np.testing.assert_allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-12)
    standard = ((values - design.mean) / design.scale)[:, varying]
    np.testing.assert_allclose(design.coordinates, standard @ axes, atol=1e-9)
    np.testing.assert_allclose(np.mean(design.coordinates**2, axis=0), design.covariance)
    assert np.sort(exact.covariance)[-8:].sum() * 0.98 < design.covariance[:8].sum() < exact.covariance.sum()
    for part, whole in ((design, exact), (design.without(directions), exact.without(directions))):
        np.testing.assert_allclose(
            fit_logistic(part, labels, C=0.1).weight, fit_logistic(whole, labels, C=0.1).weight, atol=1e-4
        )
    np.testing.assert_array_equal(Design.of(values, leading=8).coordinates, design.coordinates)
    np.testing.assert_array_equal(Design.of(values, leading=40).axes, exact.axes)


def test_nothing_and_dependent_directions():
    values, _, directions = data(200, 30)
    design = Design.of(values)
    same = design.without(np.zeros((30, 0)))
    np.testing.assert_allclose(same.coordinates, design.coordinates)
    np.testing.assert_allclose(same.covariance, np.diag(design.covariance), atol=1e-12)
    twice = design.without(np.hstack([directions, directions @ np.ones((3, 1))]))
    np.testing.assert_allclose(twice.coordinates, design.without(directions).coordinates, atol=1e-9)
    assert design.live.tolist() == [channel != 2 for channel in range(30)]


def test_everything_taken_out_leaves_nothing():
    values, labels, _ = data(200, 30)
    probe = fit_logistic(Design.of(values).without(np.eye(30)), labels, C=1.0)
    np.testing.assert_allclose(probe.weight, 0, atol=1e-9)
