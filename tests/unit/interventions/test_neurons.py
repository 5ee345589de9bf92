"""The planted hospital channels are found; silencing them hurts a head that reads them, silencing others does not."""

import numpy as np
import pandas as pd
import pytest

from causalgrok.columns import COLUMNS
from causalgrok.interventions.controls import random_orders
from causalgrok.interventions.features import SPLITS
from causalgrok.interventions.neurons import ablate_neurons, selective_order, selectivity
from causalgrok.interventions.probing import fit_probes
from causalgrok.interventions.settings import Measurement
from causalgrok.scoring import accuracy, auroc

SETTINGS = Measurement(repeats=8, neuron_counts=[0, 1, 2, 4, 23, 24, 64])


def test_planted_channels_come_first(planted_features):
    planted = planted_features(rotate=False)
    probes = fit_probes(planted.features, 0, SETTINGS)
    assert set(selective_order(probes["hospital"])[:2]) == {0, 1}
    assert selective_order(probes["tumour"])[0] == 2
    scores = selectivity(probes["hospital"])
    assert scores[3] == max(abs(probes["hospital"].weight[:, 3]))


def test_silencing_what_the_head_reads_hurts_and_random_channels_do_not(planted_features):
    planted = planted_features(rotate=False, reads="hospital", shortcut=0.95)
    frame = ablate_neurons(planted.features, SETTINGS).query("split == 'id_val' and epoch == 10")
    scores = frame.groupby(["selection", "k"])["accuracy"].mean()
    assert scores["hospital", 0] > 0.7
    assert scores["hospital", 2] < scores["hospital", 0] - 0.15
    assert scores["tumour", 1] == scores["hospital", 0]
    assert abs(scores["random", 2] - scores["random", 0]) < 0.06
    areas = frame.groupby(["selection", "k"])["auroc"].mean()
    assert areas["hospital", 0] > 0.7 and areas["hospital", 2] == 0.5


def test_table_agrees_with_silenced_features(planted_features):
    planted = planted_features(reads="both")
    frame = ablate_neurons(planted.features, SETTINGS)
    assert list(frame.columns) == list(COLUMNS["neurons"])
    assert len(frame) == 2 * 5 * len(SPLITS) * (2 + SETTINGS.repeats)
    assert set(frame["k"]) == {0, 1, 2, 4, 23}  # without all 24 channels no network is left
    probes = fit_probes(planted.features, 10, SETTINGS)
    orders = {(target, 0): selective_order(probe) for target, probe in probes.items()}
    orders |= {("random", repeat): order for repeat, order in enumerate(random_orders(24, 8, seed=0))}
    for row in frame[frame["epoch"] == 10].itertuples():
        values = planted.features.at(10, row.split).astype(np.float64)
        values[:, orders[row.selection, row.repeat][: row.k]] = 0
        logits = planted.features.head(10).logits(values)
        labels = planted.features.labels(row.split)
        assert row.accuracy == pytest.approx(accuracy(logits, labels), abs=1e-9)
        assert row.auroc == pytest.approx(auroc(logits, labels), abs=1e-6)


def test_random_draws_are_nested_and_without_replacement():
    orders = random_orders(24, 8, seed=0)
    assert all(sorted(order) == list(range(24)) for order in orders)
    assert len({tuple(order) for order in orders}) == 8
    np.testing.assert_array_equal(orders[:3], random_orders(24, 3, seed=0))


def test_too_narrow_a_network_is_refused(planted_features):
    with pytest.raises(ValueError, match=r"neuron_counts: \[64\].*width, 24"):
        ablate_neurons(planted_features().features, Measurement(neuron_counts=[64]))


def test_twice_the_same(planted_features):
    planted = planted_features()
    pd.testing.assert_frame_equal(*(ablate_neurons(planted.features, SETTINGS) for _ in range(2)))
