"""Processes that may be killed or share a machine: their locks, their GPUs, and trainers that outlive a pipeline."""

import contextlib
import ctypes
import fcntl
import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_held: list = []


def release_stale_lock(folder: Path = Path(".snakemake")) -> None:
    """Remove Snakemake's lock if no living Snakemake holds it, and hold a sign of life for as long as we live.

    A Snakemake that was killed leaves its lock, and the next one would refuse to start. The sign of life is an advisory
    file lock, which the kernel drops with its process: exclusive while nobody else lives, shared from then on. Where
    the file system has no such locks, Snakemake's lock stays and `snakemake --unlock` is needed, as ever.
    """
    try:
        folder.mkdir(exist_ok=True)
        handle = (folder / "alive").open("w")
    except OSError:
        return
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder / "locks", ignore_errors=True)
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    _held.append(handle)


def pass_library_on(source: Path) -> None:
    """Let child processes import this library from its sources, also under a conda environment's own Python."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(source), os.environ.get("PYTHONPATH")]))


def die_with_parent() -> None:
    """End this process when the one that started it ends, so that a killed pipeline leaves no trainer (Linux)."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold a file lock on the folder of a run or a download.

    Raises:
        OSError: another process works there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".working"
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(f"{folder}: another process works here; wait for it or end it") from None
        yield
        path.unlink(missing_ok=True)


def take_gpu(cards: int, folder: Path | None = None) -> int:
    """Take the card that fewest of this user's jobs on this machine have, until this process ends.

    Args:
        cards: number of GPUs that this process sees, the same for all who share them.
        folder: where those who share them lock; a temporary folder of the user's by default.

    Returns:
        The index of the card.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"causalgrok-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for place in itertools.count():
        share, card = divmod(place, cards)
        handle = (folder / f"gpu{card}-{share}").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
        else:
            _held.append(handle)
            return card
