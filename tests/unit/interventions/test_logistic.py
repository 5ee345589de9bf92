"""The logistic probe is scikit-learn's, in any shape of features, and its C comes from left-out slides."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from causalgrok.interventions.logistic import Design, fit_logistic, fit_many, fit_validated, fit_validated_many


def data(n, d, classes, seed=0):
    """Anisotropic, shifted and scaled rectified features with class effects and two dead channels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    mixing = rng.standard_normal((d, d)) / np.arange(1, d + 1)
    values = rng.standard_normal((n, d)) @ mixing.T + 0.3 * rng.standard_normal((classes, d))[labels]
    values = np.maximum(values * rng.uniform(0.01, 10, d) + rng.uniform(0, 3, d), 0).astype(np.float32)
    values[:, 1] = 0
    values[:, 3] = 0.1
    return values, labels


@pytest.mark.parametrize("shape", [(150, 40), (150, 400), (400, 150)])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("C", [1e-3, 1e-1, 1.0])
def test_same_optimum_as_sklearn(shape, classes, C):
    values, labels = data(*shape, classes)
    labels = np.array([0, 3, 4])[labels]
    probe = fit_logistic(Design.of(values), labels, C=C)
    scaler = StandardScaler().fit(values.astype(np.float64))
    standard = scaler.transform(values.astype(np.float64))
    reference = LogisticRegression(C=C, tol=1e-8, max_iter=20_000).fit(standard, labels)
    logits = standard @ probe.weight.T + probe.bias
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.abs(probability - reference.predict_proba(standard)).max() < 1e-3
    coefficients = reference.coef_ if classes > 2 else np.vstack([-reference.coef_, reference.coef_]) / 2
    np.testing.assert_allclose(probe.weight, coefficients, atol=1e-3)
    raw = values.astype(np.float64) @ probe.raw_weight.T
    np.testing.assert_allclose(raw - raw.mean(axis=0), logits - logits.mean(axis=0), atol=1e-9)
    assert np.mean(probe.predict(values) == reference.predict(standard)) > 0.99
    assert probe.classes.tolist() == [0, 3, 4][:classes]


