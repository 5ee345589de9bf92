"""The `Split`: what every trainer, probe and intervention takes, and its file format.

A split is packed once as uint8 into one safetensors file, so that a job reads it in milliseconds, without decoding
images and without pickle.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from causalgrok.arrays import open_arrays, write_arrays

EVALUATION_SPLITS = ("id_val", "ood_val", "ood_test")
"""The splits a run is evaluated on besides its own training subset."""

FIELDS = ("inputs", "labels", "domains", "groups", "rows")


@dataclass(frozen=True)
class Split:
    """Examples with what is known about them; all arrays have the same first length n."""

    inputs: np.ndarray
    """(n, height, width, 3) uint8 images, (n, length) int64 tokens, or (n, length, features) float32 vectors."""

    labels: np.ndarray
    """(n,) int64 classes: tumour 1, normal 0; 0 .. classes - 1 in other tasks."""

    domains: np.ndarray
    """(n,) int64 hospitals; all 0 for a task without domains."""

    groups: np.ndarray
    """(n,) int64 slides: examples of one group are not independent; the example's own index where there are none."""

    rows: np.ndarray
    """(n,) int64 row ids in the dataset's metadata, the trace back to the source."""

    def __post_init__(self):
        lengths = {field: len(getattr(self, field)) for field in FIELDS}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"a split's arrays differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: np.ndarray) -> "Split":
        """The examples that an index array, slice or mask selects."""
        return Split(*(getattr(self, field)[index] for field in FIELDS))

    @classmethod
    def joined(cls, splits: Iterable["Split"]) -> "Split":
        """The examples of several splits, one after the other."""
        parts = list(splits)
        return cls(*(np.concatenate([getattr(part, field) for part in parts]) for field in FIELDS))

    def save(self, path: str | Path) -> None:
        """Write the split as one safetensors file, whole or not at all."""
        write_arrays({field: np.ascontiguousarray(getattr(self, field)) for field in FIELDS}, path)

    @classmethod
    def load(cls, path: str | Path) -> "Split":
        """Read what `save` wrote.

        Raises:
            DamagedFile: the file is not what was written.
        """
        with open_arrays(path) as file:
            return cls(*(file.get_tensor(field) for field in FIELDS))
