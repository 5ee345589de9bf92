"""Checkpoints: a network's weights at an epoch, as a state dict in safetensors."""

from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import load_file, save
from torch import Tensor

from causalgrok.arrays import check_arrays, write_sealed


def save_checkpoint(state: dict[str, Tensor], path: Path) -> None:
    """Write a state dict to safetensors, whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_sealed(save(tensors), path)


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read a state dict that `save_checkpoint` wrote.

    Raises:
        DamagedFile: the file is not what was written.
    """
    check_arrays(path)
    return load_file(path)


def all_checkpoints(folder: Path) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """The checkpoints of a run as (epoch, state dict), ascending, read one at a time."""
    epochs = sorted(int(path.stem.removeprefix("epoch")) for path in folder.glob("epoch*.safetensors"))
    return ((epoch, load_checkpoint(folder / f"epoch{epoch}.safetensors")) for epoch in epochs)


def final_checkpoint(folder: Path) -> Path:
    """The file of a run's last checkpoint.

    Raises:
        ValueError: the folder holds none.
    """
    epochs = [int(path.stem.removeprefix("epoch")) for path in folder.glob("epoch*.safetensors")]
    if not epochs:
        raise ValueError(f"{folder} holds no checkpoint to continue from; make it again with: rm -r {folder}")
    return folder / f"epoch{max(epochs)}.safetensors"
