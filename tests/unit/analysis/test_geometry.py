"""Known spectra have known ranks; shifting and scaling features changes neither rank."""

import numpy as np
import pytest

from causalgrok.analysis.geometry import effective_rank, measure_geometry, participation_ratio, singular_values
from causalgrok.columns import COLUMNS
from causalgrok.interventions.features import SPLITS, Features


def with_spectrum(values, n=60, d=20, seed=0):
    """Centred features (n, d) with these singular values, at an offset."""
    rng = np.random.default_rng(seed)
    left = rng.standard_normal((n, len(values)))
    left = np.linalg.qr(left - left.mean(axis=0))[0]
    right = np.linalg.qr(rng.standard_normal((d, len(values))))[0]
    return left * values @ right.T + 5.0


@pytest.mark.parametrize("rank", [1, 4, 20])
def test_equal_singular_values_count_dimensions(rank):
    values = singular_values(with_spectrum(np.ones(rank)))
    assert effective_rank(values) == pytest.approx(rank)
    assert participation_ratio(values) == pytest.approx(rank)


def test_formulas_on_an_uneven_spectrum():
    values = singular_values(with_spectrum(np.array([4.0, 2.0, 2.0])))
    # p = 1/2, 1/4, 1/4: entropy 1.5 ln 2; eigenvalues 16, 4, 4: 24^2 / 288.
    assert effective_rank(values) == pytest.approx(2**1.5)
    assert participation_ratio(values) == pytest.approx(2.0)


def test_isotropic_data_fill_all_dimensions():
    values = singular_values(np.random.default_rng(0).standard_normal((4000, 16)))
    assert 15.9 < effective_rank(values) <= 16
    assert 15.5 < participation_ratio(values) <= 16


def test_shift_and_scale_change_nothing():
    features = np.random.default_rng(0).standard_normal((50, 8)) * np.arange(1, 9)
    values, moved = singular_values(features), singular_values(7 * features + 100)
    assert effective_rank(moved) == pytest.approx(effective_rank(values))
    assert participation_ratio(moved) == pytest.approx(participation_ratio(values))


def test_equal_features_have_no_dimension():
    values = singular_values(np.full((50, 8), 0.1, dtype=np.float32))
    assert effective_rank(values) == participation_ratio(values) == 0.0


def test_table():
    rng = np.random.default_rng(0)
    arrays = {"epochs": np.array([0, 5])}
    for split in SPLITS:
        for epoch in (0, 5):
            arrays[f"{epoch}/{split}/pooled"] = rng.standard_normal((30, 6)).astype(np.float32)
    arrays["5/ood_val/pooled"][:] = [3, 4, 0, 0, 0, 0]
    frame = measure_geometry(Features(arrays.__getitem__))
    assert list(frame.columns) == list(COLUMNS["geometry"])
    assert list(zip(frame["epoch"], frame["split"], strict=True)) == [(e, s) for e in (0, 5) for s in SPLITS]
    row = frame[(frame["epoch"] == 5) & (frame["split"] == "ood_val")].iloc[0]
    assert row["feature_norm"] == pytest.approx(5)
    assert row["effective_rank"] == 0
    first = arrays["0/train/pooled"].astype(float)
    eigenvalues = np.linalg.eigvalsh(np.cov(first.T))
    assert frame["participation_ratio"].iloc[0] == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())
