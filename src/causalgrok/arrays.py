"""Arrays on disk: safetensors files that carry the sha256 of their own content and are checked before they are read.

The format is plain safetensors; the checksum stands in its metadata, over the header without that metadata and all
data. So a file that was cut short, edited or rotted is told from a good one wherever it is read, by its own content.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from causalgrok.files import DamagedFile, whole

if TYPE_CHECKING:
    from safetensors import SafeOpen

_METADATA = "__metadata__"


def write_arrays(arrays: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write arrays by name, whole or not at all."""
    write_sealed(save(dict(arrays)), path)


def write_sealed(content: bytes, path: str | Path) -> None:
    """Write the bytes of a safetensors file without metadata, with their checksum, whole or not at all."""
    length = 8 + int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8:length]), memoryview(content)[length:]
    digest = hashlib.sha256(_plain(header))
    digest.update(data)
    sealed = json.dumps({_METADATA: {"sha256": digest.hexdigest()}, **header}, separators=(",", ":")).encode()
    sealed += b" " * (-len(sealed) % 8)
    with whole(path) as temporary, temporary.open("wb") as handle:
        handle.write(len(sealed).to_bytes(8, "little"))
        handle.write(sealed)
        handle.write(data)


@contextlib.contextmanager
def open_arrays(path: str | Path) -> Iterator["SafeOpen"]:
    """Open a file that this module wrote; arrays are read when they are asked for.

    Raises:
        DamagedFile: the file is not what was written.
    """
    check_arrays(path)
    with safe_open(path, framework="numpy") as file:
        yield file


def read_arrays(path: str | Path, *names: str) -> list[np.ndarray]:
    """Some arrays of a file that this module wrote, in the order of their names.

    Raises:
        DamagedFile: the file is not what was written.
    """
    with open_arrays(path) as file:
        return [file.get_tensor(name) for name in names]


def check_arrays(path: str | Path) -> None:
    """Compare a file with its own checksum.

    Raises:
        DamagedFile: it is cut short, has no checksum or does not match it.
    """
    with Path(path).open("rb") as handle:
        try:
            header = _header(handle)
            stated = header.pop(_METADATA)["sha256"]
            digest = hashlib.sha256(_plain(header))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise DamagedFile(path, "it has no readable header with a checksum") from None
        while block := handle.read(2**24):
            digest.update(block)
    if digest.hexdigest() != stated:
        raise DamagedFile(path, "its content does not match its checksum")


def _header(handle: BinaryIO) -> dict:
    length = int.from_bytes(handle.read(8), "little")
    if length > 2**27:
        raise ValueError("no safetensors file has so long a header")
    return json.loads(handle.read(length))


def _plain(header: dict) -> bytes:
    return json.dumps(header, sort_keys=True).encode()
