"""Accuracy and AUROC of many altered networks at once.

An intervention that is linear in the pooled features, h' = h M, leaves the same network with another head: the logits
h' w^T + b equal h (w M^T)^T + b. So altered heads are scored, all in one matrix product, and h' is never built.
"""

import numpy as np
import pandas as pd

from causalgrok.interventions.features import SPLITS, Features, Head
from causalgrok.scoring import accuracy, auroc

_BLOCK = 2**23
"""Logits held at a time (64 MiB in float64)."""


def score_heads(
    features: Features, epoch: int, cases: pd.DataFrame, weight: np.ndarray, bias: np.ndarray
) -> pd.DataFrame:
    """Accuracy and AUROC of m heads on every split of `SPLITS`.

    Args:
        features: the run's features.
        epoch: the checkpoint.
        cases: m rows that say what each head is; their columns are repeated for every split.
        weight: (m, classes, d) weights of the heads.
        bias: (classes,) bias, which all heads share.

    Returns:
        The rows of `cases` for every split, with the columns epoch, split, accuracy and auroc added.
    """
    frames = []
    for split in SPLITS:
        pooled, labels = features.at(epoch, split).astype(np.float64), features.labels(split)
        block = max(1, _BLOCK // (len(pooled) * len(bias)))
        parts = [weight[start : start + block] for start in range(0, max(len(weight), 1), block)]
        scores = [_scores(pooled, part, bias, labels) for part in parts]
        accuracies, areas = (np.concatenate(column) for column in zip(*scores, strict=True))
        frames.append(cases.assign(epoch=epoch, split=split, accuracy=accuracies, auroc=areas))
    return pd.concat(frames, ignore_index=True)


def score_shifts(features: Features, epoch: int, cases: pd.DataFrame, shifts: np.ndarray) -> pd.DataFrame:
    """Accuracy and AUROC of the network's own head after m constant shifts (m, classes) of its logits.

    A constant moves the decision threshold and nothing else, so that for two classes the AUROC cannot change: it is
    computed once, lest rounding change it.

    Args and return value are those of `score_heads`.
    """
    frames = []
    for split in SPLITS:
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


def _scores(
    pooled: np.ndarray, weight: np.ndarray, bias: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    heads, classes, dimension = weight.shape
    logits = (pooled @ weight.reshape(heads * classes, dimension).T).reshape(len(pooled), heads, classes) + bias
    logits = logits.transpose(1, 0, 2)
    return accuracy(logits, labels), auroc(logits, labels)
