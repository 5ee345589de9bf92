"""The planted direction is found and points to the OOD-val hospital; pooled, it moves the threshold and no more."""

import numpy as np
import pandas as pd
import pytest

from causalgrok.columns import COLUMNS
from causalgrok.interventions.controls import permuted_domains, without_label_means
from causalgrok.interventions.features import PROBE, SPLITS, Features
from causalgrok.interventions.margins import best_thresholds
from causalgrok.interventions.settings import Measurement
from causalgrok.interventions.steering import (
    UNDEFINED_COSINE,
    hospital_direction,
    steer_activations,
    steering_directions,
)
from causalgrok.scoring import accuracy, auroc

SETTINGS = Measurement(refits=6, directions=7, repeats=5)
COUNTS = {"permuted": 6, "matched": 7, "isotropic": 5}


def directions(planted, *, target=True, **changes):
    features = planted.features
    pool = [features.at(0, PROBE), features.domains(PROBE), features.groups(PROBE), features.labels(PROBE)]
    mean = features.at(0, "ood_val").mean(axis=0) if target else None
    return steering_directions(*pool, mean, **({**COUNTS, "seed": 0} | changes))


def domain_means(features, domains):
    return np.stack([features[domains == domain].mean(axis=0) for domain in np.unique(domains)])


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def without(planted, *splits):
    names = [name for name in planted.arrays if name.split("/")[0] not in splits]
    return Features.of(planted.arrays.__getitem__, names)


def test_direction_is_the_longest_planted_axis_and_sigma_its_spread(planted_features):
    planted = planted_features(slides=10)
    found = directions(planted)
    assert found.names[0] == "hospital"
    step, pool = found.steps[0], planted.features.at(0, PROBE).astype(np.float64)
    assert unit(step) @ planted.hospital_axes[:, 0] > 0.99
    assert np.linalg.norm(step) == pytest.approx(np.std(pool @ unit(step)))
    assert found.cosines[0] > 0.8


def test_direction_is_the_top_eigenvector_of_the_between_covariance(planted_features):
    planted = planted_features()
    means = domain_means(planted.features.at(0, PROBE).astype(np.float64), planted.features.domains(PROBE))
    top = np.linalg.eigh(np.cov(means.T))[1][:, -1]
    assert abs(hospital_direction(means) @ top) == pytest.approx(1, abs=1e-9)
    assert abs(unit(directions(planted).steps[0]) @ top) == pytest.approx(1, abs=1e-9)


def test_sign_follows_the_ood_val_hospital(planted_features):
    there = directions(planted_features(ood_val=(3.0, 0.5)))
    back = directions(planted_features(ood_val=(-3.0, 0.5)))
    np.testing.assert_allclose(there.steps[0], -back.steps[0], atol=1e-9)
    assert min(*there.cosines, *back.cosines) >= 0


def test_a_direction_that_leads_nowhere_says_so(planted_features):
    planted = planted_features(ood_val=(0.0, 6.0), slides=10)
    frame = steer_activations(planted.features, SETTINGS)
    assert (frame[frame["direction"] == "hospital"]["cosine"] < UNDEFINED_COSINE).all()
    assert frame[frame["direction"] == "bias"]["cosine"].isna().all()


def test_controls_go_through_the_procedure_of_the_hospital_direction(planted_features):
    planted = planted_features()
    found = directions(planted)
    pool, domains = planted.features.at(0, PROBE).astype(np.float64), planted.features.domains(PROBE)
    assert {name: np.sum(found.names == name) for name in COUNTS} == COUNTS
    for name, count in COUNTS.items():
        assert found.repeats[found.names == name].tolist() == list(range(count))
    lengths, units = np.linalg.norm(found.steps, axis=1), unit(found.steps)
    own = np.isin(found.names, ["hospital", "matched"])
    np.testing.assert_allclose(lengths[own], np.std(pool @ units[own].T, axis=0))
    np.testing.assert_allclose(lengths[found.names == "isotropic"], lengths[0])
    # Refits move as far as their hospitals lie apart along them, the true ones being one step apart.
    permuted = found.names == "permuted"
    groupings = permuted_domains(domains, planted.features.groups(PROBE), COUNTS["permuted"], seed=0)
    centred = without_label_means(pool, planted.features.labels(PROBE))
    refits = [(domains, units[0]), *zip(groupings, units[permuted], strict=True)]
    apart = np.array([np.std(domain_means(centred, grouping) @ unit) for grouping, unit in refits])
    np.testing.assert_allclose(lengths[permuted] / lengths[0], apart[1:] / apart[0])
    way = planted.features.at(0, "ood_val").mean(axis=0) - domain_means(pool, domains).mean(axis=0)
    np.testing.assert_allclose(found.cosines, units @ way / np.linalg.norm(way), atol=1e-6)
    assert min(found.cosines) >= 0
    assert len(np.unique(found.cosines.round(6))) == len(found.cosines)


