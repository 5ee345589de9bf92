"""Camelyon17-WILDS: patches of lymph nodes from five hospitals, and where to get them.

The sources are a folder the user has, the official archive (down on and off since 2025: p-lambda/wilds #170, #174) and
a community mirror on Hugging Face. Whichever it is, the same checks follow; a download must have the official counts,
a folder of the user's is taken as it is and its counts are reported beside them.

Koh et al., WILDS: A Benchmark of in-the-Wild Distribution Shifts (arXiv 2012.07421); Bandi et al., IEEE TMI 38 (2019).
"""

import contextlib
import http.client
import json
import shutil
import socket
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from causalgrok.data.mirror import Mirror, download
from causalgrok.data.wilds_layout import FOLDER, Census, DataError, inspect
from causalgrok.settings import Settings

OFFICIAL = {
    "splits": {"train": 302_436, "id_val": 33_560, "ood_test": 85_054, "ood_val": 34_904},
    "hospitals": {"1": 34_904, "2": 85_054, "0+3+4": 335_996},
}
"""Patches by split and by hospital in release 1.0; those of hospitals 0, 3 and 4 are published as their sum."""

IMAGE_SIZE = 96
ORIGIN = "origin.txt"
"""The file beside a downloaded `metadata.csv` that says where it came from."""

SILENCE = 60.0
"""Seconds without a byte after which the official server counts as down; wilds itself would wait for ever."""


MOST_MEMBERS, MOST_BYTES = 1_000_000, 64 * 2**30
"""Limits of the unpacked archive, twice to six times of what it has; a file never holds more than its header claims."""


class Camelyon17Settings(Settings):
    """Camelyon17-WILDS: where to get it."""

    kind: Literal["camelyon17"] = "camelyon17"
    """Camelyon17-WILDS, real tissue from five hospitals; downloads 10.7 GB unless a local root is given."""

    sources: list[Literal["local", "official", "mirror"]] = Field(["local", "official", "mirror"], min_length=1)
    """Where to look for the data, in this order: the local root, the official archive, the Hugging Face mirror."""

    mirror: Mirror = Mirror()
    """The copy of the data on Hugging Face."""

    @field_validator("sources")
    @classmethod
    def _no_source_twice(cls, sources: list[str]) -> list[str]:
        if len(set(sources)) < len(sources):
            raise ValueError(f"a source is named twice: {', '.join(sources)}")
        return sources


@dataclass(frozen=True)
class Source:
    """Where the data came from and what they hold; `dataclasses.asdict` gives plain JSON."""

    name: str
    """local, official or mirror."""

    origin: str
    """The folder, release or repository and commit it was taken from."""

    root: str
    """The folder that holds `camelyon17_v1.0/`."""

    census: Census
    """What it holds."""

    matches_official: bool
    """Whether counts and patch size are those of release 1.0; always so after a download."""

    official: dict[str, dict[str, int]] = field(default_factory=lambda: OFFICIAL)
    """Those counts."""


def remembered_root(source: Path) -> str | None:
    """The local root of an earlier call, by the file it left; so that it need not be named in every command.

    Args:
        source: the `Source` that an earlier call wrote as JSON, if it did.

    Raises:
        DataError: the file is not what was written.
    """
    if not source.is_file():
        return None
    try:
        found = json.loads(source.read_bytes())
        return found["root"] if found["name"] == "local" and Path(found["root"]).is_dir() else None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DataError(f"{source} does not say where the patches are; remove it, and it is written again") from None


def fetch(settings: Camelyon17Settings, *, destination: Path, local_root: Path | None) -> Source:
    """Find the data in the first source that has them.

    Args:
        settings: The sources and their order.
        destination: The folder a download's `camelyon17_v1.0/` shall lie in; one that is there already is used again.
        local_root: The folder the user's own `camelyon17_v1.0/` lies in, if there is one; it is read in place.

    Raises:
        DataError: No source has the data; or the user's folder is broken, which is no reason to download 10 GB.
    """
    failures = []
    for name in settings.sources:
        if name == "local" and local_root is not None:
            return _inspected("local", str(local_root), local_root)
        if name == "local":
            failures.append("local: no local root is given")
        elif (kept := _kept(settings, destination)) is not None:
            return kept
        else:
            try:
                return _download(name, settings, destination)
            except DataError as error:
                failures.append(f"{name}: {error}")
        print(f"camelyon17: not from {failures[-1]}", flush=True)
    raise DataError(
        f"Camelyon17-WILDS could not be fetched ({'; '.join(failures)}): run again later (the mirror's finished "
        f"shards are kept), or download it by hand and name the folder that holds {FOLDER}/ as local root"
    )


