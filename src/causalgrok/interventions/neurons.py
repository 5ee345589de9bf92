"""Targeted neuron ablation: what the network loses with the channels that tell hospitals apart best.

The K highest-scoring pooled channels are set to zero (the source's way) or to their mean over the probe pool's fitting
slides, and the network's own head classifies what is left. Zero is a value that a channel may never take: it also
shifts the logits by a constant, which mean ablation does not. Scores of a channel c, all on the fitting slides:

    hospital        max_h |beta_hc|, standardised coefficients of the logistic probe (the source's); tumour likewise
    hospital_f      one-way F statistic of hospital
    hospital_auroc  max_h |AUROC - 1/2| of hospital h against the others

Controls. `matched`, `matched_f` and `matched_auroc`, each for its own selection: for every channel of the top K, one of
those nearest to it in (log |mean|, log standard deviation) outside that top K, dead channels out. A channel's mean and
variance bound what its loss can do, and selective channels have more of both, so that channels drawn at `random` are
easily beaten: shown, never decisive.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from causalgrok.columns import COLUMNS
from causalgrok.interventions.controls import generator, random_orders
from causalgrok.interventions.features import PROBE, Features, Head
from causalgrok.interventions.logistic import LogisticProbe
from causalgrok.interventions.probing import fit_probes, judging_mask
from causalgrok.interventions.scoring import double, score_heads
from causalgrok.interventions.settings import Measurement

MATCHED = {"hospital": "matched", "hospital_f": "matched_f", "hospital_auroc": "matched_auroc"}
"""Selection -> the control that is matched to its channels."""

_NEAREST = 5
"""Free channels nearest to a selected one, of which a matched draw takes one."""

_ROOM = 2
"""Live channels outside the top K that matched draws take, in multiples of K: with fewer, most draws are the same."""


@dataclass(frozen=True)
class ChannelSets:
    """Sets of channels, one a row, that are taken out together in turn."""

    selection: str
    """How they were chosen: a selection or control of the table `neurons`."""

    k: np.ndarray
    """(m,) channels in each set."""

    repeat: np.ndarray
    """(m,) index of the random draw; 0 where nothing is drawn."""

    members: np.ndarray
    """(m, d) bool: which channels belong to each set."""


def selectivity(probe: LogisticProbe) -> np.ndarray:
    """Score (d,) of every channel: its largest absolute standardised coefficient over the classes."""
    return np.abs(probe.weight).max(axis=0)


def f_scores(features: np.ndarray, domains: np.ndarray) -> np.ndarray:
    """One-way F statistic (d,) of hospital (n,) on every channel of features (n, d); NaN for a constant channel."""
    _, hospital, sizes = np.unique(domains, return_inverse=True, return_counts=True)
    centred = features.astype(np.float64)
    centred -= centred.mean(axis=0)
    means = np.eye(len(sizes))[:, hospital] @ centred / sizes[:, None]
    between = sizes @ means**2
    within = np.sum((centred - means[hospital]) ** 2, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (between / (len(sizes) - 1)) / (within / (len(domains) - len(sizes)))


def auroc_scores(features: np.ndarray, domains: np.ndarray) -> np.ndarray:
    """Largest |AUROC - 1/2| (d,) over hospitals (n,), each against the others, of every channel of features (n, d)."""
    _, hospital, sizes = np.unique(domains, return_inverse=True, return_counts=True)
    ranks = np.eye(len(sizes))[:, hospital] @ rankdata(features, axis=0)
    inside = sizes[:, None]
    areas = (ranks - inside * (inside + 1) / 2) / (inside * (len(domains) - inside))
    return np.abs(areas - 0.5).max(axis=0)


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


def silenced_heads(head: Head, members: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The heads that see channels at zero, and what is added to their bias where they are at their mean instead.

    Args:
        head: the network's head.
        members: (m, d) bool, the channels that are taken out.
        means: (d,) mean of every channel.

    Returns:
        Weights (m, classes, d) and additions (m, classes) to the bias.
    """
    return np.where(members[:, None], 0.0, head.weight), (members * means) @ head.weight.T