def test_refits_are_the_estimator_on_permuted_hospitals(planted_features):
    planted = planted_features(slide=1.0)
    features, found = planted.features, directions(planted)
    pool = features.at(0, PROBE).astype(np.float64)
    draws = permuted_domains(features.domains(PROBE), features.groups(PROBE), 6, seed=0)
    for draw, step in zip(draws, found.steps[found.names == "permuted"], strict=True):
        # Every slide of the planted pool is balanced by label, so that taking label means out changes nothing.
        expected = hospital_direction(domain_means(pool, draw))
        assert abs(unit(step) @ expected) == pytest.approx(1, abs=1e-9)


def test_refits_do_not_find_the_tumour_of_slides_that_differ_in_it(planted_features):
    planted = planted_features(tumour=12.0, hospital=0.2, slide=0.3, slides=6)
    arrays, labels = planted.arrays, planted.arrays["probe/labels"]
    # Hospitals stay balanced: of each one's slides half are one fifth tumour and half four fifths.
    changed = (np.arange(len(labels)) % 24 < np.where(arrays["probe/groups"] % 2, 19, 5)).astype(int)
    arrays["0/probe/pooled"] += np.outer(12.0 * (changed - labels), planted.tumour_axis).astype(np.float32)

    def alignment(labels):
        arrays["probe/labels"] = labels
        found = directions(planted, permuted=20)
        return np.abs(unit(found.steps[found.names == "permuted"]) @ planted.tumour_axis).mean()

    assert alignment(changed) < 0.4
    assert alignment(np.zeros_like(labels)) > 0.7


def test_without_a_hospital_effect_the_rank_among_refits_is_uniform():
    """Slides differ, hospitals do not: shift of the logits by the direction, against 19 refits, in 300 pools."""
    rng = np.random.default_rng(0)
    domains, slides = np.repeat([0, 3, 4], 20), np.repeat(np.arange(12), 5)
    labels, spread = np.tile([0, 1], 30), np.array([4.0, 2.0, 1.0, 0.5])
    head = np.array([1.0, 1.0, -1.0, 0.0])
    ranks = []
    for _ in range(300):
        slide, target = rng.standard_normal((12, 4)), rng.standard_normal(4)
        pool = spread * (slide[slides] + rng.standard_normal((60, 4)))
        some = {"permuted": 19, "matched": 1, "isotropic": 1}
        pushes = np.abs(steering_directions(pool, domains, slides, labels, target, **some, seed=0).steps @ head)
        ranks.append(np.sum(pushes[1:20] >= pushes[0]))
    # Three standard errors of binomial counts of 300, and of the mean of uniform ranks.
    for share in (1, 5, 10, 15):
        expected = share / 20
        assert abs(np.mean(np.array(ranks) < share) - expected) < 3 * np.sqrt(expected * (1 - expected) / 300)
    assert abs(np.mean(ranks) - 9.5) < 3 * np.sqrt(399 / 12 / 300)


def test_pooled_steering_is_a_forward_pass_with_moved_features(planted_features):
    planted = planted_features(reads="both")
    features, frame = planted.features, steer_activations(planted.features, SETTINGS)
    assert list(frame.columns) == list(COLUMNS["steering"])
    assert len(frame) == 2 * len(SPLITS) * 7 * (2 + sum(COUNTS.values()))
    assert set(frame["stage"]) == {"pooled"}
    for _, rows in frame.groupby(["epoch", "split"]):
        assert rows["auroc"].nunique() == rows["accuracy_recalibrated"].nunique() == 1
    found = directions(planted)
    steps = {(name, repeat): i for i, (name, repeat) in enumerate(zip(found.names, found.repeats, strict=True))}
    head = features.head(0)
    kept = frame[(frame["epoch"] == 0) & (frame["direction"] != "bias")]
    for (name, repeat, alpha), rows in kept.groupby(["direction", "repeat", "alpha"]):
        step = alpha * found.steps[steps[name, repeat]]
        logits = {split: head.logits(features.at(0, split).astype(np.float64) + step) for split in SPLITS}
        (threshold,) = best_thresholds(logits["id_val"][None], features.labels("id_val"))
        for row in rows.itertuples():
            labels, moved = features.labels(row.split), logits[row.split]
            plain = head.logits(features.at(0, row.split).astype(np.float64))
            margin = moved[:, 1] - moved[:, 0]
            assert row.accuracy == pytest.approx(accuracy(moved, labels), abs=1e-9)
            assert row.auroc == pytest.approx(auroc(moved, labels), abs=1e-9)
            assert row.accuracy_recalibrated == pytest.approx(np.mean((margin > threshold) == labels), abs=1e-9)
            assert row.flip_fraction == pytest.approx(np.mean(moved.argmax(1) != plain.argmax(1)), abs=1e-9)
            assert row.logit_shift == pytest.approx(np.mean(margin - (plain[:, 1] - plain[:, 0])), abs=1e-6)
            assert row.cosine == pytest.approx(found.cosines[steps[name, repeat]], abs=1e-6)
            assert row.images == len(labels)
    hospital = frame[(frame["direction"] == "hospital") & (frame["split"] == "ood_test")]
    assert hospital["accuracy"].max() - hospital["accuracy"].min() > 0.2


