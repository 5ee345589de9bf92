"""Checkpoints, and the state that lets a killed run continue where it stopped.

A checkpoint is a state dict in safetensors: no pickle. The resume state lies in a hidden folder beside the run's
outputs, named by an identity (the hash of config, code and data), so that a state of another run is never taken up.
"""

import hashlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from causalgrok.arrays import check_arrays, write_sealed
from causalgrok.files import write_bytes

_DIGEST = hashlib.sha256().digest_size
"""A state file is the digest of what follows it."""


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


class ResumeState:
    """The latest state of an unfinished run and the checkpoints it has written so far."""

    def __init__(self, run_folder: Path, identity: str):
        self.folder = run_folder / f".resume-{identity[:16]}"
        self.checkpoints = self.folder / "checkpoints"
        for stale in run_folder.glob(".resume-*"):
            if stale != self.folder:
                shutil.rmtree(stale)
        self.checkpoints.mkdir(parents=True, exist_ok=True)

    def save(self, state: dict) -> None:
        """Replace the state, keeping the one before it until the next."""
        content = io.BytesIO()
        torch.save(state, content)
        latest = self.folder / "state.pt"
        if latest.exists():
            latest.replace(self.folder / "previous.pt")
        write_bytes(latest, hashlib.sha256(content.getbuffer()).digest() + content.getvalue())

    def load(self) -> dict | None:
        """The latest state whose checksum is right, or None at the start of a run."""
        for path in (self.folder / "state.pt", self.folder / "previous.pt"):
            if path.exists():
                content = path.read_bytes()
                digest, state = content[:_DIGEST], memoryview(content)[_DIGEST:]
                if hashlib.sha256(state).digest() == digest:
                    return torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
                print(f"{path} is damaged; falling back to an earlier state", flush=True)
        return None

    def finish(self, run_folder: Path) -> None:
        """Forget the state and move the checkpoints into place.

        In this order: a state whose checkpoints have gone would resume into a run without them.
        """
        for state in ("previous.pt", "state.pt"):
            (self.folder / state).unlink(missing_ok=True)
        target = run_folder / "checkpoints"
        if target.exists():
            shutil.rmtree(target)
        self.checkpoints.replace(target)
        shutil.rmtree(self.folder)
