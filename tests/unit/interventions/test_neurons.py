"""The planted hospital channels are found; taking them out hurts a head that reads them, taking others out does not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import f_classif
from sklearn.metrics import roc_auc_score

from causalgrok.columns import COLUMNS
from causalgrok.interventions.ablation import ablate_features
from causalgrok.interventions.between import hospital_fractions
from causalgrok.interventions.channels import (
    auroc_scores,
    f_scores,
    leading,
    live_channels,
    matched_sets,
    selectivity,
)
from causalgrok.interventions.controls import permuted_domains, random_orders
from causalgrok.interventions.estimates import estimate, labelless_slides
from causalgrok.interventions.features import PROBE, SPLITS, Features, Head
from causalgrok.interventions.logistic import fit_validated
from causalgrok.interventions.neurons import hospital_orders, silenced_heads
from causalgrok.interventions.probing import judging_mask
from causalgrok.interventions.scoring import double
from causalgrok.interventions.settings import Measurement
from causalgrok.scoring import accuracy, auroc

SETTINGS = Measurement(repeats=8, matched_draws=6, refits=5, neuron_counts=[0, 1, 2, 4, 23, 24, 64])
TARGETS = ["hospital", "hospital_f", "hospital_auroc", "tumour"]
MATCHED = ["matched", "matched_f", "matched_auroc"]
PERMUTED = ["permuted", "permuted_f", "permuted_auroc"]


def fitting_pool(features: Features, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    domains = features.domains(PROBE)
    fitting = ~judging_mask(domains, features.groups(PROBE), SETTINGS.judged_fraction, SETTINGS.seed)
    return features.at(epoch, PROBE)[fitting], domains[fitting]


@pytest.mark.parametrize("selection", TARGETS[:3])
def test_planted_channels_come_first(planted_features, selection):
    planted = planted_features(rotate=False, reads="hospital", shortcut=0.95)
    frame = ablate_features(planted.features, SETTINGS, ("neurons",))["neurons"].query(
        "split == 'id_val' and epoch == 10 and mode == 'mean'"
    )
    areas = frame.groupby(["selection", "k"])["auroc"].mean()
    assert areas[selection, 0] > 0.7 and areas[selection, 2] == 0.5, "channel 0, the only one read, is among the two"
    assert areas["tumour", 1] == areas[selection, 0], "the tumour channel is not read"
    assert areas["matched", 2] == areas[selection, 0], "no matched draw takes a selected channel"


def test_scores_agree_with_independent_implementations():
    rng = np.random.default_rng(0)
    domains = np.repeat([0, 3, 4], [40, 30, 50])
    values = rng.standard_normal((120, 12)) + np.outer(domains, rng.standard_normal(12) / 4)
    values[:, 1] = rng.integers(3, size=120)  # ties
    values = values.astype(np.float32)
    np.testing.assert_allclose(f_scores(values, domains), f_classif(values.astype(np.float64), domains)[0], rtol=1e-9)
    areas = [[roc_auc_score(domains == one, channel) for channel in values.T] for one in (0, 3, 4)]
    np.testing.assert_allclose(auroc_scores(values, domains), np.abs(np.array(areas) - 0.5).max(axis=0), atol=1e-12)
    values[:, 0] = 0.1
    assert auroc_scores(values, domains)[0] == 0


def test_the_source_scores_by_the_largest_coefficient(planted_features):
    probe = estimate(planted_features().features, 0, SETTINGS).probe
    assert selectivity(probe)[3] == max(abs(probe.weight[:, 3]))


def test_table_agrees_with_altered_features(planted_features):
    planted = planted_features(reads="both", epochs=(10,))
    features = planted.features
    frame = ablate_features(features, SETTINGS, ("neurons",))["neurons"]
    assert list(frame.columns) == list(COLUMNS["neurons"])
    assert set(frame["k"]) == {0, 1, 2, 4, 23}, "without all 24 channels no network is left"
    sets = 5 * (len(TARGETS) + SETTINGS.repeats + len(PERMUTED) * SETTINGS.refits)
    sets += 3 * len(MATCHED) * SETTINGS.matched_draws
    shrunken = 5 * (len(TARGETS[:3]) + len(PERMUTED) * SETTINGS.refits)
    assert len(frame) == (sets * 2 + shrunken) * len(SPLITS)
    pool, domains = fitting_pool(features, 10)
    estimates = estimate(features, 10, SETTINGS)
    scores = [selectivity(estimates.probe), f_scores(pool, domains), auroc_scores(pool, domains)]
    orders = {(name, 0): np.argsort(-score) for name, score in zip(TARGETS, scores, strict=False)}
    labels, grid = estimates.fitting.labels, SETTINGS.inverse_regularisation
    tumour = fit_validated(estimates.design, labels, estimates.folds, grid)
    orders["tumour", 0] = np.argsort(-selectivity(tumour))
    orders |= {("random", repeat): order for repeat, order in enumerate(random_orders(24, 8, seed=0))}
    permuted = hospital_orders(estimates)
    orders |= {(name, repeat): order for name in PERMUTED for repeat, order in enumerate(permuted[name])}
    head, means = features.head(10), pool.astype(np.float64).mean(axis=0)
    for row in frame[~frame["selection"].isin(MATCHED) & (frame["mode"] != "shrunken")].itertuples():
        order = orders[row.selection, row.repeat]
        channels = order[: row.k]
        values = features.at(10, row.split).astype(np.float64)
        before = np.argmax(head.logits(values), axis=1)
        values[:, channels] = means[channels] if row.mode == "mean" else 0
        logits, labels = head.logits(values), features.labels(row.split)
        assert row.accuracy == pytest.approx(accuracy(logits, labels), abs=1e-9)
        assert row.auroc == pytest.approx(auroc(logits, labels), abs=1e-6)
        assert row.flip_fraction == pytest.approx(np.mean(np.argmax(logits, axis=1) != before), abs=1e-9)
        if row.k:
            overlap = len(set(channels) & set(orders["tumour", 0][: row.k])) / row.k
            assert row.tumour_overlap == pytest.approx(overlap)
        else:
            assert np.isnan(row.tumour_overlap)


def test_permuted_orders_are_the_estimators_own_under_other_groupings(planted_features):
    features = planted_features(reads="both", epochs=(10,)).features
    estimates = estimate(features, 10, SETTINGS.model_copy(update={"seed": 3}))
    fitting, orders = estimates.fitting, hospital_orders(estimates)
    groupings = permuted_domains(fitting.hospitals, fitting.slides, 5, seed=3)
    for grouping, by_f, by_area in zip(groupings, orders["permuted_f"], orders["permuted_auroc"], strict=True):
        np.testing.assert_array_equal(by_f, np.argsort(-f_classif(fitting.features, grouping)[0]))
        np.testing.assert_array_equal(by_area, np.argsort(-auroc_scores(fitting.features, grouping), kind="stable"))
    assert len({tuple(order) for order in orders["permuted"]}) > 1
    assert orders["hospital"].shape == (1, 24)


def test_a_matched_row_is_its_own_draw(planted_features):
    features = planted_features(reads="both", epochs=(10,)).features
    frame = ablate_features(features, SETTINGS, ("neurons",))["neurons"]
    pool, domains = fitting_pool(features, 10)
    draws = matched_sets(pool, np.argsort(-f_scores(pool, domains)), [4], 6, seed=0)[4]
    values = features.at(10, "id_val").astype(np.float64)
    expected = [accuracy(features.head(10).logits(values * ~out), features.labels("id_val")) for out in draws]
    rows = frame.query("selection == 'matched_f' and k == 4 and split == 'id_val' and mode == 'zero'")
    np.testing.assert_allclose(rows.sort_values("repeat")["accuracy"], expected, atol=1e-9)
    assert len(set(expected)) > 1


@pytest.fixture
def uneven() -> np.ndarray:
    """Features (400, 120) of very different means and spreads; the first 30 channels are the strongest, 5 are dead."""
    rng = np.random.default_rng(0)
    scale = np.exp(np.sort(rng.standard_normal(120))[::-1] + 0.2 * rng.standard_normal(120))
    values = np.abs(rng.standard_normal((400, 120)) + 1) * scale
    values[:, 40:45] = [0, 0, 1, -2, 1e-3]
    return values.astype(np.float32)


def test_matched_draws_resemble_what_they_stand_in_for(uneven):
    order = np.random.default_rng(1).permutation(30)
    order = np.append(order, np.arange(30, 120))
    draws = matched_sets(uneven, order, [8, 30], 60, seed=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        moments = np.log(np.column_stack([uneven.mean(axis=0), uneven.std(axis=0)]))
    random = leading(random_orders(120, 60, seed=0), np.array([8]))[:, 0]
    for count, sets in draws.items():
        assert sets.shape == (60, 120) and np.all(sets.sum(axis=1) == count), "without replacement"
        assert not sets[:, order[:count]].any(), "never a selected channel"
        assert not sets[:, 40:45].any(), "never a dead one"
        assert len(np.unique(sets, axis=0)) > 50
    aim = moments[order[:8]].mean(axis=0)
    live = live_channels(uneven)
    off = [np.mean([np.abs(moments[one & live].mean(axis=0) - aim) for one in sets]) for sets in (draws[8], random)]
    assert off[0] < off[1] / 4
    np.testing.assert_array_equal(matched_sets(uneven, order, [8], 20, seed=0)[8], draws[8][:20])
    assert not np.array_equal(matched_sets(uneven, order, [8], 60, seed=1)[8], draws[8])


@pytest.mark.parametrize("scale, shift", [(2.0, 0.0), (1.0, 2.0)], ids=["spread", "mean"])
def test_a_channel_takes_one_of_the_five_nearest(scale, shift):
    # Channels whose spreads and means, or means alone, double from one to the next.
    step = np.arange(21)
    values = np.random.default_rng(0).random((50, 1)) * scale**step + 3 * shift**step
    order = np.append(10, np.delete(step, 10))
    taken = matched_sets(values, order, [1], 400, seed=0)[1].mean(axis=0)
    assert set(np.flatnonzero(taken)) <= {7, 8, 9, 11, 12, 13}
    assert np.all(taken[[8, 9, 11, 12]] == pytest.approx(0.2, abs=0.07))


def test_too_few_live_channels_give_no_matched_draws(uneven):
    order = np.arange(120)
    # 115 live channels, of which the first k are selected: 2 k others are left for k up to 38.
    assert list(matched_sets(uneven, order, [0, 30, 38, 39, 60], 3, seed=0)) == [30, 38]


def test_dead_channels_are_those_constant_but_for_rounding(uneven):
    rounded = np.float32(7) * (1 + np.float32(1.2e-7) * np.arange(400, dtype=np.float32).clip(0, 2))
    values = np.column_stack([uneven, rounded])
    assert list(np.flatnonzero(~live_channels(values))) == [40, 41, 42, 43, 44, 120]


def test_dead_channels_are_selected_last(planted_features):
    planted = planted_features(rotate=False, epochs=(10,))
    for split in (*SPLITS, PROBE):
        # Rounding that follows hospital would give it the highest scores of all.
        hospital = planted.features.domains(split)
        planted.arrays[f"10/{split}/pooled"][:, 5] = np.where(hospital == 4, np.nextafter(np.float32(3), 4), 3)
    planted.arrays["10/head.weight"][:] = 0
    planted.arrays["10/head.weight"][1, 5] = 1.0  # the head reads the dead channel alone, and says tumour
    planted.arrays["10/head.bias"][:] = [0.5, 0]
    frame = ablate_features(planted.features, SETTINGS, ("neurons",))["neurons"].query("mode == 'zero'")
    changed = frame[frame["flip_fraction"] > 0]
    assert set(changed["selection"]) == {"random"}, "all 23 live channels come before the dead one"


def test_mean_ablation_keeps_the_mean_logits(planted_features):
    features = planted_features(reads="both", epochs=(10,)).features
    pool, head = fitting_pool(features, 10)[0].astype(np.float64), features.head(10)
    members = np.random.default_rng(0).random((7, 24)) < 0.4
    weight, addition = silenced_heads(head, members, pool.mean(axis=0))
    for silenced, added in zip(weight, addition, strict=True):
        logits = Head(silenced, head.bias + added).logits(pool)
        np.testing.assert_allclose(logits.mean(axis=0), head.logits(pool).mean(axis=0), atol=1e-5)
    frame = ablate_features(features, SETTINGS, ("neurons",))["neurons"]
    by = ["selection", "k", "repeat", "split"]
    modes = [frame[frame["mode"] == mode].set_index(by) for mode in ("zero", "mean")]
    np.testing.assert_allclose(modes[0]["auroc"], modes[1]["auroc"], atol=1e-9)
    assert (modes[0]["accuracy"] != modes[1]["accuracy"]).any(), "zero moves the threshold as well"


def test_shrunken_channels_move_to_their_mean_by_their_hospitals_share(planted_features):
    features = planted_features(reads="both", epochs=(10,)).features
    estimates = estimate(features, 10, SETTINGS)
    slides = labelless_slides(estimates.fitting, estimates.design)
    means, head = estimates.fitting.features.mean(axis=0), double(features.head(10))
    values, labels = features.at(10, "ood_val").astype(np.float64), features.labels("ood_val")
    frame = ablate_features(features, SETTINGS, ("neurons",))["neurons"]
    rows = frame.query("mode == 'shrunken' and k == 4 and split == 'ood_val'").set_index(["selection", "repeat"])
    assert set(rows.index.unique(0)) == {*TARGETS[:3], *PERMUTED}
    orders = hospital_orders(estimates)
    for selection, repeat, hospitals in (
        ("hospital_f", 0, estimates.fitting.hospitals),
        ("permuted_f", 3, estimates.permuted[3]),
    ):
        chosen = np.isin(np.arange(24), orders[selection][repeat][:4])
        moved = chosen * hospital_fractions(slides, hospitals[None, slides.first])[0]
        logits = head.logits(values + moved * (means - values))
        assert rows.loc[(selection, repeat), "auroc"] == pytest.approx(auroc(logits, labels))
        assert rows.loc[(selection, repeat), "accuracy"] == pytest.approx(accuracy(logits, labels))


def test_random_draws_are_nested_and_without_replacement():
    orders = random_orders(24, 8, seed=0)
    assert all(sorted(order) == list(range(24)) for order in orders)
    assert len({tuple(order) for order in orders}) == 8
    sets = leading(orders, np.array([0, 3, 10]))
    assert np.all(sets.sum(axis=2) == [0, 3, 10])
    assert not np.any(sets[:, 1] & ~sets[:, 2])
    assert set(np.flatnonzero(sets[0, 1])) == set(orders[0, :3])


def test_too_narrow_a_network_is_refused(planted_features):
    with pytest.raises(ValueError, match=r"neuron_counts: \[64\].*width, 24"):
        ablate_features(planted_features().features, Measurement(neuron_counts=[64]), ("neurons",))["neurons"]


def test_twice_the_same(planted_features):
    planted = planted_features(epochs=(0,))
    pd.testing.assert_frame_equal(
        *(ablate_features(planted.features, SETTINGS, ("neurons",))["neurons"] for _ in range(2))
    )
