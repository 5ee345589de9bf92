"""Ablation of the planted hospital plane does what it must, and controls do not."""

import numpy as np
import pandas as pd
import pytest

from causalgrok.columns import COLUMNS
from causalgrok.interventions.ablation import ablate_features
from causalgrok.interventions.estimates import centred, control_erasers, estimate, hospital_erasers, shrunken_means
from causalgrok.interventions.features import PROBE, SPLITS, Features
from causalgrok.interventions.settings import Measurement
from causalgrok.scoring import accuracy, auroc

SETTINGS = Measurement(strengths=[0.0, 0.5, 1.0], repeats=4, refits=5, inlp_iterations=2)
CASE = ["method", "space", "centred", "rank", "strength", "repeat"]


def mean(frame, score="accuracy", **where):
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame)
    return frame[score].mean()


def test_head_that_reads_the_plane_changes_and_an_orthogonal_one_does_not(planted_features):
    # Without an offset: uncentred ablation of features with one would move the threshold as well.
    planted = {reads: planted_features(reads=reads, offset=0.0, epochs=(0,)) for reads in ("both", "tumour")}
    frames = {
        reads: ablate_features(one.features, SETTINGS, ("subspace",))["subspace"] for reads, one in planted.items()
    }
    where = {"split": "ood_test", "rank": 2, "space": "raw"}
    before = mean(frames["both"], **where, method="logistic", strength=0.0)
    assert before < 0.6
    for method in ("logistic", "mean_difference", "leace", "inlp", "shrunken_mean"):
        where["centred"] = method == "leace"
        if method != "leace":
            assert mean(frames["both"], **where, method=method, strength=1.0) > 0.75
        assert mean(frames["both"], "auroc", **where, method=method, strength=1.0) > 0.85
        assert mean(frames["tumour"], "flip_fraction", **where, method=method, strength=1.0) < 0.1
    for method in ("isotropic", "permuted", "permuted_mean"):
        assert abs(mean(frames["both"], **where, method=method, strength=1.0) - before) < 0.1


def test_rows_are_every_case_on_every_split(planted_features):
    frame = ablate_features(planted_features(epochs=(0,)).features, SETTINGS, ("subspace",))["subspace"]
    assert list(frame.columns) == list(COLUMNS["subspace"])
    assert set(frame["split"]) == set(SPLITS) and not frame.duplicated([*CASE, "split"]).any()
    expected = {"logistic": 12, "mean_difference": 12, "leace": 4, "inlp": 8, "shrunken_mean": 8}
    expected |= {"matched": 16, "isotropic": 16, "permuted": 10, "permuted_mean": 10, "permuted_leace": 5}
    assert (frame.groupby("method").size() / len(SPLITS)).to_dict() == expected
    inlp = frame[frame["method"] == "inlp"]
    assert set(inlp["rank"]) == {1, 2, 3, 4} and set(inlp["strength"]) == {1.0}
    full = frame[(frame["strength"] < 1) | ~frame["method"].isin(list(expected)[:5])]
    assert set(full["rank"]) == {2}


def test_table_agrees_with_erased_features_and_its_zero_with_the_network(planted_features):
    planted = planted_features(reads="both", epochs=(10,))
    frame = ablate_features(planted.features, SETTINGS, ("subspace",))["subspace"]
    estimates = estimate(planted.features, 10, SETTINGS)
    erasers = {(method, eraser.space, eraser.centred, 0): eraser for method, eraser in hospital_erasers(estimates)}
    controls = control_erasers(estimates, rank=2, repeats=SETTINGS.repeats, refits=SETTINGS.refits)
    for method, repeat, eraser in controls:
        erasers[method, "raw", False, repeat] = eraser
        erasers[method, "raw", True, repeat] = centred(eraser, estimates.fitting.features.mean(axis=0))
    shrunken = shrunken_means(estimates, estimates.fitting.hospitals[None])[0]
    erasers["shrunken_mean", "raw", False, 0] = shrunken
    erasers["shrunken_mean", "raw", True, 0] = centred(shrunken, estimates.fitting.features.mean(axis=0))
    head = planted.features.head(10)
    for row in frame.itertuples():
        eraser = erasers[row.method, row.space, row.centred, row.repeat].leading(row.rank)
        values, labels = planted.features.at(10, row.split).astype(np.float64), planted.features.labels(row.split)
        logits = head.logits(eraser.erase(values, row.strength))
        assert row.accuracy == pytest.approx(accuracy(logits, labels), abs=1e-9)
        assert row.auroc == pytest.approx(auroc(logits, labels), abs=1e-6)
        flipped = np.mean(logits.argmax(axis=1) != head.logits(values).argmax(axis=1))
        assert row.flip_fraction == pytest.approx(flipped, abs=1e-9)
    zero = frame[frame["strength"] == 0]
    assert (zero["flip_fraction"] == 0).all()
    assert (zero.groupby("split")[["accuracy", "auroc"]].nunique() == 1).all(axis=None)


