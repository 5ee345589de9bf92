"""MNIST: handwritten digits, the first n of the training images or n drawn by the seed.

torchvision knows where the four files lie and their MD5; what it has verified is kept as one file of arrays, which
draws read without it. Test are all 10,000 test images, validation the first 1,000 of them: Omnigrok and those who use
its code judge on as few, and so report three decimals with a standard error of .01.

LeCun, Cortes, Burges: The MNIST database, http://yann.lecun.com/exdb/mnist/
Liu, Michaud, Tegmark: Omnigrok (2022), https://arxiv.org/abs/2210.01117
"""

import hashlib
import shutil
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from causalgrok.arrays import open_arrays
from causalgrok.data.splits import Split
from causalgrok.data.wilds_layout import DataError
from causalgrok.settings import Integer, Settings

FOLDER = "MNIST/raw"
"""Where a data root holds the four gz files, as torchvision leaves them."""

IMAGES = {"train": 60_000, "test": 10_000}
PIXELS = 28 * 28


class MnistSettings(Settings):
    """Which images may be shown in training."""

    holds: ClassVar[str] = "vectors"
    """What an example is."""

    length: ClassVar[int] = 1
    """Vectors of an example."""

    features: ClassVar[int] = PIXELS
    """Numbers of a vector: pixels, row by row, 0 to 1."""

    classes: ClassVar[int] = 10
    """Number of labels."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test", "validation")
    """What is drawn."""

    reads: ClassVar[str | None] = "mnist"
    """The files it is drawn from, a key of `causalgrok.data.registry.FILES`."""

    kind: Literal["mnist"]
    """MNIST; downloads 12 MB unless data_root holds MNIST/raw."""

    images: Literal["first", "random"] = "first"
    """The first n training images, the same for every seed, or n drawn by the seed; smaller n are parts of larger."""

    validation: Annotated[Integer, Field(ge=1, le=IMAGES["test"])] = 1000
    """Test images, the first, that are the split `validation`; a part of the test split, not held out from it."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Together with a run's seed, the seed of the random draw."""

    def check_size(self, n: int) -> None:
        """Refuse a subset larger than the training images.

        Raises:
            ValueError: names n and what there is.
        """
        if n > IMAGES["train"]:
            raise ValueError(f"n = {n} is above the {IMAGES['train']} training images; take a smaller n")


SETTINGS = MnistSettings
"""What `draw` takes; see `causalgrok.data.registry`."""


def fetch(*, destination: Path, data_root: Path | None) -> dict[str, np.ndarray]:
    """Read the four files, from the data root or from torchvision's mirrors.

    Args:
        destination: folder where they are unpacked; the data root is left as it is.
        data_root: folder that may hold `FOLDER` with the gz files.

    Returns:
        ``train/images`` and ``test/images`` (n, 28, 28) uint8, ``train/labels`` and ``test/labels`` (n,) int64.

    Raises:
        DataError: no mirror answers, or a file is missing or not the published one.
    """
    from torchvision.datasets import MNIST

    raw = destination / FOLDER
    # What an earlier attempt unpacked would be taken without a look at its checksum.
    shutil.rmtree(destination, ignore_errors=True)
    raw.mkdir(parents=True)
    if data_root and (data_root / FOLDER).is_dir():
        for name, md5 in MNIST.resources:
            shutil.copyfile(_published(data_root / FOLDER / name, md5), raw / name)
    arrays = {}
    for split in IMAGES:
        try:
            data = MNIST(str(destination), train=split == "train", download=True)
        except (RuntimeError, OSError, EOFError) as error:
            raise DataError(
                f"MNIST could not be fetched ({error}): run again later, or put its four gz files into {FOLDER} of a "
                "folder and name that one as data_root"
            ) from error
        arrays |= {f"{split}/images": data.data.numpy(), f"{split}/labels": data.targets.numpy().astype(np.int64)}
    found = {split: arrays[f"{split}/images"].shape for split in IMAGES}
    if found != {split: (count, 28, 28) for split, count in IMAGES.items()}:
        raise DataError(f"MNIST has the shapes {found}, expected 60,000 and 10,000 images of 28 x 28")
    return arrays


def _published(path: Path, md5: str) -> Path:
    """The path of a local file, which is there and the published one."""
    expected = f"expected the published {path.name} (MD5 {md5}) there, as it is where {FOLDER} is below data_root"
    if not path.is_file():
        raise DataError(f"{path} is no file; {expected}")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "md5").hexdigest() != md5:
            raise DataError(f"{path} is another file; {expected}")
    return path


def draw(settings: MnistSettings, *, n: int, seed: int, files: Path) -> dict[str, Split]:
    """The splits of one seed: `train`, n images, `test`, and `validation`, the first of `test`.

    Inputs are (n, 1, 784) float32 pixels of 0 to 1, rows and groups the image's place, test images after the 60,000
    training images, domains 0.

    Args:
        settings: which images.
        n: size of the training subset.
        seed: seed of the draw.
        files: what `fetch` gave, written by `causalgrok.arrays`.

    Raises:
        ValueError: there are fewer than n images.
    """
    settings.check_size(n)
    chosen = np.arange(n)
    if settings.images == "random":
        chosen = np.random.default_rng([settings.seed, seed]).permutation(IMAGES["train"])[:n]
    with open_arrays(files) as arrays:
        train = _split(arrays.get_tensor("train/images")[chosen], arrays.get_tensor("train/labels")[chosen], chosen)
        places = np.arange(IMAGES["test"])
        test = _split(arrays.get_tensor("test/images"), arrays.get_tensor("test/labels"), IMAGES["train"] + places)
    return {"train": train, "test": test, "validation": test[: settings.validation]}


def _split(images: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> Split:
    pixels = images.reshape(len(images), 1, PIXELS).astype(np.float32) / np.float32(255)
    return Split(inputs=pixels, labels=labels, domains=np.zeros_like(labels), groups=rows, rows=rows)
