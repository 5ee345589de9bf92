"""Accuracy, AUROC and changed decisions of many altered networks at once.

An intervention that is affine in the pooled features, h' = h M + c, leaves the same network with another head: the
logits h' w^T + b equal h (w M^T)^T + (b + c w^T). So altered heads are scored, all in one matrix product, and h' is
never built.
"""

import numpy as np
import pandas as pd

from causalgrok.interventions.features import Features, Head
from causalgrok.scoring import accuracy, auroc

_BLOCK = 2**23
"""Logits held at a time (64 MiB in float64)."""


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
    heads, classes, dimension = weight.shape
    bias = np.broadcast_to(bias, (heads, classes))
    own = double(features.head(epoch))
    frames = []
    for split in features.splits:
        pooled, labels = features.at(epoch, split).astype(np.float64), features.labels(split)
        unaltered = np.argmax(own.logits(pooled), axis=-1)
        block = max(1, _BLOCK // (len(pooled) * classes))
        scores = []
        for start in range(0, max(heads, 1), block):
            flat = weight[start : start + block].reshape(-1, dimension)
            logits = (flat @ pooled.T).reshape(-1, classes, len(pooled)).swapaxes(1, 2)
            logits = logits + bias[start : start + block, None]
            flipped = np.mean(np.argmax(logits, axis=-1) != unaltered, axis=-1)
            scores.append((accuracy(logits, labels), auroc(logits, labels), flipped))
        accuracies, areas, flips = (np.concatenate(column) for column in zip(*scores, strict=True))
        frames.append(cases.assign(epoch=epoch, split=split, accuracy=accuracies, auroc=areas, flip_fraction=flips))
    return pd.concat(frames, ignore_index=True)


def score_shifts(features: Features, epoch: int, cases: pd.DataFrame, shifts: np.ndarray) -> pd.DataFrame:
    """Accuracy and AUROC of the network's own head after m constant shifts (m, classes) of its logits.

    A constant moves the decision threshold and nothing else, so that for two classes the AUROC cannot change: it is
    computed once, lest rounding change it.

    Args and return value are those of `score_heads`, without flip fraction.
    """
    frames = []
    for split in features.splits:
        logits, labels = double(features.head(epoch)).logits(features.at(epoch, split)), features.labels(split)
        shifted = [logits + shift for shift in shifts]
        binary = logits.shape[-1] == 2
        areas = auroc(logits, labels) if binary else [auroc(moved, labels) for moved in shifted]
        accuracies = [accuracy(moved, labels) for moved in shifted]
        frames.append(cases.assign(epoch=epoch, split=split, accuracy=accuracies, auroc=areas))
    return pd.concat(frames, ignore_index=True)


def double(head: Head) -> Head:
    """The head in float64, so that logits are too."""
    return Head(head.weight.astype(np.float64), head.bias.astype(np.float64))
