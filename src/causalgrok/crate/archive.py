"""Crates as ZIP files: written so that equal contents give equal bytes, and unpacked without trusting them."""

import contextlib
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

MOST_FILES = 200_000
MOST_BYTES = 8 * 2**30
"""What a crate may hold, unpacked; that of a study of six small runs holds some tens of megabytes."""


def write_archive(files: Iterable[tuple[str, Iterable[bytes]]], path: Path) -> None:
    """Write a ZIP file with fixed times and rights.

    Args:
        files: name and content, in the order they shall have.
        path: the ZIP file.
    """
    with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for name, chunks in files:
            info = zipfile.ZipInfo(name)  # its time is 1980
            info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            with archive.open(info, "w", force_zip64=True) as handle:
                for chunk in chunks:
                    handle.write(chunk)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder of a crate: the one that is named, or a temporary one with what a ZIP file holds.

    Raises:
        ValueError: it is neither, or holds what no crate holds.
    """
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                _refuse(archive)
                for info in archive.infolist():
                    if not info.is_dir():
                        _unpack(archive, info, Path(folder, info.filename))
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"{path} cannot be unpacked: {error}") from error
        yield Path(folder)


def _refuse(archive: zipfile.ZipFile) -> None:
    """Look at every name and size before anything is written."""
    entries = archive.infolist()
    if len(entries) > MOST_FILES:
        raise ValueError(f"{archive.filename} holds {len(entries)} files, a crate {MOST_FILES} at most")
    size = sum(info.file_size for info in entries)
    if size > MOST_BYTES:
        raise ValueError(f"{archive.filename} unpacks to {size} bytes, a crate to {MOST_BYTES} at most")
    names = set()
    for info in entries:
        if not _plain(info.orig_filename):
            raise ValueError(f"{archive.filename}: {info.orig_filename!r} leads out of the crate, or is no plain name")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ValueError(f"{archive.filename}: {info.filename!r} is a link or a device")
        if info.filename in names:
            raise ValueError(f"{archive.filename}: {info.filename!r} is there twice")
        names.add(info.filename)


def _plain(name: str) -> bool:
    parts = name.removesuffix("/").split("/")
    return name.isprintable() and "\\" not in name and ":" not in name and not {"", ".", ".."} & set(parts)


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as source, path.open("xb") as target:
        shutil.copyfileobj(source, target)  # a ZipExtFile ends at the size that was looked at