@pytest.mark.parametrize("classes", [2, 3])
def test_weights_are_those_of_sklearn(classes):
    values, labels = data(150, 40, classes)
    weights = np.random.default_rng(1).uniform(0.1, 3, 150)
    weights /= weights.mean()
    probe = fit_logistic(Design.of(values), labels, C=0.1, weights=weights)
    standard = StandardScaler().fit_transform(values.astype(np.float64))
    reference = LogisticRegression(C=0.1, tol=1e-8, max_iter=20_000).fit(standard, labels, sample_weight=weights)
    coefficients = reference.coef_ if classes > 2 else np.vstack([-reference.coef_, reference.coef_]) / 2
    np.testing.assert_allclose(probe.weight, coefficients, atol=1e-3)
    assert np.abs(probe.weight - fit_logistic(Design.of(values), labels, C=0.1).weight).max() > 0.01
    validated = fit_validated(Design.of(values), labels, np.arange(150) // 20 % 3, [0.1], weights=weights)
    np.testing.assert_allclose(validated.weight, probe.weight, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_side_by_side_fits_are_those_of_one_alone(classes):
    values, labels = data(150, 40, classes)
    rng = np.random.default_rng(2)
    many = np.stack([np.array([0, 3, 4])[rng.permutation(labels)] for _ in range(5)])
    weights = rng.uniform(0.5, 1.5, (5, 150))
    weights /= weights.mean(axis=1, keepdims=True)
    design = Design.of(values)
    for given in (None, weights):
        for index, probe in enumerate(fit_many(design, many, C=0.1, weights=given)):
            alone = fit_logistic(design, many[index], C=0.1, weights=None if given is None else given[index])
            size = np.linalg.norm(alone.weight)
            assert np.linalg.norm(probe.weight - alone.weight) < 0.02 * size
            assert probe.classes.tolist() == alone.classes.tolist() and probe.C == 0.1
            np.testing.assert_allclose(probe.bias, alone.bias, atol=0.01)


def test_dead_channels_get_no_weight():
    values, labels = data(150, 40, 3)
    probe = fit_logistic(Design.of(values), labels, C=1.0)
    np.testing.assert_array_equal(probe.weight[:, [1, 3]], 0)
    np.testing.assert_allclose(probe.scale[[1, 3]], 1)


def test_c_is_the_best_of_the_grid_on_left_out_folds():
    values, labels = data(240, 60, 3)
    folds = np.arange(240) // 20 % 3
    grid = [1.0, 1e-4, 1e-2]
    probe = fit_validated(Design.of(values), labels, folds, grid)
    standard = StandardScaler().fit_transform(values.astype(np.float64))
    correct = {}
    for C in grid:
        models = {fold: LogisticRegression(C=C, tol=1e-8, max_iter=20_000) for fold in range(3)}
        correct[C] = sum(
            np.sum(model.fit(standard[folds != fold], labels[folds != fold]).predict(standard[folds == fold]) == truth)
            for fold, model in models.items()
            for truth in [labels[folds == fold]]
        )
    best = max(correct.values())
    assert len(set(correct.values())) > 1
    assert min(C for C in grid if correct[C] == best) == probe.C
    np.testing.assert_allclose(probe.weight, fit_logistic(Design.of(values), labels, C=probe.C).weight, atol=1e-3)


@pytest.mark.parametrize("shape", [(600, 40), (300, 400)])
def test_folds_that_are_stopped_early_rank_c_as_those_that_are_not(shape):
    """Near ties, separable folds and labels of noise: what is chosen classifies as well as any C, but for rounding."""
    values, labels = data(*shape, 3, seed=4)
    n, grid = shape[0], [1e-3, 1e-2, 1e-1, 1.0, 10.0]
    many = np.stack([labels, np.minimum(labels, 1), *np.random.default_rng(5).integers(0, 3, (2, n))])
    folds = np.tile(np.arange(n) // 20 % 3, (len(many), 1))
    design = Design.of(values, leading=8)
    standard, chosen = (values - design.mean) / design.scale, fit_validated_many(design, many, folds, grid)
    for vector, probe in zip(many, chosen, strict=True):
        correct = dict.fromkeys(grid, 0)
        for C in grid:
            for fold in range(3):
                out = folds[0] == fold
                fitted = LogisticRegression(C=C, tol=1e-7, max_iter=20_000).fit(standard[~out], vector[~out])
                correct[C] += np.sum(fitted.predict(standard[out]) == vector[out])
        assert correct[probe.C] >= max(correct.values()) - 2


def test_validated_side_by_side_is_as_alone():
    values, labels = data(240, 60, 3)
    many = np.stack([labels, np.random.default_rng(3).permutation(labels), np.minimum(labels, 1)])
    folds = np.stack([np.arange(240) // 20 % 3, np.arange(240) % 3, np.arange(240) // 10 % 4])
    design = Design.of(values)
    for vector, fold, probe in zip(many, folds, fit_validated_many(design, many, folds, [1e-3, 1e-1]), strict=True):
        alone = fit_validated(design, vector, fold, [1e-3, 1e-1])
        assert probe.C == alone.C and probe.classes.tolist() == alone.classes.tolist()
        np.testing.assert_allclose(probe.weight, alone.weight, atol=1e-3)


def test_a_fold_without_a_class_is_survived():
    values, labels = data(120, 20, 3)
    probe = fit_validated(Design.of(values), labels, labels, [1e-1, 1e-2])  # each fold leaves a class out
    assert probe.C == 1e-2 and probe.classes.tolist() == [0, 1, 2]
    two = np.minimum(labels, 1)
    assert fit_validated(Design.of(values), two, two, [1e-2, 1e-1]).weight.shape == (2, 20)


def test_refusals():
    values, _ = data(60, 10, 2)
    with pytest.raises(ValueError, match=r"at least two classes.*\[7\]"):
        fit_logistic(Design.of(values), np.full(60, 7), C=1.0)
    with pytest.raises(ValueError, match=r"at least two classes.*\[7\]"):
        fit_validated(Design.of(values), np.full(60, 7), np.arange(60) % 3, [1.0])
    with pytest.raises(ValueError, match=r"same classes, all of \[0, 1, 2\]"):
        fit_many(Design.of(values), np.stack([np.arange(60) % 3, np.arange(60) % 2]), C=1.0)
    values[4, 2] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        Design.of(values)
