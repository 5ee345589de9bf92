"""Wine: every wine once, standardised by what training saw, nested subsets, and nothing but the published tables."""

import numpy as np
import pytest
from pydantic import ValidationError

from causalgrok.arrays import write_arrays
from causalgrok.data.registry import draw as draw_by_kind
from causalgrok.data.registry import fetch
from causalgrok.data.wilds_layout import DataError
from causalgrok.data.wine import FOLDER, SHA256, WineSettings, draw


def settings(**changes):
    return WineSettings(kind="wine", **changes)


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    features = rng.normal(rng.normal(50, 20, 11), rng.uniform(0.1, 9, 11), (6497, 11))
    write_arrays({"features": features, "scores": rng.integers(3, 10, 6497)}, tmp_path / "wine.safetensors")
    return tmp_path / "wine.safetensors"


def test_training_and_test_are_all_wines_each_once(files):
    splits = draw(settings(), n=5197, seed=0, files=files)
    assert sorted(np.concatenate([split.rows for split in splits.values()])) == list(range(6497))
    assert (len(splits["train"]), len(splits["test"])) == (5197, 1300)
    assert splits["train"].inputs.shape == (5197, 1, 11) and splits["train"].inputs.dtype == np.float32
    labels = np.concatenate([split.labels for split in splits.values()])
    assert labels.min() == 0 and labels.max() == settings().classes - 1


@pytest.mark.parametrize("n", [40, 1000])
def test_features_are_standardised_by_the_training_wines_alone(files, n):
    splits = draw(settings(), n=n, seed=1, files=files)
    train, test = splits["train"].inputs[:, 0], splits["test"].inputs[:, 0]
    assert np.allclose(train.mean(axis=0), 0, atol=1e-5) and np.allclose(train.std(axis=0), 1, atol=1e-5)
    assert np.abs(test.mean(axis=0)).max() > 1e-3
    # The same affine map on both: what one measures in units of the other is free of it.
    again = draw(settings(), n=5197, seed=1, files=files)["test"].inputs[:, 0]
    assert np.allclose(np.corrcoef(test.T), np.corrcoef(again.T), atol=1e-4)


def test_smaller_subsets_are_parts_of_larger_ones_and_the_test_wines_stay(files):
    small, large = (draw(settings(), n=n, seed=5, files=files) for n in (1000, 4000))
    assert (small["train"].rows == large["train"].rows[:1000]).all()
    assert (small["test"].rows == large["test"].rows).all()
    assert not set(large["train"].rows) & set(large["test"].rows)
    assert set(draw(settings(), n=1000, seed=6, files=files)["train"].rows) != set(small["train"].rows)


def test_the_bundled_table_needs_no_files():
    chosen = settings(table="cultivars")
    splits = draw_by_kind(chosen.model_dump(mode="json"), n=142, seed=0)
    assert chosen.reads is None and settings().reads == "wine_quality"
    labels = np.concatenate([split.labels for split in splits.values()])
    assert np.bincount(labels).tolist() == [59, 71, 48]
    assert chosen.chance == 71 / 178 and splits["test"].inputs.shape == (36, 1, 13)


def test_what_cannot_be_meant_is_refused(files):
    with pytest.raises(ValidationError, match=r"train_fraction 0.0001 of 6497 wines leaves training or test none"):
        settings(train_fraction=0.0001)
    for n in (1, 5198):
        with pytest.raises(ValueError, match=f"n = {n} is not between 2 and the 5197 training wines"):
            draw(settings(), n=n, seed=0, files=files)
    with pytest.raises(ValueError, match="fetch them first"):
        draw(settings(), n=10, seed=0)


def test_other_tables_than_the_published_are_refused(tmp_path):
    (tmp_path / FOLDER).mkdir()
    for name in SHA256:
        (tmp_path / FOLDER / name).write_text("a;quality\n1;3\n")
    with pytest.raises(DataError, match=r"winequality-red.csv is not the published winequality-red.csv"):
        fetch("wine_quality", destination=tmp_path, data_root=tmp_path)
    (tmp_path / FOLDER / "winequality-red.csv").unlink()
    with pytest.raises(DataError, match=r"winequality-red.csv: no file"):
        fetch("wine_quality", destination=tmp_path, data_root=tmp_path)


def test_the_published_tables(tmp_path, test_data):
    arrays = fetch("wine_quality", destination=tmp_path / "work", data_root=test_data)
    assert arrays["features"].shape == (6497, 11)
    counts = np.bincount(arrays["scores"])
    assert counts.tolist() == [0, 0, 0, 30, 216, 2138, 2836, 1079, 193, 5]
    assert settings().chance == counts.max() / counts.sum()
