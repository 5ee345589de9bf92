"""Clusters of digits: planted shapes are found again, and training shows as few of some as the formula says."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import adjusted_rand_score

from causalgrok.arrays import read_arrays, write_arrays
from causalgrok.clustering import find_clusters
from causalgrok.data.mnist import fetch
from causalgrok.data.mnist_clusters import MnistClustersSettings, draw
from causalgrok.data.registry import draw as draw_by_kind
from causalgrok.data.registry import to_cluster

TRAIN, TEST, NETWORK = 2400, 600, 800
"""Images of the stand-in, and how many of the former, the last, the network learns from."""

NAMES = ("images", "labels")


def settings(**changed) -> MnistClustersSettings:
    clustering = {"clusters": 2, "layer": "layer2", "width": 2, "examples": NETWORK, "epochs": 2}
    chosen = {"reduced_fraction": 0.2, "test_examples": 200, "clustering": clustering | changed.pop("clustering", {})}
    return MnistClustersSettings(kind="mnist_clusters", **chosen | changed)


def shapes(count: int, split: str) -> np.ndarray:
    """Which of its digit's two shapes an image has: the second in a third of them."""
    return (np.random.default_rng([1, *split.encode()]).random(count) < 1 / 3).astype(int)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A stand-in of ten digits of two shapes each: blots of 7 x 7 blocks, a pixel aside at most, in noise."""
    rng, arrays = np.random.default_rng(0), {}
    blots = np.kron(rng.random((10, 2, 7, 7)) < 0.4, np.ones((4, 4))) * 200
    for split, count in (("train", TRAIN), ("test", TEST)):
        labels = np.arange(count) % 10
        images = blots[labels, shapes(count, split)]
        images = np.stack([np.roll(image, rng.integers(-1, 2, 2), (0, 1)) for image in images])
        noisy = (images + 40 * rng.random(images.shape)).astype(np.uint8)
        arrays |= {f"{split}/images": noisy, f"{split}/labels": labels}
    path = tmp_path_factory.mktemp("mnist") / "mnist.safetensors"
    write_arrays(arrays, path)
    return path


@pytest.fixture(scope="module")
def clusters(files) -> Path:
    path = files.with_name("clusters.safetensors")
    write_arrays(found(files), path)
    return path


def found(files: Path, **changed) -> dict[str, np.ndarray]:
    plain = settings(clustering=changed).model_dump(mode="json")
    return find_clusters(to_cluster(plain, files=files), settings(clustering=changed).clustering)


def both(clusters: Path, *fields: str) -> list[np.ndarray]:
    """Fields of the clustered images, those of the test split last."""
    train, test = (read_arrays(clusters, *(f"{split}/{field}" for field in fields)) for split in ("train", "test"))
    return [np.concatenate(pair) for pair in zip(train, test, strict=True)]


def planted(rows: np.ndarray) -> np.ndarray:
    """Which digit and shape images have, by their row."""
    shape = np.concatenate([shapes(TRAIN, "train"), shapes(TEST, "test")])[rows]
    return np.where(rows < TRAIN, rows, rows - TRAIN) % 10 * 2 + shape


def test_planted_shapes_are_found_again(clusters):
    rows, numbers, distances = both(clusters, "rows", "clusters", "distances")
    truth = planted(rows)
    for digit in range(10):
        own = truth // 2 == digit
        assert adjusted_rand_score(truth[own], numbers[own]) > 0.95
    # The largest is cluster 0, and training images say which that is.
    assert (truth % 2 == numbers).mean() > 0.95
    assert (distances > 0).all() and np.isfinite(distances).all()


def test_the_networks_images_are_neither_clustered_nor_drawn(files, clusters):
    (rows,) = both(clusters, "rows")
    seen = range(TRAIN - NETWORK, TRAIN)
    assert sorted(rows) == [*range(TRAIN - NETWORK), *range(TRAIN, TRAIN + TEST)]
    parts = to_cluster(settings().model_dump(mode="json"), files=files)
    assert parts["network"].rows.tolist() == list(seen)
    splits = drawn(clusters)
    train, test = (set(splits[name].rows.tolist()) for name in ("train", "test"))
    assert not train & test and not (train | test) & set(seen)
    assert max(train) < TRAIN <= min(test)


def drawn(clusters, n=240, seed=3, **changed):
    return draw(settings(**changed), n=n, seed=seed, files=clusters)


@pytest.mark.parametrize(
    ("fraction", "n", "expected"), [(0.2, 240, (4, 20)), (0, 300, (0, 30)), (1, 300, (15, 15)), (0.01, 300, (1, 29))]
)
def test_counts_are_those_of_the_formula_and_the_test_split_is_balanced(clusters, fraction, n, expected):
    splits = drawn(clusters, n=n, reduced_fraction=fraction)
    train, test = (splits[name] for name in settings().splits)
    assert Counter(train.groups.tolist()) == Counter({group: expected[group % 2 == 0] for group in range(20)})
    assert Counter(test.groups.tolist()) == Counter(dict.fromkeys(range(20), 10))
    for split in (train, test):
        assert (split.groups // 2 == split.labels).all() and (split.domains == split.groups % 2).all()
        # The second shape is the rarer one.
        assert (planted(split.rows) == split.groups).mean() > 0.95
    assert train.inputs.shape == (n, 1, 784) and train.inputs.dtype == np.float32
    assert train.inputs.min() >= 0 and 0.5 < train.inputs.max() <= 1


def test_pixels_are_those_of_the_row(files, clusters):
    images, labels = read_arrays(files, "test/images", "test/labels")
    test = drawn(clusters)["test"]
    assert (np.rint(test.inputs * 255) == images[test.rows - TRAIN].reshape(-1, 1, 784)).all()
    assert (test.labels == labels[test.rows - TRAIN]).all()


def test_smaller_subsets_are_parts_of_larger_ones_and_share_their_test_split(clusters):
    small, large, even = (drawn(clusters, n=n, reduced_fraction=f) for n, f in ((120, 0.2), (240, 0.2), (240, 1)))
    assert set(small["train"].rows) < set(large["train"].rows)
    for other in (large, even):
        assert (other["test"].rows == small["test"].rows).all()
    assert set(drawn(clusters, seed=4)["train"].rows) != set(large["train"].rows)
    assert set(drawn(clusters, seed=4)["test"].rows) != set(large["test"].rows)


def test_the_same_seed_gives_the_same_clusters_and_another_other_distances(files, clusters):
    again, other = found(files), found(files, seed=1)
    for name, values in again.items():
        assert (values == read_arrays(clusters, name)[0]).all()
    assert not np.allclose(other["train/distances"], again["train/distances"])


def test_plain_settings_find_their_module(clusters):
    plain = settings().model_dump(mode="json")
    by_kind = draw_by_kind(plain, n=240, seed=3, files=clusters)
    assert (by_kind["train"].rows == drawn(clusters)["train"].rows).all()


def test_more_clusters_than_images_are_refused(files):
    parts = to_cluster(settings().model_dump(mode="json"), files=files)
    parts["train"] = parts["train"][:45]
    with pytest.raises(ValueError, match=r"^clusters: 5 is above the 4 examples of class 5$"):
        find_clusters(parts, settings(clustering={"clusters": 5}, test_examples=50).clustering)
    parts["train"] = parts["train"][np.zeros(40, dtype=int)]
    with (
        pytest.warns(match="distinct clusters"),
        pytest.raises(ValueError, match=r"^clusters: 2 is above the 1 that class 0 has$"),
    ):
        find_clusters(parts, settings().clustering)


def test_a_cluster_with_too_few_images_is_refused(clusters):
    with pytest.raises(ValueError, match=r"^train asks for 75 images of cluster 1 of digit \d, which has \d\d; take a"):
        drawn(clusters, n=1500, reduced_fraction=1)
    with pytest.raises(ValueError, match=r"^test asks for 30 images of cluster 1 .* smaller test_examples or fewer"):
        drawn(clusters, test_examples=600)


def test_clusters_of_real_ones_differ_in_slant(tmp_path, test_data):
    arrays = fetch(destination=tmp_path / "work", data_root=test_data)
    parts = {"train": slice(0, 4000), "test": slice(0, 1000)}
    files = tmp_path / "mnist.safetensors"
    write_arrays(
        {f"{split}/{name}": arrays[f"{split}/{name}"][part] for split, part in parts.items() for name in NAMES}, files
    )
    clustered = found(files, layer="layer1", width=4)
    images, labels, clusters = (clustered[f"test/{name}"] for name in (*NAMES, "clusters"))
    ones = labels == 1
    slants, clusters = slant(images[ones]), clusters[ones]
    within = sum(((slants[clusters == place] - slants[clusters == place].mean()) ** 2).sum() for place in (0, 1))
    assert 1 - within / ((slants - slants.mean()) ** 2).sum() > 0.4


def slant(images: np.ndarray) -> np.ndarray:
    """Pixels that strokes (n, 28, 28) move aside a row, from the moments of their ink."""
    ink = images / images.sum(axis=(1, 2), keepdims=True)
    row, column = np.mgrid[:28, :28]
    down, aside = (place - (ink * place).sum(axis=(1, 2))[:, None, None] for place in (row, column))
    return (ink * down * aside).sum(axis=(1, 2)) / (ink * down**2).sum(axis=(1, 2))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"clustering": {"clusters": 1}}, "greater than or equal to 2"),
        ({"clustering": {"layer": "layer5"}}, "'layer4'"),
        ({"clustering": {"examples": 60_000}}, "clustering.examples 60000 leaves none of the 60000 training images"),
        ({"reduced_per_class": 2}, "reduced_per_class 2 leaves none of 2 subclasses full"),
        ({"test_examples": 210}, "test_examples 210 is not a multiple of the 20 subclasses"),
        ({"test_examples": 10_020}, "test_examples 10020 is above the 10000 test images"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changed, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changed)


def test_a_size_that_cannot_be_had_is_refused():
    with pytest.raises(ValueError, match=r"n = 245 is no sum of .*; take n = 250$"):
        settings().check_size(245)
    with pytest.raises(ValueError, match=r"n = 59400 is above the 59200 training images that clustering\.examples"):
        settings().check_size(59_400)