def _inspected(name: str, origin: str, root: Path, size: int | None = None) -> Source:
    census = inspect(root, size)
    hospitals = {key: sum(census.hospitals.get(one, 0) for one in key.split("+")) for key in OFFICIAL["hospitals"]}
    matches = {"splits": census.splits, "hospitals": hospitals} == OFFICIAL and census.image_size == IMAGE_SIZE
    return Source(name, origin, str(root), census, matches)


def _downloaded(name: str, origin: str, root: Path) -> Source:
    source = _inspected(name, origin, root, IMAGE_SIZE)
    if not source.matches_official:
        raise DataError(
            f"{origin} does not hold the official release: it has {source.census.splits}, expected {OFFICIAL['splits']}"
        )
    return source


def _origins(settings: Camelyon17Settings) -> dict[str, str]:
    """The downloads among the sources, and what each is a copy of."""
    origins = {"official": "WILDS release 1.0", "mirror": f"{settings.mirror.repository}@{settings.mirror.revision}"}
    return {name: origins[name] for name in settings.sources if name != "local"}


def _kept(settings: Camelyon17Settings, destination: Path) -> Source | None:
    """What an earlier call downloaded; None if there is nothing."""
    folder = destination / FOLDER
    if not folder.exists():
        return None
    origin = (folder / ORIGIN).read_text() if (folder / ORIGIN).is_file() else "an unknown source"
    names = {origin: name for name, origin in _origins(settings).items()}
    if origin not in names:
        raise DataError(
            f"{folder} comes from {origin}, which is none of the configured sources: "
            f"delete it, or name {destination} as local root"
        )
    try:
        return _downloaded(names[origin], origin, destination)
    except DataError as error:
        raise DataError(f"{error}; delete {folder} to download it again") from error


def _download(name: str, settings: Camelyon17Settings, destination: Path) -> Source:
    """Download into a hidden folder in `destination`, and move the data into place once they have passed all checks."""
    work, origin = destination / f".{name}", _origins(settings)[name]
    if name == "mirror":
        download(settings.mirror, work, size=IMAGE_SIZE)
    else:
        _download_archive(work)
    try:
        source = _downloaded(name, origin, work)
    except DataError:
        shutil.rmtree(work)  # or the next call would find the same fault in the same files
        raise
    (work / FOLDER / ORIGIN).write_text(origin)
    (work / FOLDER).rename(destination / FOLDER)
    shutil.rmtree(work)
    return replace(source, root=str(destination))


def _download_archive(work: Path) -> None:
    """Download and unpack the official archive below `work`.

    By the downloader of `wilds` but not by `Camelyon17Dataset(download=True)`, which prints an error and goes on, so
    that all one learns is that `metadata.csv` is missing.
    """
    from wilds.datasets.camelyon17_dataset import Camelyon17Dataset
    from wilds.datasets.download_utils import download_url

    shutil.rmtree(work, ignore_errors=True)  # the server does not resume: what a killed download left is of no use
    release = Camelyon17Dataset._versions_dict["1.0"]
    url, archive = release["download_url"], work / "archive.tar.gz"
    try:
        with _impatient():
            download_url(url, str(work), archive.name, size=release["compressed_size"])
        with tarfile.open(archive, "r:gz") as tar:
            _unpack(tar, work / FOLDER)
    except (OSError, EOFError, tarfile.TarError, zlib.error, http.client.HTTPException) as error:
        shutil.rmtree(work, ignore_errors=True)
        raise DataError(f"{url} gave no complete archive: {error}") from error
    archive.unlink()


def _unpack(tar: tarfile.TarFile, folder: Path) -> None:
    """Unpack regular files, and nothing outside the folder: Python before 3.11.4 has no filter that sees to it."""
    inside, count, size = folder.resolve(), 0, 0
    for member in tar:
        count, size = count + 1, size + member.size
        if count > MOST_MEMBERS or size > MOST_BYTES:
            raise tarfile.TarError(f"{member.name} is number {count:,} or ends after {size:,} bytes: too much")
        target = inside / member.name
        if not target.resolve().is_relative_to(inside) or not (member.isreg() or member.isdir()):
            raise tarfile.TarError(f"{member.name} is no file or lies outside the destination")
        if member.isreg():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