def ablate_neurons(features: Features, settings: Measurement) -> pd.DataFrame:
    """Take the most selective channels, and their controls, out at every checkpoint.

    Returns:
        The columns of the table `neurons`: all selections and controls, the settings' neuron counts below the width of
        the network, both modes, all splits. Random draws of one repeat are nested over k; matched ones are there for
        the k above 0 that leave at least 2 k live channels to draw from.

    Raises:
        ValueError: no neuron count is below the width, a hospital has only one slide, or a feature is not finite.
    """
    fitting = ~judging_mask(features.domains(PROBE), features.groups(PROBE), settings.judged_fraction, settings.seed)
    domains = features.domains(PROBE)[fitting]
    frames = []
    for epoch in features.epochs:
        head, pool = double(features.head(epoch)), features.at(epoch, PROBE)[fitting]
        width = head.weight.shape[1]
        counts = np.array([count for count in settings.neuron_counts if count < width])
        if not len(counts):
            raise ValueError(f"neuron_counts: {settings.neuron_counts} has none below the network's width, {width}")
        orders = _orders(pool, domains, fit_probes(features, epoch, settings))
        sets = [*_channel_sets(pool, orders, counts, settings)]
        members = np.concatenate([some.members for some in sets])
        cases = _cases(sets, members, orders["tumour"])
        weight, addition = silenced_heads(head, members, pool.mean(axis=0, dtype=np.float64))
        for mode, bias in (("zero", head.bias), ("mean", head.bias + addition)):
            frames.append(score_heads(features, epoch, cases.assign(mode=mode), weight, bias))
    return pd.concat(frames, ignore_index=True)[list(COLUMNS["neurons"])]


def _orders(pool: np.ndarray, domains: np.ndarray, probes: dict[str, LogisticProbe]) -> dict[str, np.ndarray]:
    """Channels (d,) by selection from the highest score to the lowest, dead ones last, equals in their own order."""
    scores = {
        "hospital": selectivity(probes["hospital"]),
        "hospital_f": f_scores(pool, domains),
        "hospital_auroc": auroc_scores(pool, domains),
        "tumour": selectivity(probes["tumour"]),
    }
    live = live_channels(pool)
    return {name: np.argsort(-np.where(live, score, -1.0), kind="stable") for name, score in scores.items()}


def _channel_sets(
    pool: np.ndarray, orders: dict[str, np.ndarray], counts: np.ndarray, settings: Measurement
) -> Iterable[ChannelSets]:
    """The sets of every selection and control."""
    draws = {name: order[None] for name, order in orders.items()}
    draws["random"] = random_orders(pool.shape[1], settings.repeats, seed=settings.seed)
    for name, some in draws.items():
        repeat, k = np.divmod(np.arange(len(some) * len(counts)), len(counts))
        yield ChannelSets(name, counts[k], repeat, leading(some, counts).reshape(len(k), -1))
    for selection, control in MATCHED.items():
        matched = matched_sets(pool, orders[selection], counts, settings.matched_draws, seed=settings.seed)
        for count, members in matched.items():
            yield ChannelSets(control, np.full(len(members), count), np.arange(len(members)), members)


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


def _cases(sets: list[ChannelSets], members: np.ndarray, tumour: np.ndarray) -> pd.DataFrame:
    """What each of the sets (m, d) is, and its overlap with the first channels of the order `tumour` (d,)."""
    k = np.concatenate([some.k for some in sets])
    shared = np.sum(members & (np.argsort(tumour) < k[:, None]), axis=1)
    return pd.DataFrame(
        {
            "k": k,
            "selection": np.repeat([some.selection for some in sets], [len(some.k) for some in sets]),
            "repeat": np.concatenate([some.repeat for some in sets]),
            "tumour_overlap": np.where(k > 0, shared / np.maximum(k, 1), np.nan),
        }
    )


def _moments(features: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Log |mean| and log standard deviation (d, 2) of features (n, d), standardised over live channels (d,)."""
    mean, sd = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    sd = np.maximum(sd, np.finfo(np.float64).tiny)
    # A mean of no more than a hundredth of the spread is none: its logarithm would be noise without bound.
    moments = np.log(np.column_stack([np.maximum(np.abs(mean), 0.01 * sd), sd]))
    spread = moments[live].std(axis=0)
    return moments / np.where(spread > 0, spread, 1.0)
