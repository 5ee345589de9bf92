"""The state that lets a killed training continue where it stopped, to the bit.

It lies in a hidden folder beside the run's outputs, named by the hash of all that the run's numbers depend on: config,
code, data and device. A state of anything else is never taken up; it is named with what differs, and kept until the run
is finished, so that a config that is changed back finds its own again.
"""

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch

from causalgrok.files import write_bytes
from causalgrok.provenance import settings_hash

_DIGEST = hashlib.sha256().digest_size
"""A state file is the digest of what follows it."""

_NAMED = 3
"""Differences that are named of a state that is not taken up."""


class ResumeState:
    """The latest state of an unfinished run and the checkpoints it has written so far.

    Args:
        run_folder: the folder of the run's outputs.
        provenance: all that the run's numbers depend on, as plain dicts, numbers and strings.
        report: called with a line for every state of something else that lies there.
    """

    def __init__(self, run_folder: Path, provenance: Mapping[str, object], report: Callable[[str], None] = print):
        self.folder = run_folder / f".resume-{settings_hash(provenance)[:16]}"
        self.checkpoints = self.folder / "checkpoints"
        for other in sorted(run_folder.glob(".resume-*")):
            if other != self.folder:
                report(f"not resumed from {other}: {_difference(other, provenance)}")
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        write_bytes(self.folder / "provenance.json", json.dumps(provenance).encode())

    def save(self, state: dict) -> None:
        """Replace the state; the one before it stays, and goes only for one whose checksum was read back.

        Raises:
            OSError: the disk is full, or does not hold what was written.
        """
        content = io.BytesIO()
        torch.save(state, content)
        new, latest = self.folder / "new.pt", self.folder / "state.pt"
        write_bytes(new, hashlib.sha256(content.getbuffer()).digest() + content.getvalue())
        if _content(new) is None:
            raise OSError(f"{new} does not hold what was written to it; check the disk. {latest} is still the last one")
        if latest.exists():
            latest.replace(self.folder / "previous.pt")
        new.replace(latest)

    def load(self) -> dict | None:
        """The latest state whose checksum is right, or None at the start of a run."""
        for path in (self.folder / "state.pt", self.folder / "previous.pt"):
            if path.exists():
                content = _content(path)
                if content is not None:
                    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
                print(f"{path} is damaged; falling back to an earlier state", flush=True)
        return None

    def finish(self, run_folder: Path) -> None:
        """Forget the state, and those of anything else, and move the checkpoints into place.

        In this order: a state whose checkpoints have gone would resume into a run without them.
        """
        for state in ("previous.pt", "state.pt"):
            (self.folder / state).unlink(missing_ok=True)
        target = run_folder / "checkpoints"
        if target.exists():
            shutil.rmtree(target)
        self.checkpoints.replace(target)
        for folder in run_folder.glob(".resume-*"):
            shutil.rmtree(folder)


def _content(path: Path) -> memoryview | None:
    """What a state file holds behind its digest; None if that is not what was written."""
    content = path.read_bytes()
    digest, state = content[:_DIGEST], memoryview(content)[_DIGEST:]
    return state if hashlib.sha256(state).digest() == digest else None


def _difference(folder: Path, provenance: Mapping[str, object]) -> str:
    """In what a state in a folder is another run's, for instance ``config.seed was 1 and is 0``."""
    try:
        theirs = dict(_leaves(json.loads((folder / "provenance.json").read_bytes())))
    except (OSError, ValueError):
        return "it does not say what it belongs to"
    ours = dict(_leaves(json.loads(json.dumps(provenance))))
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name) and name != "config_hash"]
    told = [f"{name} was {theirs.get(name)} and is {ours.get(name)}" for name in names[:_NAMED]]
    return "; ".join(told + [f"and {len(names) - _NAMED} more"] * (len(names) > _NAMED))


def _leaves(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """What is not a dict in nested dicts, by its dotted name."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
