"""Accuracy and AUROC of many altered networks at once.

An intervention that is linear in the pooled features, h' = h M, leaves the same network with another head: the logits
h' w^T + b equal h (w M^T)^T + b. So altered heads are scored, all in one matrix product, and h' is never built.

AUROC is the Mann-Whitney statistic with ties counted half. The score of class c is its log-odds,
``logit_c - log sum_{j != c} exp(logit_j)``: the difference of the logits for two classes, and a monotone function of
the softmax probability for more, averaged over classes one-vs-rest.
"""

import numpy as np
import pandas as pd

from causalgrok.interventions.features import SPLITS, Features, Head

_BLOCK = 2**23
"""Logits held at a time (64 MiB in float64)."""


def accuracy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Fraction (...) of examples whose highest logit, among logits (..., n, classes), is their label's (n,)."""
    return (np.argmax(logits, axis=-1) == labels).mean(axis=-1)


def auroc(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve (...) of logits (..., n, classes) against labels (n,) in 0 .. classes - 1.

    Macro one-vs-rest for more than two classes. NaN where a class has no example or a logit is not a number.
    """
    classes = logits.shape[-1]
    if classes == 2:
        return _area(logits[..., 1] - logits[..., 0], labels == 1)
    areas = []
    for label in range(classes):
        others = np.delete(logits, label, axis=-1)
        areas.append(_area(logits[..., label] - np.logaddexp.reduce(others, axis=-1), labels == label))
    return np.mean(areas, axis=0)


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


def _area(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """AUROC (...) of scores (..., n) for the examples that `positive` (n,) marks against the others."""
    if positive.all() or not positive.any():
        return np.full(scores.shape[:-1], np.nan)[()]
    flat = scores.reshape(-1, scores.shape[-1])
    above, below = np.sort(flat[:, positive]), np.sort(flat[:, ~positive])
    won = [np.searchsorted(low, high, "left").sum() for low, high in zip(below, above, strict=True)]
    not_lost = [np.searchsorted(low, high, "right").sum() for low, high in zip(below, above, strict=True)]
    areas = (np.array(won) + np.array(not_lost)) / (2 * above.shape[1] * below.shape[1])
    areas[np.isnan(flat).any(axis=1)] = np.nan
    return areas.reshape(scores.shape[:-1])[()]
