"""Accuracy and AUROC agree with scikit-learn, ties, missing classes and all; margin and scale with their formulas."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from causalgrok.interventions.features import SPLITS, Features
from causalgrok.interventions.scoring import score_heads
from causalgrok.scoring import accuracy, auroc, logit_scale, margin


def test_binary_agrees_with_sklearn_over_many_arrays_with_ties():
    rng = np.random.default_rng(0)
    logits, labels = np.round(rng.standard_normal((3, 4, 200, 2)), 1), rng.integers(0, 2, 200)
    areas, accuracies = auroc(logits, labels), accuracy(logits, labels)
    assert areas.shape == accuracies.shape == (3, 4)
    for index in np.ndindex(3, 4):
        scores = logits[index][:, 1] - logits[index][:, 0]
        assert areas[index] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        assert accuracies[index] == accuracy_score(labels, logits[index].argmax(axis=1))


def test_multiclass_is_macro_one_vs_rest_of_softmax():
    rng = np.random.default_rng(1)
    logits, labels = 2 * rng.standard_normal((5, 300, 4)), rng.integers(0, 4, 300)
    probability = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = [roc_auc_score(labels, one, multi_class="ovr", average="macro") for one in probability]
    np.testing.assert_allclose(auroc(logits, labels), expected, atol=1e-12)
    # The softmax does not see a constant that is added to all logits of one example.
    np.testing.assert_allclose(auroc(logits + rng.standard_normal((300, 1)), labels), expected, atol=1e-12)


def test_extremes_and_gaps():
    labels = np.array([0, 0, 1, 1])
    perfect = np.array([[0, -2.0], [0, -1], [0, 1], [0, 2]])
    assert auroc(perfect, labels) == 1.0
    assert auroc(-perfect, labels) == 0.0
    assert auroc(np.zeros((4, 2)), labels) == 0.5
    assert np.isnan(auroc(perfect, np.zeros(4, dtype=int)))
    assert np.isnan(auroc(np.zeros((4, 3)), labels))
    assert np.isnan(auroc(np.full((4, 2), np.nan), labels))


def test_heads_are_scored_like_networks_with_that_head(planted_features, monkeypatch):
    planted = planted_features(reads="both")
    rng = np.random.default_rng(2)
    weight, bias = rng.standard_normal((7, 2, 24)), rng.standard_normal((7, 2))
    cases = pd.DataFrame({"case": range(7)})
    frame = score_heads(planted.features, 10, cases, weight, bias)
    assert len(frame) == 7 * len(SPLITS) and set(frame["epoch"]) == {10}
    for row in frame.itertuples():
        logits = planted.features.at(10, row.split) @ weight[row.case].T + bias[row.case]
        labels = planted.features.labels(row.split)
        assert row.accuracy == accuracy_score(labels, logits.argmax(axis=1))
        assert row.auroc == pytest.approx(roc_auc_score(labels, logits[:, 1] - logits[:, 0]), abs=1e-12)
        unaltered = planted.features.head(10).logits(planted.features.at(10, row.split))
        assert row.flip_fraction == np.mean(logits.argmax(axis=1) != unaltered.argmax(axis=1))
    assert frame["flip_fraction"].between(0.05, 0.95).any()
    # Whether heads are scored in one block or in several changes nothing.
    monkeypatch.setattr("causalgrok.interventions.scoring._BLOCK", 1500)
    pd.testing.assert_frame_equal(frame, score_heads(planted.features, 10, cases, weight, bias))


def test_a_shared_bias_is_every_heads_and_the_own_head_flips_nothing(planted_features):
    features = planted_features().features
    weight, bias = features.head(0).weight[None].repeat(3, axis=0), features.head(0).bias
    cases = pd.DataFrame({"case": range(3)})
    shared = score_heads(features, 0, cases, weight, bias)
    assert (shared["flip_fraction"] == 0).all()
    pd.testing.assert_frame_equal(shared, score_heads(features, 0, cases, weight, np.tile(bias, (3, 1))))
    pushed = score_heads(features, 0, cases, weight, np.array([[0.0, 1e6], [1e6, 0.0], bias]))
    for split, rows in pushed.groupby("split"):
        share = np.mean(features.head(0).logits(features.at(0, split)).argmax(axis=1))
        np.testing.assert_allclose(rows["flip_fraction"], [1 - share, share, 0])


def test_splits_that_are_missing_are_left_out(planted_features):
    planted = planted_features()
    names = [name for name in planted.arrays if "ood_test" not in name]
    features = Features.of(planted.arrays.__getitem__, names)
    frame = score_heads(features, 0, pd.DataFrame({"case": [0]}), np.ones((1, 2, 24)), np.zeros(2))
    assert frame["split"].tolist() == ["train", "id_val", "ood_val"]


def test_margin_and_scale_of_known_logits():
    logits, labels = np.array([[3.0, 1, 0], [0, 1, 5]]), np.array([0, 1])
    assert margin(logits, labels) == pytest.approx((2 - 4) / 2)
    centred = np.array([[5, -1, -4], [-6, -3, 9]]) / 3
    assert logit_scale(logits) == pytest.approx(np.sqrt((centred**2).mean()))
    # A constant that is added to all logits of one example changes no decision; twice the logits are twice as sure.
    moved = 2 * logits + np.array([[7.0], [-3.0]])
    assert margin(moved, labels) == pytest.approx(2 * margin(logits, labels))
    assert logit_scale(moved) == pytest.approx(2 * logit_scale(logits))


def test_two_classes_have_half_their_difference_as_scale_and_all_of_it_as_margin():
    rng = np.random.default_rng(3)
    logits, labels = rng.standard_normal((4, 50, 2)), rng.integers(0, 2, 50)
    difference = logits[..., 1] - logits[..., 0]
    np.testing.assert_allclose(margin(logits, labels), (difference * (2 * labels - 1)).mean(axis=-1))
    np.testing.assert_allclose(logit_scale(logits), np.sqrt((difference**2).mean(axis=-1)) / 2)
