"""The planted hospital plane is found, and taking it out does what it must."""

import numpy as np
import pandas as pd
import pytest
import scipy.linalg

from causalgrok.columns import COLUMNS
from causalgrok.interventions.features import PROBE, SPLITS
from causalgrok.interventions.logistic import Design, fit_logistic
from causalgrok.interventions.probing import fit_probes
from causalgrok.interventions.settings import Measurement
from causalgrok.interventions.subspace import ablate, ablate_subspace, orthonormal_basis
from causalgrok.scoring import accuracy, auroc

SETTINGS = Measurement(repeats=5)


def mean(frame, **where):
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame)
    return frame["accuracy"].mean()


def test_planted_plane_is_recovered(planted_features):
    # No slide effects: with a few slides a hospital these alone turn the rows by tens of degrees.
    planted = planted_features(epochs=(0,), d=12, patches=400, hospital=0.7, slide=0.0)
    probe = fit_probes(planted.features, 0, SETTINGS)["hospital"]
    basis = orthonormal_basis(probe.raw_weight)
    assert basis.shape == (12, 2)
    assert np.degrees(scipy.linalg.subspace_angles(basis, planted.hospital_axes)).max() < 9


def test_basis_is_that_of_scipy_and_drops_what_is_not_there():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((5, 3)) @ rng.standard_normal((3, 30))
    rows -= rows.mean(axis=0)
    basis = orthonormal_basis(rows)
    reference = scipy.linalg.orth(rows.T, rcond=1e-6)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(basis @ basis.T, reference @ reference.T, atol=1e-12)
    assert orthonormal_basis(np.zeros((3, 30))).shape == (30, 0)


def test_full_ablation_leaves_nothing_along_the_rows(planted_features):
    planted = planted_features()
    values = planted.features.at(0, PROBE).astype(np.float64)
    domains = planted.features.domains(PROBE)
    probe = fit_probes(planted.features, 0, SETTINGS)["hospital"]
    basis = orthonormal_basis(probe.raw_weight)
    ablated = ablate(values, basis, 1.0)
    assert np.mean(probe.predict(values) == domains) > 0.95
    # All patches get the same logits: the probe answers one hospital.
    assert len(np.unique(probe.predict(ablated))) == 1
    np.testing.assert_allclose(ablated @ basis, 0, atol=1e-12)
    np.testing.assert_allclose(ablate(values, basis, 0.5), (values + ablated) / 2, atol=1e-12)
    # A probe fitted anew, where the rows span all that separates hospitals, finds little.
    plane = ablate(values, planted.hospital_axes, 1.0)
    refitted = fit_logistic(Design.of(plane), domains, C=1e-3)
    assert np.mean(refitted.predict(plane) == domains) < 0.6


def test_head_that_reads_the_plane_changes_and_an_orthogonal_one_does_not(planted_features):
    # Without an offset: uncentred ablation of features with one would move the threshold as well.
    planted = {reads: planted_features(reads=reads, offset=0.0) for reads in ("both", "tumour")}
    frames = {reads: ablate_subspace(one.features, SETTINGS) for reads, one in planted.items()}
    where = {"split": "ood_test", "rank": 2}
    before = mean(frames["both"], **where, method="logistic", strength=0.0)
    after = mean(frames["both"], **where, method="logistic", strength=1.0)
    assert before < 0.6 and after > 0.8
    assert abs(mean(frames["both"], **where, method="random", strength=1.0) - before) < 0.1
    before = mean(frames["tumour"], **where, method="logistic", strength=0.0)
    assert abs(mean(frames["tumour"], **where, method="logistic", strength=1.0) - before) < 0.05


def test_table_agrees_with_ablated_features_and_its_zero_with_the_network(planted_features):
    planted = planted_features(reads="both")
    frame = ablate_subspace(planted.features, SETTINGS)
    assert list(frame.columns) == list(COLUMNS["subspace"])
    assert len(frame) == 2 * 2 * 5 * len(SPLITS) * (1 + SETTINGS.repeats)
    basis = orthonormal_basis(fit_probes(planted.features, 10, SETTINGS)["hospital"].raw_weight)
    head = planted.features.head(10)
    logistic = frame[(frame["epoch"] == 10) & (frame["method"] == "logistic")]
    for row in logistic.itertuples():
        values = planted.features.at(10, row.split).astype(np.float64)
        logits = head.logits(ablate(values, basis[:, : row.rank], row.strength))
        labels = planted.features.labels(row.split)
        assert row.accuracy == pytest.approx(accuracy(logits, labels), abs=1e-9)
        assert row.auroc == pytest.approx(auroc(logits, labels), abs=1e-6)
    for (_, split), rows in frame[frame["strength"] == 0].groupby(["epoch", "split"]):
        assert rows["accuracy"].nunique() == rows["auroc"].nunique() == 1
        logits = head.logits(planted.features.at(10, split).astype(np.float64))
        assert rows["accuracy"].iloc[0] == accuracy(logits, planted.features.labels(split))


def test_controls_are_the_same_at_every_checkpoint_and_in_every_call(planted_features):
    frame = ablate_subspace(planted_features(reads="both").features, SETTINGS)
    first, second = (frame[frame["epoch"] == epoch].drop(columns="epoch").reset_index(drop=True) for epoch in (0, 10))
    pd.testing.assert_frame_equal(first, second)  # the planted checkpoints are equal
    pd.testing.assert_frame_equal(frame, ablate_subspace(planted_features(reads="both").features, SETTINGS))


def test_collapsed_features_have_no_subspace(planted_features):
    planted = planted_features()
    planted.arrays["10/probe/pooled"] = np.ones_like(planted.arrays["10/probe/pooled"])
    frame = ablate_subspace(planted.features, SETTINGS)
    assert set(frame["epoch"]) == {0}
    whole = ablate_subspace(planted_features(epochs=(0,)).features, SETTINGS)
    pd.testing.assert_frame_equal(frame, whole)  # column types too
