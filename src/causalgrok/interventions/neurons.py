"""Targeted neuron ablation: what the network loses with the channels that tell hospitals apart best.

The K highest-scoring pooled channels are set to zero (the source's way) or to their mean over the probe pool's fitting
slides, and the network's own head classifies what is left. Zero is a value that a channel may never take: it also
shifts the logits by a constant, which mean ablation does not. Shrunken ablation moves a channel towards that mean by
the fraction of its variance between hospitals that lies beyond what slides' noise reaches
(`between.hospital_fractions`). Where hospitals lie far apart, slides dealt out at random still differ in the same
channels, so that refits take out as much as the true hospitals do and no test tells them apart; their fractions,
though, are near zero. Channels are ranked (`channels`) by the hospital
classifier's coefficients, `hospital` (the source's; `tumour` likewise), by F statistics, `hospital_f`, or by AUROCs,
`hospital_auroc`.

Controls, three of each kind, one for each selection of hospital channels:

    permuted, permuted_f, permuted_auroc    the same selection under hospital permuted by slide: decisive
    matched, matched_f, matched_auroc       channels of equal mean and variance, dead ones out
    random                                  channels at random

A channel's mean and variance bound what its loss can do, and selective channels have more of both, so that random ones
are easily beaten, and shown only. Matched ones are beaten less easily, but too often as well: which channels an
estimator prefers depends on more than two moments (docs/interventions.md has the rates).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS
from causalgrok.interventions.between import hospital_fractions
from causalgrok.interventions.channels import (
    auroc_scores,
    f_scores,
    leading,
    live_channels,
    matched_sets,
    selectivity,
)
from causalgrok.interventions.controls import random_orders
from causalgrok.interventions.estimates import Estimates, labelless_slides
from causalgrok.interventions.features import Features, Head
from causalgrok.interventions.logistic import fit_validated
from causalgrok.interventions.scoring import double, score_heads
from causalgrok.interventions.settings import Measurement

SUFFIXES = {"hospital": "", "hospital_f": "_f", "hospital_auroc": "_auroc"}
"""Selection of hospital channels -> what stands behind the names of its controls, permuted and matched."""

_REFITTED = {f"permuted{suffix}" for suffix in SUFFIXES.values()}


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


def silenced_heads(head: Head, fractions: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The heads that see channels moved to zero, and what is added to their bias if they move to their mean instead.

    Args:
        head: the network's head.
        fractions: (m, d) how far each channel is moved: 1 or True is all the way.
        means: (d,) mean of every channel.

    Returns:
        Weights (m, classes, d) and additions (m, classes) to the bias.
    """
    return (1.0 - fractions)[:, None] * head.weight, (fractions * means) @ head.weight.T


def ablate_neurons(features: Features, estimates: Estimates) -> pd.DataFrame:
    """Take the most selective channels, and their controls, out at a checkpoint.

    Returns:
        The columns of the table `neurons`: all selections and controls, the settings' neuron counts below the width of
        the network, all splits; set to zero, to the mean, and hospital channels and their refits shrunken. Random draws
        of one repeat are nested over k; matched ones are there for the k above 0 that leave at least 2 k live channels
        to draw from.

    Raises:
        ValueError: no neuron count is below the width, or hospitals cannot be permuted by slide.
    """
    settings, fitting, epoch = estimates.settings, estimates.fitting, estimates.epoch
    head, pool = double(features.head(epoch)), fitting.features
    counts = np.array([count for count in settings.neuron_counts if count < pool.shape[1]])
    if not len(counts):
        raise ValueError(f"neuron_counts: {settings.neuron_counts} has none below the network's width, {pool.shape[1]}")
    tumour = fit_validated(estimates.design, fitting.labels, estimates.folds, settings.inverse_regularisation)
    orders = hospital_orders(estimates)
    orders["tumour"] = _ordered(pool, selectivity(tumour))[None]
    sets = [*_channel_sets(pool, orders, counts, settings)]
    members = np.concatenate([some.members for some in sets])
    cases = _cases(sets, members, orders["tumour"][0])
    scored = score_heads(features, epoch, *_altered_heads(head, cases, members, estimates))
    return scored[list(COLUMNS["neurons"])]


