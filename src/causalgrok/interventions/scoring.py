"""Accuracy, AUROC and changed decisions of many altered networks at once.

An intervention that is affine in the pooled features, h' = h M + c, leaves the same network with another head: the
logits h' w^T + b equal h (w M^T)^T + (b + c w^T). So altered heads are scored, all in one matrix product, and h' is
never built.
"""

import numpy as np
import pandas as pd

from causalgrok.interventions.features import Features, Head
from causalgrok.scoring import area_under_curve, auroc

_BLOCK = 2**20
"""Logits held at a time: 8 MiB in float64, which caches hold."""


def score_heads(
    features: Features, epoch: int, cases: pd.DataFrame, weight: np.ndarray, bias: np.ndarray
) -> pd.DataFrame:
    """Accuracy, AUROC and flip fraction of m altered heads on every split.

    Args:
        features: the run's features.
        epoch: the checkpoint.
        cases: m rows that say what each head is; their columns are repeated for every split.
        weight: (m, classes, d) weights of the heads.
        bias: (m, classes) their biases, or (classes,) the bias which all share.

    Returns:
        The rows of `cases` for every split, with the columns epoch, split, accuracy, auroc and flip_fraction (of
        examples that the checkpoint's own head classifies otherwise) added.
    """
    bias = np.broadcast_to(bias, weight.shape[:2])
    own = double(features.head(epoch))
    frames = []
    for split in features.splits:
        pooled, labels = features.at(epoch, split).astype(np.float64), features.labels(split)
        unaltered = np.argmax(own.logits(pooled), axis=-1)
        block = max(1, _BLOCK // (len(pooled) * weight.shape[1]))
        scores = [
            _scores(pooled, weight[start : start + block], bias[start : start + block], labels, unaltered)
            for start in range(0, max(len(weight), 1), block)
        ]
        accuracies, areas, flips = (np.concatenate(column) for column in zip(*scores, strict=True))
        frames.append(cases.assign(epoch=epoch, split=split, accuracy=accuracies, auroc=areas, flip_fraction=flips))
    return pd.concat(frames, ignore_index=True)


def _scores(
    pooled: np.ndarray, weight: np.ndarray, bias: np.ndarray, labels: np.ndarray, unaltered: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accuracy, AUROC and flip fraction (m,) of m heads."""
    heads, classes, dimension = weight.shape
    if classes == 2:
        # Only the margin counts; heads that differ in their bias alone share its order, and so the AUROC.
        rows, shared = _distinct(weight[:, 1] - weight[:, 0])
        unbiased = rows @ pooled.T
        areas = area_under_curve(unbiased, labels == 1)[shared]
        decided = unbiased[shared] > (bias[:, 0] - bias[:, 1])[:, None]
    else:
        logits = (weight.reshape(-1, dimension) @ pooled.T).reshape(heads, classes, len(pooled)).swapaxes(1, 2)
        logits = logits + bias[:, None]
        decided, areas = np.argmax(logits, axis=-1), auroc(logits, labels)
    return np.mean(decided == labels, axis=-1), areas, np.mean(decided != unaltered, axis=-1)


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of rows (m, d) that differ, and which of them each row is (m,); by their bytes, without sorting them."""
    numbers: dict[bytes, int] = {}
    shared = np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in rows])
    return rows[np.unique(shared, return_index=True)[1]], shared


def double(head: Head) -> Head:
    """The head in float64, so that logits are too."""
    return Head(head.weight.astype(np.float64), head.bias.astype(np.float64))
