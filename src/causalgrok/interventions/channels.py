"""Which pooled channels tell hospitals apart, and which others are like them.

Scores of a channel c, all on the fitting slides of the probe pool:

    |beta|      max_h |beta_hc|, standardised coefficients of the logistic hospital classifier (the source's)
    F           one-way F statistic of hospital
    AUROC       max_h |AUROC - 1/2| of hospital h against the others

Channels that stand in for them: for every channel of the top K, one of those nearest to it in (log |mean|, log standard
deviation) outside that top K, dead channels out.
"""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from causalgrok.interventions.controls import generator
from causalgrok.interventions.logistic import LogisticProbe

_NEAREST = 5
"""Free channels nearest to a selected one, of which a matched draw takes one."""

_ROOM = 2
"""Live channels outside the top K that matched draws take, in multiples of K: with fewer, most draws are the same."""


def selectivity(probe: LogisticProbe) -> np.ndarray:
    """Score (d,) of every channel: its largest absolute standardised coefficient over the classes."""
    return np.abs(probe.weight).max(axis=0)


def f_scores(features: np.ndarray, domains: np.ndarray) -> np.ndarray:
    """One-way F statistic of hospital on every channel; NaN for a constant channel.

    Args:
        features: (n, d).
        domains: (n,) hospitals, or (m, n) under m groupings.

    Returns:
        (d,) or (m, d).
    """
    centred = features.astype(np.float64)
    centred -= centred.mean(axis=0)
    return _by_grouping(domains, lambda member: _f_scores(centred, member))


def auroc_scores(features: np.ndarray, domains: np.ndarray) -> np.ndarray:
    """Largest |AUROC - 1/2| over hospitals, each against the others, of every channel; arguments as for `f_scores`."""
    ranks = pd.DataFrame(features).rank().to_numpy()
    return _by_grouping(domains, lambda member: _auroc_scores(ranks, member))


def live_channels(features: np.ndarray) -> np.ndarray:
    """Which channels (d,) of features (n, d) vary by more than rounding."""
    low, high = features.min(axis=0), features.max(axis=0)
    return high - low > 1e-6 * np.maximum(np.abs(low), np.abs(high))


def leading(orders: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sets (orders, counts, d) of the first k channels, for k in counts (c,), of orders (orders, d)."""
    return np.argsort(orders, axis=-1)[:, None, :] < np.asarray(counts)[:, None]


def matched_sets(
    features: np.ndarray, order: np.ndarray, counts: Iterable[int], draws: int, *, seed: int
) -> dict[int, np.ndarray]:
    """Draw sets of channels with about the means and variances of the first k channels of an order.

    The first k channels, in random order, each take at random one of the `_NEAREST` channels nearest in (log |mean|,
    log standard deviation), both standardised over live channels, that are live, not among the first k and not taken
    yet. Draws of one repeat share their random numbers over k but are not nested, since a channel that stands in for
    others may come to be selected itself.

    Args:
        features: (n, d).
        order: (d,) channels, the most selective first.
        counts: numbers of channels k.
        draws: number of sets for each k.
        seed: seed of the draws.

    Returns:
        k -> (draws, d) bool, for the k above 0 that leave at least 2 k live channels to draw from.
    """
    live = live_channels(features)
    moments = _moments(features, live)
    uniform = np.stack([generator(seed, "matched neurons", draw).random((2, len(order))) for draw in range(draws)])
    sets = {}
    for count in counts:
        chosen, outside = order[:count], order[count:][live[order[count:]]]
        if count and len(outside) >= _ROOM * count:
            nearest = np.argsort(cdist(moments[chosen], moments[outside]), axis=1, kind="stable")
            sets[count] = np.zeros((draws, len(order)), dtype=bool)
            sets[count][:, outside] = _take_nearest(nearest, *uniform[:, :, :count].swapaxes(0, 1))
    return sets


def _by_grouping(domains: np.ndarray, score: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Scores of a grouping's members (hospitals, n) for one grouping (n,) or for each of several (m, n)."""
    if domains.ndim > 1:
        return np.stack([_by_grouping(grouping, score) for grouping in domains])
    return score(np.unique(domains)[:, None] == domains)


def _f_scores(centred: np.ndarray, member: np.ndarray) -> np.ndarray:
    """F statistics (d,) of features (n, d) of mean 0 between hospitals with members (hospitals, n)."""
    hospitals, examples = member.shape
    sizes = member.sum(axis=1)
    between = sizes @ (member @ centred / sizes[:, None]) ** 2
    within = np.maximum(np.sum(centred**2, axis=0) - between, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (between / (hospitals - 1)) / (within / (examples - hospitals))


def _auroc_scores(ranks: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Largest |AUROC - 1/2| (d,) from ranks (n, d) and members (hospitals, n)."""
    inside = member.sum(axis=1)[:, None]
    areas = (member @ ranks - inside * (inside + 1) / 2) / (inside * (len(ranks) - inside))
    return np.abs(areas - 0.5).max(axis=0)


def _take_nearest(nearest: np.ndarray, turns: np.ndarray, picks: np.ndarray) -> np.ndarray:
    """Which of m candidates are taken (draws, m) when k channels in turn each take one of their nearest free ones.

    Args:
        nearest: (k, m) candidates of every channel from the nearest to the farthest.
        turns: (draws, k) uniform numbers whose ranks are the turns of the channels.
        picks: (draws, k) uniform numbers that say, turn by turn, which of the nearest free candidates is taken.
    """
    every = np.arange(len(turns))
    taken = np.zeros((len(turns), nearest.shape[1]), dtype=bool)
    for turn, channel in enumerate(np.argsort(turns, axis=1).T):
        near = nearest[channel, : turn + _NEAREST]  # of which at most `turn` are taken
        free = np.cumsum(~taken[every[:, None], near], axis=1)
        pick = np.floor(picks[:, turn] * np.minimum(free[:, -1], _NEAREST))
        taken[every, near[every, np.argmax(free > pick[:, None], axis=1)]] = True
    return taken


def _moments(features: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Log |mean| and log standard deviation (d, 2) of features (n, d), standardised over live channels (d,)."""
    mean, sd = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    sd = np.maximum(sd, np.finfo(np.float64).tiny)
    # A mean of no more than a hundredth of the spread is none: its logarithm would be noise without bound.
    moments = np.log(np.column_stack([np.maximum(np.abs(mean), 0.01 * sd), sd]))
    spread = moments[live].std(axis=0)
    return moments / np.where(spread > 0, spread, 1.0)
