"""The features of a run's checkpoints: the one thing that probes and interventions at the pooled stage read.

`Features` is a view of a flat mapping of arrays (an open safetensors file, or a dictionary in tests):

    epochs                              (c,) int64, the checkpoints in ascending order
    <epoch>/<split>/<stage>             (n, d) float32; stage pooled for every split, all of them for the split `probe`
    <epoch>/head.weight, .../head.bias  (classes, d) and (classes,) float32
    <split>/labels, domains, groups     (n,) int64

A head maps pooled features to logits: ``logits = features @ weight.T + bias``.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4", "pooled")
"""Where features of a ResNet are read, from input to head."""

ALL_STAGES = (*STAGES[:-1], "conv", "code", "pooled")
"""Where those of any network are read, in an order that is each network's from input to head."""

SPLITS = ("train", "id_val", "ood_val", "ood_test")
"""Splits on which the effect of an intervention is measured."""

TEST = "test"
"""The held-out split of a task without hospitals."""

PROBE = "probe"
"""The pool of train-hospital patches outside every subset, on which probes are fitted."""


@dataclass(frozen=True)
class Head:
    """The linear classifier on top of the pooled features."""

    weight: np.ndarray
    """(classes, d) float32."""

    bias: np.ndarray
    """(classes,) float32."""

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Logits (..., classes) of pooled features (..., d)."""
        return features @ self.weight.T + self.bias


@dataclass(frozen=True)
class Features:
    """A run's features by checkpoint, split and stage, read when asked for."""

    get: Callable[[str], np.ndarray]
    """Reads one array by its name, for instance ``file.get_tensor`` or ``dictionary.__getitem__``."""

    splits: tuple[str, ...] = SPLITS
    """Those of `SPLITS` and `TEST` that there are: somebody else's networks may come without some of them."""

    stages: tuple[str, ...] = STAGES
    """Where the probe pool's features are read, from input to head."""

    @classmethod
    def of(cls, get: Callable[[str], np.ndarray], names: Collection[str]) -> "Features":
        """A view of the arrays that `get` reads, of which `names` exist."""
        found = {name.rpartition("/")[2] for name in names if f"/{PROBE}/" in name}
        return cls(
            get,
            tuple(split for split in (*SPLITS, TEST) if f"{split}/labels" in names),
            tuple(stage for stage in ALL_STAGES if stage in found),
        )

    @property
    def epochs(self) -> list[int]:
        """The checkpoints, ascending."""
        return self.get("epochs").tolist()

    def at(self, epoch: int, split: str, stage: str = "pooled") -> np.ndarray:
        """Features (n, d) of a split at a checkpoint and stage."""
        return self.get(f"{epoch}/{split}/{stage}")

    def head(self, epoch: int) -> Head:
        """The head at a checkpoint."""
        return Head(self.get(f"{epoch}/head.weight"), self.get(f"{epoch}/head.bias"))

    def labels(self, split: str) -> np.ndarray:
        """Labels (n,) of a split."""
        return self.get(f"{split}/labels")

    def domains(self, split: str) -> np.ndarray:
        """Hospitals (n,) of a split."""
        return self.get(f"{split}/domains")

    def groups(self, split: str) -> np.ndarray:
        """Slides (n,) of a split."""
        return self.get(f"{split}/groups")
