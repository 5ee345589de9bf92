"""Accuracy, AUROC, margin and scale of logits, of many networks at once where there are many.

AUROC is the Mann-Whitney statistic with ties counted half. The score of class c is its log-odds,
``logit_c - log sum_{j != c} exp(logit_j)``: the difference of the logits for two classes, and a monotone function of
the softmax probability for more, averaged over classes one-vs-rest.
"""

import numpy as np


def accuracy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Fraction (...) of examples whose highest logit, among logits (..., n, classes), is their label's (n,)."""
    return (np.argmax(logits, axis=-1) == labels).mean(axis=-1)


def auroc(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve (...) of logits (..., n, classes) against labels (n,) in 0 .. classes - 1.

    Macro one-vs-rest for more than two classes. NaN where a class has no example or a logit is not a number.
    """
    classes = logits.shape[-1]
    if classes == 2:
        return area_under_curve(logits[..., 1] - logits[..., 0], labels == 1)
    odds = log_odds(logits)
    return np.mean([area_under_curve(odds[..., label], labels == label) for label in range(classes)], axis=0)


def log_odds(logits: np.ndarray) -> np.ndarray:
    """``logit_c - log sum_{j != c} exp(logit_j)`` (..., classes) of logits (..., classes), three classes or more."""
    highest = np.argmax(logits, axis=-1)[..., None]
    top = np.take_along_axis(logits, highest, axis=-1)
    # A certain network's odds lie in the classes below the highest: they are summed on their own, or would be lost.
    rest = logits.copy()
    np.put_along_axis(rest, highest, -np.inf, axis=-1)
    second = rest.max(axis=-1, keepdims=True)
    odds = top - second - np.log(np.exp(rest - second).sum(axis=-1, keepdims=True))
    share = np.exp(rest - top)
    others = logits - top - np.log1p(share.sum(axis=-1, keepdims=True) - share)
    np.put_along_axis(others, highest, odds, axis=-1)
    return others


def margin(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean (...) over examples of the label's logit minus the largest other one, of logits (..., n, classes)."""
    own = labels[:, None] == np.arange(logits.shape[-1])
    others = np.where(own, -np.inf, logits).max(axis=-1)
    return (logits[..., np.arange(len(labels)), labels] - others).mean(axis=-1)


def logit_scale(logits: np.ndarray) -> np.ndarray:
    """Root mean square (...) over examples and classes of logits (..., n, classes) minus each example's mean logit.

    Softmax is blind to that mean. Of two classes this is half the root mean square of their difference.
    """
    centred = logits - logits.mean(axis=-1, keepdims=True)
    return np.sqrt(np.square(centred).mean(axis=(-2, -1)))


def area_under_curve(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """AUROC (...) of scores (..., n) for the examples that `positive` (n,) marks against the others."""
    if positive.all() or not positive.any():
        return np.full(scores.shape[:-1], np.nan)[()]
    flat = scores.reshape(-1, scores.shape[-1])
    order = np.argsort(flat, axis=1)
    ordered = np.take_along_axis(flat, order, axis=1)
    positives = int(positive.sum())
    rank_sums = positive[order] @ np.arange(1.0, flat.shape[1] + 1)
    won = rank_sums - positives * (positives + 1) / 2
    for row in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1)):
        low, high = np.sort(flat[row, ~positive]), flat[row, positive]
        won[row] = (np.searchsorted(low, high, "left").sum() + np.searchsorted(low, high, "right").sum()) / 2
    areas = won / (positives * (flat.shape[1] - positives))
    areas[np.isnan(ordered[:, -1])] = np.nan
    return areas.reshape(scores.shape[:-1])[()]