def test_bias_without_a_direction_reproduces_the_hospital_rows(planted_features):
    frame = steer_activations(planted_features(reads="both").features, SETTINGS)
    hospital, bias = (frame[frame["direction"] == name].drop(columns="cosine") for name in ("hospital", "bias"))
    bias = bias.assign(direction="hospital")
    pd.testing.assert_frame_equal(hospital.reset_index(drop=True), bias.reset_index(drop=True))


def test_alpha_zero_is_the_network_itself(planted_features):
    planted = planted_features(reads="both")
    frame = steer_activations(planted.features, SETTINGS)
    unmoved = frame[frame["alpha"] == 0]
    assert (unmoved["flip_fraction"] == 0).all() and (unmoved["logit_shift"] == 0).all()
    for (epoch, split), rows in unmoved.groupby(["epoch", "split"]):
        logits = planted.features.head(epoch).logits(planted.features.at(epoch, split).astype(np.float64))
        assert set(rows["accuracy"]) == {accuracy(logits, planted.features.labels(split))}


def test_without_ood_val_directions_raise_the_margin(planted_features):
    planted = planted_features(reads="both")
    assert np.isnan(directions(planted, target=False).cosines).all()
    frame = steer_activations(without(planted, "ood_val"), SETTINGS)
    assert set(frame["split"]) == {"train", "id_val", "ood_test"}
    assert frame["cosine"].isna().all()
    assert (frame[frame["alpha"] == 1]["logit_shift"] > 0).all()
    with_sign = steer_activations(planted.features, SETTINGS)
    assert (with_sign[with_sign["alpha"] == 1]["logit_shift"] < 0).any()


def test_without_id_val_nothing_is_recalibrated(planted_features):
    planted = planted_features(reads="both")
    frame, full = steer_activations(without(planted, "id_val"), SETTINGS), steer_activations(planted.features, SETTINGS)
    assert frame["accuracy_recalibrated"].isna().all() and full["accuracy_recalibrated"].notna().all()
    rest = full[full["split"] != "id_val"].reset_index(drop=True)
    drop = {"columns": "accuracy_recalibrated"}
    pd.testing.assert_frame_equal(frame.drop(**drop), rest.drop(**drop))


def test_heads_of_three_classes(planted_features):
    planted = planted_features(epochs=(0,))
    rng = np.random.default_rng(0)
    planted.arrays["0/head.weight"] = rng.standard_normal((3, 24)).astype(np.float32)
    planted.arrays["0/head.bias"] = rng.standard_normal(3).astype(np.float32)
    for split in (*SPLITS, PROBE):
        planted.arrays[f"{split}/labels"] = np.arange(len(planted.arrays[f"{split}/labels"])) % 3
    frame = steer_activations(planted.features, SETTINGS)
    assert frame[["logit_shift", "accuracy_recalibrated"]].isna().all(axis=None)
    step, features = directions(planted).steps[0], planted.features
    for row in frame[(frame["direction"] == "hospital") & (frame["split"] == "ood_test")].itertuples():
        moved = features.head(0).logits(features.at(0, "ood_test").astype(np.float64) + row.alpha * step)
        assert row.accuracy == pytest.approx(accuracy(moved, features.labels("ood_test")), abs=1e-9)
        assert row.auroc == pytest.approx(auroc(moved, features.labels("ood_test")), abs=1e-9)


def test_draws_do_not_depend_on_their_number(planted_features):
    planted = planted_features()
    many, few = directions(planted), directions(planted, permuted=2, matched=2, isotropic=2)
    for name in COUNTS:
        np.testing.assert_allclose(many.steps[many.names == name][:2], few.steps[few.names == name], atol=1e-9)


def test_hospitals_that_cannot_be_compared_are_refused(planted_features):
    planted = planted_features()
    confounded = (planted.arrays["probe/domains"] == 3).astype(int)
    planted.arrays["probe/labels"], labels = planted.arrays["probe/domains"].copy(), planted.arrays["probe/labels"]
    with pytest.raises(ValueError, match="no label occurs in two hospitals"):
        steer_activations(planted.features, SETTINGS)
    planted.arrays["probe/labels"] = confounded
    assert len(steer_activations(planted.features, SETTINGS))
    planted.arrays["probe/labels"] = labels
    planted.arrays["probe/domains"][:] = 0
    with pytest.raises(ValueError, match="one hospital"):
        steer_activations(planted.features, SETTINGS)


def test_twice_the_same(planted_features):
    planted = planted_features()
    pd.testing.assert_frame_equal(*(steer_activations(planted.features, SETTINGS) for _ in range(2)))