def test_centring_moves_the_threshold_and_nothing_else(planted_features):
    frame = ablate_features(planted_features(reads="both", epochs=(0,), offset=2.0).features, SETTINGS, ("subspace",))[
        "subspace"
    ]
    raw = (frame["strength"] == 1) & (frame["space"] == "raw")
    frame = frame[raw & ~frame["method"].isin(["leace", "permuted_leace"])]
    cases = ["method", "rank", "repeat", "split"]
    pairs = frame.pivot(index=cases, columns="centred", values=["accuracy", "auroc"])
    np.testing.assert_allclose(pairs["auroc", True], pairs["auroc", False], atol=1e-9)
    assert (pairs["accuracy", True] - pairs["accuracy", False]).abs().max() > 0.05


def test_more_classes_and_fewer_splits(planted_features):
    planted = planted_features(epochs=(0,))
    rng = np.random.default_rng(0)
    planted.arrays["0/head.weight"] = rng.standard_normal((3, 24)).astype(np.float32)
    planted.arrays["0/head.bias"] = np.zeros(3, dtype=np.float32)
    for split in (*SPLITS, PROBE):
        labels = planted.arrays[f"{split}/labels"]
        planted.arrays[f"{split}/labels"] = np.where(rng.random(len(labels)) < 0.3, 2, labels)
    names = [name for name in planted.arrays if "ood_val" not in name]
    frame = ablate_features(Features.of(planted.arrays.__getitem__, names), SETTINGS, ("subspace",))["subspace"]
    assert set(frame["split"]) == {"train", "id_val", "ood_test"}
    assert frame[["accuracy", "auroc", "flip_fraction"]].notna().all(axis=None)


def test_controls_are_the_same_at_every_checkpoint_and_in_every_call(planted_features):
    frame = ablate_features(planted_features(reads="both").features, SETTINGS, ("subspace",))["subspace"]
    first, second = (frame[frame["epoch"] == epoch].drop(columns="epoch").reset_index(drop=True) for epoch in (0, 10))
    pd.testing.assert_frame_equal(first, second)  # the planted checkpoints are equal
    pd.testing.assert_frame_equal(
        frame, ablate_features(planted_features(reads="both").features, SETTINGS, ("subspace",))["subspace"]
    )


@pytest.mark.parametrize("value", [1.0, 0.1])
def test_collapsed_features_have_no_subspace(planted_features, value):
    planted = planted_features()
    planted.arrays["10/probe/pooled"] = np.full_like(planted.arrays["10/probe/pooled"], value)
    frame = ablate_features(planted.features, SETTINGS, ("subspace",))["subspace"]
    assert set(frame["epoch"]) == {0}
    whole = ablate_features(planted_features(epochs=(0,)).features, SETTINGS, ("subspace",))["subspace"]
    pd.testing.assert_frame_equal(frame, whole)  # column types too


def test_nothing_at_all_is_an_empty_table(planted_features):
    planted = planted_features(epochs=(0,))
    planted.arrays["0/probe/pooled"] = np.ones_like(planted.arrays["0/probe/pooled"])
    frame = ablate_features(planted.features, SETTINGS, ("subspace",))["subspace"]
    assert frame.empty and list(frame.columns) == list(COLUMNS["subspace"])