def _altered_heads(
    head: Head, cases: pd.DataFrame, members: np.ndarray, estimates: Estimates
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Every set of channels (m, d) in every mode: its case, and the weights and biases of its heads."""
    means = estimates.fitting.features.mean(axis=0)
    weight, addition = silenced_heads(head, members, means)
    # Zero and mean of a set side by side: they differ in the bias alone, and so are sorted once.
    whole = cases.loc[cases.index.repeat(2)].assign(mode=np.tile(["zero", "mean"], len(cases)))
    bias = np.stack([np.broadcast_to(head.bias, addition.shape), head.bias + addition], axis=1)
    hospital = cases["selection"].isin([*SUFFIXES, *_REFITTED]).to_numpy()
    grouping = (cases["repeat"] + 1).where(cases["selection"].isin(_REFITTED), 0)[hospital]
    shrunken, added = silenced_heads(head, members[hospital] * _hospital_fractions(estimates)[grouping], means)
    return (
        pd.concat([whole, cases[hospital].assign(mode="shrunken")], ignore_index=True),
        np.vstack([np.repeat(weight, 2, axis=0), shrunken]),
        np.vstack([bias.reshape(len(whole), -1), head.bias + added]),
    )


def _hospital_fractions(estimates: Estimates) -> np.ndarray:
    """How far shrunken ablation moves every channel (1 + refits, d), under the true hospitals and the permuted ones."""
    slides = labelless_slides(estimates.fitting, estimates.design)
    groupings = np.vstack([estimates.fitting.hospitals, estimates.permuted])
    return hospital_fractions(slides, groupings[:, slides.first])


def hospital_orders(estimates: Estimates) -> dict[str, np.ndarray]:
    """Channels from the highest score to the lowest, dead ones last, equals in their own order.

    Returns:
        Selection or its control ``permuted...`` -> (1, d) or (refits, d).

    Raises:
        ValueError: hospitals cannot be permuted by slide.
    """
    fitting = estimates.fitting
    groupings = np.vstack([fitting.hospitals, estimates.permuted])
    scores = {
        "hospital": np.stack([selectivity(probe) for probe in (estimates.probe, *estimates.refitted)]),
        "hospital_f": f_scores(fitting.features, groupings),
        "hospital_auroc": auroc_scores(fitting.features, groupings),
    }
    orders = {}
    for selection, score in scores.items():
        order = _ordered(fitting.features, score)
        orders |= {selection: order[:1], f"permuted{SUFFIXES[selection]}": order[1:]}
    return orders


def _ordered(pool: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Channels (..., d) by descending score (..., d), those that are dead in features (n, d) last."""
    return np.argsort(-np.where(live_channels(pool), scores, -1.0), axis=-1, kind="stable")


def _channel_sets(
    pool: np.ndarray, orders: dict[str, np.ndarray], counts: np.ndarray, settings: Measurement
) -> Iterable[ChannelSets]:
    """The sets of every selection and control."""
    random = random_orders(pool.shape[1], settings.repeats, seed=settings.seed)
    for name, some in (orders | {"random": random}).items():
        repeat, k = np.divmod(np.arange(len(some) * len(counts)), len(counts))
        yield ChannelSets(name, counts[k], repeat, leading(some, counts).reshape(len(k), -1))
    for selection, suffix in SUFFIXES.items():
        matched = matched_sets(pool, orders[selection][0], counts, settings.matched_draws, seed=settings.seed)
        for count, members in matched.items():
            yield ChannelSets(f"matched{suffix}", np.full(len(members), count), np.arange(len(members)), members)


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
