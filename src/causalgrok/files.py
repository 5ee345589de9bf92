"""Writing files whole or not at all."""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_SKEW = 60
"""Seconds by which the clocks of two machines may differ."""


class DamagedFile(ValueError):
    """A result that is not what was written; the message is one line that names it and says how to make it again."""

    def __init__(self, path: str | Path, reason: str):
        path = Path(path)
        # Checkpoints are one output of their run, all together.
        target = path.parent if path.parent.name == "checkpoints" else path
        super().__init__(
            f"{path} is damaged: {reason}; make it again with: rm -r {target} && snakemake {target} --cores 1"
        )


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, moved into place when the block ends without an error.

    The data reach the disk before the name does, so a crash leaves the old file or the new one, never half of one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes | memoryview) -> None:
    """Write a file whole or not at all."""
    with whole(path) as temporary:
        temporary.write_bytes(content)


def is_writable(folder: str | Path) -> bool:
    """Whether files can be written to a folder, or the folder be made."""
    folder = Path(folder)
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def refuse_future(paths: Iterable[str | Path]) -> None:
    """Refuse to start a long job on files of a time to come: Snakemake deletes what is older than its input.

    Raises:
        OSError: names the first file that is over a minute ahead of the clock, and how to go on.
    """
    for path in paths:
        ahead = Path(path).stat().st_mtime - time.time()
        if ahead > _SKEW:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(Path(path).stat().st_mtime))
            raise OSError(
                f"{path} is of a time to come, {when}; set the clock right, or if it is, date the results anew with: "
                "find results -newermt now -exec touch -d @$(date +%s) {} +"
            )


def sha256(path: str | Path) -> str:
    """The sha256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
