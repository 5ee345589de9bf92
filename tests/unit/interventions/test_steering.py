"""The planted direction is found and points to the OOD-val hospital; pooled, it moves the threshold and no more."""

import numpy as np
import pandas as pd
import pytest

from causalgrok.columns import COLUMNS
from causalgrok.interventions.features import PROBE, SPLITS
from causalgrok.interventions.settings import Measurement
from causalgrok.interventions.steering import (
    UNDEFINED_COSINE,
    domain_means,
    hospital_direction,
    steer_activations,
    steering_directions,
)
from causalgrok.scoring import accuracy, auroc

SETTINGS = Measurement(repeats=5)


def directions(planted, **changes):
    target = planted.features.at(0, "ood_val").mean(axis=0)
    pool, domains = planted.features.at(0, PROBE), planted.features.domains(PROBE)
    return steering_directions(pool, domains, target, **({"repeats": 5, "seed": 0} | changes))


def test_direction_is_the_longest_planted_axis_and_sigma_its_spread(planted_features):
    planted = planted_features(slides=10)
    hospital = directions(planted)[0]
    sigma = np.linalg.norm(hospital.step)
    assert hospital.step @ planted.hospital_axes[:, 0] / sigma > 0.99
    pool = planted.features.at(0, PROBE).astype(np.float64)
    assert sigma == pytest.approx(np.std(pool @ hospital.step / sigma))
    assert hospital.cosine > 0.8


def test_direction_is_the_top_eigenvector_of_the_between_covariance(planted_features):
    planted = planted_features()
    means = domain_means(planted.features.at(0, PROBE).astype(np.float64), planted.features.domains(PROBE))
    top = np.linalg.eigh(np.cov(means.T))[1][:, -1]
    assert abs(hospital_direction(means) @ top) == pytest.approx(1, abs=1e-9)


def test_sign_follows_the_ood_val_hospital(planted_features):
    there = directions(planted_features(ood_val=(3.0, 0.5)))
    back = directions(planted_features(ood_val=(-3.0, 0.5)))
    np.testing.assert_allclose(there[0].step, -back[0].step, atol=1e-9)
    assert min(one.cosine for one in there + back) >= 0


def test_a_direction_that_leads_nowhere_says_so(planted_features):
    planted = planted_features(ood_val=(0.0, 6.0), slides=10)
    frame = steer_activations(planted.features, SETTINGS)
    assert (frame[frame["direction"] == "hospital"]["cosine"] < UNDEFINED_COSINE).all()


def test_controls_move_as_far_as_the_hospital_direction_and_are_oriented_likewise(planted_features):
    planted = planted_features()
    hospital, *random = directions(planted, repeats=50)
    lengths = [np.linalg.norm(one.step) for one in random]
    np.testing.assert_allclose(lengths, np.linalg.norm(hospital.step))
    pool, domains = planted.features.at(0, PROBE).astype(np.float64), planted.features.domains(PROBE)
    way = planted.features.at(0, "ood_val").mean(axis=0) - domain_means(pool, domains).mean(axis=0)
    cosines = [one.step @ way / np.linalg.norm(one.step) / np.linalg.norm(way) for one in random]
    np.testing.assert_allclose([one.cosine for one in random], cosines, atol=1e-6)
    assert min(cosines) >= 0
    assert len({round(cosine, 6) for cosine in cosines}) == 50


def test_pooled_steering_shifts_logits_and_leaves_auroc_exactly_alone(planted_features):
    planted = planted_features(reads="both")
    frame = steer_activations(planted.features, SETTINGS)
    assert list(frame.columns) == list(COLUMNS["steering"])
    assert len(frame) == 2 * len(SPLITS) * 7 * (1 + SETTINGS.repeats)
    assert set(frame["stage"]) == {"pooled"}
    for _, rows in frame.groupby(["epoch", "split"]):
        assert rows["auroc"].nunique() == 1
    chosen = {(one.name, one.repeat): one for one in directions(planted)}
    for row in frame[frame["epoch"] == 0].itertuples():
        step = chosen[row.direction, row.repeat].step
        moved = planted.features.at(0, row.split).astype(np.float64) + row.alpha * step
        logits = planted.features.head(0).logits(moved)
        assert row.accuracy == pytest.approx(accuracy(logits, planted.features.labels(row.split)), abs=1e-9)
        assert row.auroc == pytest.approx(auroc(logits, planted.features.labels(row.split)), abs=1e-9)
        assert row.cosine == pytest.approx(chosen[row.direction, row.repeat].cosine, abs=1e-6)
    hospital = frame[(frame["direction"] == "hospital") & (frame["split"] == "ood_test")]
    assert hospital["accuracy"].max() - hospital["accuracy"].min() > 0.2


def test_alpha_zero_is_the_network_itself(planted_features):
    planted = planted_features(reads="both")
    frame = steer_activations(planted.features, SETTINGS)
    for (epoch, split), rows in frame[frame["alpha"] == 0].groupby(["epoch", "split"]):
        logits = planted.features.head(epoch).logits(planted.features.at(epoch, split).astype(np.float64))
        assert set(rows["accuracy"]) == {accuracy(logits, planted.features.labels(split))}


def test_one_hospital_has_no_direction(planted_features):
    planted = planted_features()
    planted.arrays["probe/domains"][:] = 0
    with pytest.raises(ValueError, match="one hospital"):
        steer_activations(planted.features, SETTINGS)


def test_twice_the_same(planted_features):
    planted = planted_features()
    pd.testing.assert_frame_equal(*(steer_activations(planted.features, SETTINGS) for _ in range(2)))
