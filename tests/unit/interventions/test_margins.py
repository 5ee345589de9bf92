"""Thresholds agree with brute force; a shift of the logits is scored like shifted logits, only faster."""

import numpy as np
import pandas as pd
import pytest

from causalgrok.interventions import margins
from causalgrok.interventions.margins import best_thresholds, score_shifted, score_steered


def logits_of(scores):
    """Logits (..., n, 2) with the margins (..., n)."""
    scores = np.asarray(scores, dtype=float)
    return np.stack([-scores / 2, scores / 2], axis=-1)


def right(scores, labels, threshold):
    return np.sum((scores > threshold) == (labels == 1))


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_threshold_is_as_good_as_any_and_the_middle_one_of_the_best(decimals):
    rng = np.random.default_rng(decimals)
    scores, labels = np.round(2 * rng.standard_normal((60, 25)), decimals), rng.integers(0, 2, 25)
    for row, found in zip(scores, best_thresholds(logits_of(scores), labels), strict=True):
        values = np.unique(row)
        inner = (values[:-1] + values[1:]) / 2
        candidates = np.array([-np.inf, *inner, np.inf])
        count = np.array([right(row, labels, threshold) for threshold in candidates])
        best = candidates[count == count.max()]
        finite = best[np.isfinite(best)]
        best = finite if len(finite) else best
        assert found == pytest.approx(best[(len(best) - 1) // 2], abs=1e-12)


def test_threshold_moves_with_the_margins():
    rng = np.random.default_rng(0)
    scores, labels = rng.standard_normal(40), rng.integers(0, 2, 40)
    plain, shifted, curved = best_thresholds(logits_of([scores, scores + 7, np.exp(scores)]), labels)
    assert shifted == pytest.approx(plain + 7)
    np.testing.assert_array_equal(scores > plain, np.exp(scores) > curved)


def test_one_class_alone_has_a_threshold_beyond_all_margins():
    scores = logits_of([[-1.0, 0.5, 2.0]])
    assert best_thresholds(scores, np.ones(3, dtype=int)) == [-np.inf]
    assert best_thresholds(scores, np.zeros(3, dtype=int)) == [np.inf]
    assert best_thresholds(scores, np.array([1, 1, 0])) == [-np.inf]
    assert best_thresholds(logits_of([[0.0, 0.0, 0.0]]), np.array([0, 1, 1])) == [-np.inf]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("ties", [False, True])
def test_shifts_are_scored_like_shifted_logits(classes, ties, monkeypatch):
    rng = np.random.default_rng(classes)

    def draw(n):
        numbers = 2 * rng.standard_normal((n, classes))
        # Whole numbers add up without rounding, so that ties are ties on both ways.
        return np.round(numbers) if ties else numbers

    splits = ("id_val", "ood_test")
    unsteered, shifts = {split: draw(80) for split in splits}, {split: draw(30) for split in splits}
    labels = {split: rng.integers(0, classes, 80) for split in splits}
    steered = {split: unsteered[split] + shifts[split][:, None] for split in splits}
    monkeypatch.setattr(margins, "_BLOCK", 1000)
    cases = pd.DataFrame({"case": range(30)})
    fast = score_shifted(cases, shifts, unsteered, labels)
    pd.testing.assert_frame_equal(fast, score_steered(cases, steered, unsteered, labels), rtol=0, atol=1e-12)
    assert fast["case"].tolist() == [*range(30), *range(30)]
    assert fast["accuracy"].nunique() > 5 and fast["flip_fraction"].nunique() > 5
    binary = classes == 2
    assert fast["logit_shift"].notna().all() == fast["accuracy_recalibrated"].notna().all() == binary
    assert (fast.groupby("split")["auroc"].nunique() == 1).all() == binary


def test_scores_of_a_small_example_by_hand():
    """A shift of 1 makes one more error; the threshold of id_val, moved along, makes none."""
    labels = {"id_val": np.array([0, 0, 1]), "ood_test": np.array([0, 0, 1, 1])}
    unsteered = {"id_val": logits_of([-2.0, 0.2, 0.6]), "ood_test": logits_of([-3.0, -0.5, 0.5, 3.0])}
    shifts = {split: logits_of([1.0]) for split in labels}
    frame = score_shifted(pd.DataFrame({"case": ["up"]}), shifts, unsteered, labels).set_index("split")
    row = frame.loc["ood_test"]
    assert row["accuracy"] == 0.75 and row["flip_fraction"] == 0.25 and row["logit_shift"] == 1 and row["auroc"] == 1
    assert row["accuracy_recalibrated"] == 1 and row["images"] == 4
    assert frame.loc["id_val"][["accuracy", "accuracy_recalibrated"]].tolist() == [pytest.approx(2 / 3), 1]


def test_without_id_val_there_is_no_recalibrated_threshold():
    rng = np.random.default_rng(0)
    unsteered, labels = {"ood_val": rng.standard_normal((20, 2))}, {"ood_val": rng.integers(0, 2, 20)}
    shifts = {"ood_val": rng.standard_normal((4, 2))}
    steered = {"ood_val": unsteered["ood_val"] + shifts["ood_val"][:, None]}
    for frame in (
        score_shifted(pd.DataFrame({"case": range(4)}), shifts, unsteered, labels),
        score_steered(pd.DataFrame({"case": range(4)}), steered, unsteered, labels),
    ):
        assert frame["accuracy_recalibrated"].isna().all() and frame["accuracy"].notna().all()
