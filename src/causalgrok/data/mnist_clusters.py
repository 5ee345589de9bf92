"""MNIST with subclasses: clusters of each digit's images, some of which training shows less often.

A network is trained on the last of the 60,000 training images; the clusters (`causalgrok.clustering`) are found in
the others, which training subsets are drawn from, and the 10,000 test images join the nearest. Of each digit the
smallest clusters are reduced, as `causalgrok.data.reduced_subclasses` says. The test split is drawn from the test
images alone, equally many of every cluster.

Carvalho, d'Avila Garcez, Lamb, Vital Brazil: Grokking explained (2025), https://arxiv.org/abs/2502.01774, announce such
an experiment and show none.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from causalgrok.arrays import open_arrays, read_arrays
from causalgrok.data.clusters import ClusteringSettings
from causalgrok.data.mnist import IMAGES, PIXELS
from causalgrok.data.reduced_subclasses import ReducedSubclasses
from causalgrok.data.splits import Split
from causalgrok.settings import Integer


class MnistClustersSettings(ReducedSubclasses):
    """Which clusters there are, and how few of some of them training has."""

    holds: ClassVar[str] = "vectors"
    """What an example is."""

    length: ClassVar[int] = 1
    """Vectors of an example."""

    features: ClassVar[int] = PIXELS
    """Numbers of a vector: pixels, row by row, 0 to 1."""

    classes: ClassVar[int] = 10
    """Number of labels."""

    reads: ClassVar[str | None] = "mnist"
    """The files it is drawn from, a key of `causalgrok.data.registry.FILES`."""

    kind: Literal["mnist_clusters"]
    """MNIST, each digit in clusters; downloads 12 MB unless data_root holds MNIST/raw."""

    clustering: ClusteringSettings
    """How clusters are found; datasets that agree on it share them."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Together with a run's seed, the seed of the draw of images."""

    @model_validator(mode="after")
    def _has_images(self) -> "MnistClustersSettings":
        if self.clustering.examples >= IMAGES["train"]:
            raise ValueError(
                f"clustering.examples {self.clustering.examples} leaves none of the {IMAGES['train']} training images"
            )
        if self.test_examples > IMAGES["test"]:
            raise ValueError(f"test_examples {self.test_examples} is above the {IMAGES['test']} test images")
        return self

    @property
    def subclasses_per_class(self) -> int:
        """Number of clusters of each digit."""
        return self.clustering.clusters

    def check_size(self, n: int) -> None:
        """Refuse a number of images that cannot be had; whether every cluster has its share is known when it is found.

        Raises:
            ValueError: names n and what can be had.
        """
        super().check_size(n)
        left = IMAGES["train"] - self.clustering.examples
        if n > left:
            raise ValueError(f"n = {n} is above the {left} training images that clustering.examples leaves")


SETTINGS = MnistClustersSettings
"""What `draw` takes; see `causalgrok.data.registry`."""


def to_cluster(*, files: Path, examples: int) -> dict[str, Split]:
    """What `causalgrok.clustering.find_clusters` takes: images (n, 28, 28) uint8, rows their places, test ones last.

    Args:
        files: what `causalgrok.data.mnist.fetch` gave, written by `causalgrok.arrays`.
        examples: training images, the last, that the network learns from.
    """
    with open_arrays(files) as arrays:
        found = [[arrays.get_tensor(f"{split}/{name}") for split in IMAGES] for name in ("images", "labels")]
    images, labels = map(np.concatenate, found)
    count = len(found[1][0])
    parts = zip(("train", "network", "test"), np.split(np.arange(len(labels)), [count - examples, count]), strict=True)
    return {name: Split(images[rows], labels[rows], np.zeros_like(rows), rows, rows) for name, rows in parts}


def draw(settings: MnistClustersSettings, *, n: int, seed: int, files: Path) -> dict[str, Split]:
    """The splits `train`, n images, and `test` of one seed.

    Inputs are (n, 1, 784) float32 pixels of 0 to 1, rows the image's place, test images after the training images,
    groups ``digit * k + cluster``, domains 1 where the cluster is reduced and 0 elsewhere. The test split of a seed is
    the same for every f and n, and the images of a smaller training set lie inside a larger one.

    Args:
        settings: which images.
        n: size of the training subset.
        seed: seed of the draw.
        files: what `causalgrok.clustering.find_clusters` gave, written by `causalgrok.arrays`.

    Raises:
        ValueError: n cannot be had in these proportions, or a cluster has too few images.
    """
    return {name: Split.joined(_parts(settings, n, seed, files, name)) for name in settings.splits}


def _parts(settings: MnistClustersSettings, n: int, seed: int, files: Path, name: str) -> Iterator[Split]:
    """The images of one split, cluster by cluster."""
    fields = ("images", "labels", "clusters", "rows")
    images, labels, clusters, rows = read_arrays(files, *(f"{name}/{field}" for field in fields))
    for cell in settings.cells(n):
        group, wanted = cell.label * settings.subclasses_per_class + cell.place, getattr(cell, name)
        members = np.flatnonzero((labels == cell.label) & (clusters == cell.place))
        if wanted > len(members):
            raise ValueError(
                f"{name} asks for {wanted} images of cluster {cell.place} of digit {cell.label}, which has "
                f"{len(members)}; take a smaller {'n' if name == 'train' else 'test_examples'} or fewer clusters"
            )
        chosen = np.random.default_rng([settings.seed, seed, group]).permutation(members)[:wanted]
        yield Split(
            inputs=images[chosen].reshape(wanted, 1, PIXELS).astype(np.float32) / np.float32(255),
            labels=labels[chosen],
            domains=np.full(wanted, int(cell.reduced)),
            groups=np.full(wanted, group),
            rows=rows[chosen],
        )
