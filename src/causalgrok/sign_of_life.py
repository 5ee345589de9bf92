"""The sign of life of a job: as long as one runs, the lock of its pipeline is not taken for a stale one.

Apart from `processes`, which scripts import: an edit here retrains nothing.
"""

import contextlib
import fcntl
from pathlib import Path

_held: list = []


def show_life(folder: Path = Path(".snakemake")) -> None:
    """Hold the sign of life that `processes.release_stale_lock` looks for, and remove no lock.

    The file locks of a node may not reach the machine that the pipeline runs on. A job that looked for a stale lock
    there would remove the lock of a living pipeline.
    """
    with contextlib.suppress(OSError):
        handle = (folder / "alive").open("w")
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        _held.append(handle)
