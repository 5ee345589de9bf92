"""What steered networks decide: the scores of the table `steering`, from logits or, much faster, from logit shifts.

The margin is logit 1 minus logit 0; class 1 is decided where it is above 0. Whatever steers may also move the whole
distribution of margins, so accuracy is given at a second threshold too: the one that is best on id_val under the same
steering. It looks at the order of the margins alone. So a constant that is added to all margins, which is what pooled
steering comes to, changes neither AUROC nor this accuracy, and is told from an effect that is more than a threshold.

A constant shift leaves the sorted order alone, so that after one sort every shift costs a binary search.

With more than two classes there is no margin: accuracy, AUROC and flip fraction are given, the rest is missing.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from causalgrok.scoring import accuracy, auroc

_BLOCK = 2**23
"""Logits held at a time where there are more than two classes (64 MiB in float64)."""


def score_steered(
    cases: pd.DataFrame,
    steered: Mapping[str, np.ndarray],
    unsteered: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Score m steered networks on every split.

    Args:
        cases: m rows that say how each is steered; their columns are repeated for every split.
        steered: split name -> (m, n, classes) logits. Without id_val there are no recalibrated thresholds.
        unsteered: split name -> (n, classes) logits of the network itself.
        labels: split name -> (n,) labels in 0 .. classes - 1.

    Returns:
        The rows of `cases` for every split with the columns split, accuracy, auroc, accuracy_recalibrated,
        flip_fraction, logit_shift and images.
    """
    thresholds = np.full(len(cases), np.nan)
    if "id_val" in steered:
        thresholds = best_thresholds(steered["id_val"], labels["id_val"])
    frames = [
        cases.assign(split=split, **_score(logits, unsteered[split], labels[split], thresholds))
        for split, logits in steered.items()
    ]
    return pd.concat(frames, ignore_index=True)


def score_shifted(
    cases: pd.DataFrame,
    shifts: Mapping[str, np.ndarray],
    unsteered: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Score on every split a network whose logits are shifted by each of m constants.

    Equal to `score_steered` of the shifted logits; for two classes in one sort and a binary search per shift.

    Args:
        cases: as for `score_steered`.
        shifts: split name -> (m, classes) what is added to the logits of every image.
        unsteered: as for `score_steered`.
        labels: as for `score_steered`.
    """
    thresholds = np.full(len(cases), np.nan)
    if "id_val" in shifts:
        threshold = best_thresholds(unsteered["id_val"][None], labels["id_val"])
        thresholds = threshold + shifts["id_val"][:, 1] - shifts["id_val"][:, 0]
    frames = []
    for split, shift in shifts.items():
        logits = unsteered[split]
        score = _score_shifts if logits.shape[-1] == 2 else _score_shifts_in_blocks
        frames.append(cases.assign(split=split, **score(logits, labels[split], shift, thresholds)))
    return pd.concat(frames, ignore_index=True)


def best_thresholds(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Thresholds (m,) on the margin that maximise the accuracy of m networks.

    Candidates lie midway between neighbouring margins. Of several that are equally good the middle one is taken, which
    a shift or any other increasing map of the margins leaves in its place. One beyond all margins (infinite: always
    the same class) is taken only where none between them is as good.

    Args:
        logits: (m, n, classes).
        labels: (n,) in 0 .. classes - 1.

    Returns:
        (m,); NaN for more than two classes.
    """
    if logits.shape[-1] != 2:
        return np.full(len(logits), np.nan)
    margins = logits[..., 1] - logits[..., 0]
    order = np.argsort(margins, axis=1)
    margins = np.take_along_axis(margins, order, axis=1)
    beyond = np.full((len(margins), 1), np.inf)
    edges = np.concatenate([-beyond, margins, beyond], axis=1)
    low, high = edges[:, :-1], edges[:, 1:]
    # Threshold k has k examples below it: one more right for a negative that is passed, one fewer for a positive.
    gained = np.cumsum(1 - 2 * (labels[order] == 1), axis=1)
    correct = np.where(low < high, np.pad(gained, ((0, 0), (1, 0))), -len(labels) - 1)
    best = correct == correct.max(axis=1, keepdims=True)
    inner = best[:, 1:-1].any(axis=1)
    best[inner, 0] = best[inner, -1] = False
    rank = np.cumsum(best, axis=1)
    middle = np.argmax(rank == (rank[:, -1:] + 1) // 2, axis=1)[:, None]
    return ((np.take_along_axis(low, middle, axis=1) + np.take_along_axis(high, middle, axis=1)) / 2)[:, 0]


def _score(
    steered: np.ndarray, unsteered: np.ndarray, labels: np.ndarray, thresholds: np.ndarray
) -> dict[str, np.ndarray | int]:
    binary = unsteered.shape[-1] == 2
    missing = np.full(len(steered), np.nan)
    margins = steered[..., 1] - steered[..., 0]
    recalibrated = np.mean((margins > thresholds[:, None]) == (labels == 1), axis=1)
    return {
        "accuracy": accuracy(steered, labels),
        "auroc": auroc(steered, labels),
        "accuracy_recalibrated": np.where(np.isnan(thresholds), np.nan, recalibrated) if binary else missing,
        "flip_fraction": np.mean(np.argmax(steered, axis=-1) != np.argmax(unsteered, axis=-1), axis=1),
        "logit_shift": np.mean(margins - (unsteered[:, 1] - unsteered[:, 0]), axis=1) if binary else missing,
        "images": len(labels),
    }


def _score_shifts(
    unsteered: np.ndarray, labels: np.ndarray, shifts: np.ndarray, thresholds: np.ndarray
) -> dict[str, np.ndarray | int]:
    margins = unsteered[:, 1] - unsteered[:, 0]
    order = np.argsort(margins)
    margins, positive = margins[order], (labels == 1)[order]
    shift = shifts[:, 1] - shifts[:, 0]
    # right[k] examples are classified rightly by a threshold that has k margins at or below it.
    right = positive.sum() + np.concatenate([[0], np.cumsum(1 - 2 * positive)])
    below, unshifted, recalibrated = (
        np.searchsorted(margins, threshold, side="right") for threshold in (-shift, 0.0, thresholds - shift)
    )
    return {
        "accuracy": right[below] / len(labels),
        "auroc": np.full(len(shifts), auroc(unsteered, labels)),
        "accuracy_recalibrated": np.where(np.isnan(thresholds), np.nan, right[recalibrated] / len(labels)),
        "flip_fraction": np.abs(below - unshifted) / len(labels),
        "logit_shift": shift,
        "images": len(labels),
    }


def _score_shifts_in_blocks(
    unsteered: np.ndarray, labels: np.ndarray, shifts: np.ndarray, thresholds: np.ndarray
) -> dict[str, np.ndarray | int]:
    block = max(1, _BLOCK // unsteered.size)
    parts = [
        _score(unsteered + shifts[start : start + block, None], unsteered, labels, thresholds[start : start + block])
        for start in range(0, len(shifts), block)
    ]
    scores = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "images"}
    return scores | {"images": len(labels)}
