"""Targeted neuron ablation: what the network loses with the channels that a probe leans on most.

A channel's score is ``max_h |beta_hc|``, the largest absolute coefficient that the classes of a logistic probe give to
it on standardised pooled features. The K channels with the highest hospital score are set to zero, and the network's
own head classifies what is left. Controls: the K most tumour-selective channels, and K channels drawn at random.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS
from causalgrok.interventions.controls import random_orders
from causalgrok.interventions.features import Features, Head
from causalgrok.interventions.logistic import LogisticProbe
from causalgrok.interventions.probing import fit_probes
from causalgrok.interventions.scoring import double, score_heads
from causalgrok.interventions.settings import Measurement


def selectivity(probe: LogisticProbe) -> np.ndarray:
    """Score (d,) of every channel: its largest absolute standardised coefficient over the classes."""
    return np.abs(probe.weight).max(axis=0)


def selective_order(probe: LogisticProbe) -> np.ndarray:
    """Channels (d,) from the highest score to the lowest; equal scores in the order of channels."""
    return np.argsort(-selectivity(probe), kind="stable")


def silenced_heads(head: Head, orders: Sequence[np.ndarray], counts: Sequence[int]) -> np.ndarray:
    """Weights (orders * counts, classes, d) of the heads that do not see the first k channels of an order (d,)."""
    weights = []
    for order in orders:
        for count in counts:
            weight = head.weight.copy()
            weight[:, order[:count]] = 0.0
            weights.append(weight)
    return np.stack(weights)


def ablate_neurons(features: Features, settings: Measurement) -> pd.DataFrame:
    """Set the most selective channels, and random ones, to zero at every checkpoint.

    Returns:
        The columns of the table `neurons`: selections hospital, tumour and random, the settings' neuron counts below
        the width of the network and repeats, all splits. Draws of one repeat are nested over k.

    Raises:
        ValueError: no neuron count is below the width, a hospital has only one slide, or a feature is not finite.
    """
    frames = []
    for epoch in features.epochs:
        head = double(features.head(epoch))
        width = head.weight.shape[1]
        counts = [count for count in settings.neuron_counts if count < width]
        if not counts:
            raise ValueError(f"neuron_counts: {settings.neuron_counts} has none below the network's width, {width}")
        orders = [(name, 0, selective_order(probe)) for name, probe in fit_probes(features, epoch, settings).items()]
        random = random_orders(width, settings.repeats, seed=settings.seed)
        orders += [("random", repeat, order) for repeat, order in enumerate(random)]
        cases = pd.DataFrame(
            [(count, name, repeat) for name, repeat, _ in orders for count in counts],
            columns=["k", "selection", "repeat"],
        )
        weight = silenced_heads(head, [order for _, _, order in orders], counts)
        frames.append(score_heads(features, epoch, cases, weight, head.bias))
    return pd.concat(frames, ignore_index=True)[list(COLUMNS["neurons"])]
