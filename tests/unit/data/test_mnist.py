"""MNIST: the images that were asked for, never a test image, and pixels that come back."""

import numpy as np
import pytest

from causalgrok.arrays import write_arrays
from causalgrok.data.mnist import FOLDER, IMAGES, MnistSettings, draw, fetch
from causalgrok.data.registry import draw as draw_by_kind
from causalgrok.data.wilds_layout import DataError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A stand-in whose images say which they are: pixel 0 and 1 hold the place, the rest is noise."""
    rng, arrays = np.random.default_rng(0), {}
    for split, count in IMAGES.items():
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        images[:, 0, 0], images[:, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
        arrays |= {f"{split}/images": images, f"{split}/labels": np.arange(count) % 10}
    path = tmp_path_factory.mktemp("mnist") / "mnist.safetensors"
    write_arrays(arrays, path)
    return path


def place(inputs):
    pixels = np.rint(inputs[:, 0, :2] * 255).astype(int)
    return pixels[:, 0] + 256 * pixels[:, 1]


def settings(**changes):
    return MnistSettings(kind="mnist", **changes)


def test_the_first_images_are_the_first_for_every_seed(files):
    splits = draw(settings(), n=300, seed=4, files=files)
    assert tuple(splits) == MnistSettings.splits
    assert splits["train"].inputs.shape == (300, 1, 784) and splits["train"].inputs.dtype == np.float32
    assert splits["train"].inputs.min() == 0 and splits["train"].inputs.max() == 1
    assert (place(splits["train"].inputs) == np.arange(300)).all()
    assert (splits["train"].labels == np.arange(300) % 10).all()


def test_random_images_are_nested_and_differ_by_seed(files):
    small, large, other = (
        draw(settings(images="random"), n=n, seed=seed, files=files)["train"]
        for n, seed in ((50, 1), (400, 1), (50, 2))
    )
    assert (small.rows == large.rows[:50]).all() and len(set(large.rows)) == 400
    assert set(small.rows) != set(other.rows)
    assert (place(large.inputs) == large.rows).all() and (large.labels == large.rows % 10).all()


def test_validation_is_the_beginning_of_test_and_no_training_image(files):
    splits = draw_by_kind(settings().model_dump(mode="json"), n=1000, seed=0, files=files)
    test, validation = splits["test"], splits["validation"]
    assert (len(test), len(validation)) == (10_000, 1000)
    assert (place(test.inputs) == np.arange(10_000)).all() and (test.labels == np.arange(10_000) % 10).all()
    assert np.array_equal(validation.inputs, test.inputs[:1000])
    assert not set(splits["train"].rows) & set(test.rows)
    assert len(draw(settings(validation=250), n=10, seed=0, files=files)["validation"]) == 250


def test_too_large_a_subset_is_refused():
    with pytest.raises(ValueError, match="n = 60001 is above the 60000 training images"):
        settings().check_size(60_001)


def test_without_files_and_network_the_way_out_is_told(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(DataError, match=r"MNIST could not be fetched .* name that one as data_root"):
        fetch(destination=tmp_path / "work", data_root=tmp_path)


def test_a_local_file_that_is_not_the_published_one_is_named_and_left_alone(tmp_path):
    first = tmp_path / FOLDER / "train-images-idx3-ubyte.gz"
    first.parent.mkdir(parents=True)
    with pytest.raises(DataError, match=rf"{first} is no file; expected the published train-images"):
        fetch(destination=tmp_path / "work", data_root=tmp_path)
    first.write_bytes(b"not MNIST")
    with pytest.raises(DataError, match=rf"{first} is another file; expected the published train-images"):
        fetch(destination=tmp_path / "work", data_root=tmp_path)
    assert first.read_bytes() == b"not MNIST"


def test_the_published_files(tmp_path, test_data):
    arrays = fetch(destination=tmp_path / "work", data_root=test_data)
    assert arrays["train/labels"][:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    # The mean pixel that everybody normalises with.
    assert arrays["train/images"].mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert np.bincount(arrays["test/labels"]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
