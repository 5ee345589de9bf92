"""Camelyon17-WILDS from Hugging Face: Parquet shards turned into the folder that `wilds` reads.

The mirror's own splits are not WILDS's: its "validation" holds both validation splits, so a patch's split follows from
its hospital. Rows may be ordered by label and images may be RGBA: patches are written as RGB and the table is sorted,
so the result does not depend on the order of rows or shards.

Shards are taken one by one: downloaded, verified, converted, noted, deleted. A shard that is noted is never fetched
again, so an interrupted call goes on where it stopped and never needs more disk than one shard above the result.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from causalgrok.data.images import open_image
from causalgrok.data.wilds_layout import FOLDER, METADATA, RELEASE, DataError, patch_name
from causalgrok.files import sha256, whole, write_bytes
from causalgrok.settings import Settings

COLUMNS = ("image", "label", "center", "patient", "node", "slide", "x_coord", "y_coord", "image_id")
HELD_OUT = {1: 3, 2: 2}
"""Code of the WILDS split by hospital, for the hospitals that are a split of their own."""

TRAINED = {"train": 0, "validation": 1}
"""Code of the WILDS split by the mirror's split, for the other hospitals."""

_SHARD = re.compile(r"([\w-][\w.-]*/)*[\w-][\w.-]*\.parquet")
_SHA256 = re.compile(r"[0-9a-f]{64}")
"""What a hub may say: both become parts of paths here."""

MOST_ROWS = 1_000_000
"""Of a shard; the whole dataset has half as many."""

BATCH = 256
"""Rows held in memory at a time."""


class Mirror(Settings):
    """The copy of Camelyon17-WILDS on Hugging Face."""

    repository: Annotated[str, Field(pattern=r"^\w[\w.-]*/\w[\w.-]*$")] = "wltjr1007/Camelyon17-WILDS"
    """The dataset's repository."""

    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] = "d784d5344ba6c967f83f9f3d9b2f1e2a4d6eb78f"
    """The commit to take: a full hash, so that nobody can change the data afterwards."""

    endpoint: Annotated[str, Field(pattern=r"^https?://.*[^/]$")] | None = None
    """Address of another hub that serves the repository; no slash at its end; null asks huggingface.co."""


def download(mirror: Mirror, work: Path, *, size: int) -> None:
    """Fill `work/camelyon17_v1.0/` from the mirror, going on where an interrupted call stopped.

    Args:
        mirror: Repository, revision and hub.
        work: A folder of this call's own; kept between calls that shall resume.
        size: Height and width that every patch must have.

    Raises:
        DataError: The hub does not answer, a shard is not what the hub says it is, or holds something unexpected.
    """
    import pandas as pd

    folder = work / FOLDER
    shards = _list_shards(mirror)
    notes = [work / "converted" / f"{digest}.parquet" for _, digest in shards]
    for i, ((shard, digest), note) in enumerate(zip(shards, notes, strict=True), start=1):
        if not note.exists():
            print(f"camelyon17: shard {i} of {len(shards)}, {shard}", flush=True)
            file = _download_shard(mirror, shard, digest, work / "shards")
            rows = pd.DataFrame(_convert(file, shard, folder, size))
            with whole(note) as temporary:
                rows.to_parquet(temporary)
            file.unlink()
    table = pd.concat([pd.read_parquet(note) for note in notes])
    table = table.sort_values(["image_id", "patient", "node", "x_coord", "y_coord"], ignore_index=True)
    write_bytes(folder / RELEASE, f"{mirror.repository}@{mirror.revision}\n".encode())
    write_bytes(folder / METADATA, table.to_csv(lineterminator="\n").encode())


def _list_shards(mirror: Mirror) -> list[tuple[str, str]]:
    """Path and sha256 of every Parquet file in the revision, by path."""
    from huggingface_hub import HfApi

    with _hub_errors(f"{mirror.repository}@{mirror.revision}"):
        files = list(
            # No token: the data are public, and the endpoint may be anybody's.
            HfApi(endpoint=mirror.endpoint, token=False).list_repo_tree(
                mirror.repository, repo_type="dataset", revision=mirror.revision, recursive=True
            )
        )
    shards = sorted((file.path, file.lfs) for file in files if file.path.endswith(".parquet"))
    if not shards:
        raise DataError(f"{mirror.repository}@{mirror.revision} holds no Parquet file")
    if unknown := [path for path, lfs in shards if lfs is None]:
        raise DataError(f"{mirror.repository}@{mirror.revision} gives no sha256 for {unknown[0]}")
    for path, lfs in shards:
        if not (_SHARD.fullmatch(path) and _SHA256.fullmatch(str(lfs.sha256))):
            raise DataError(f"{mirror.repository}@{mirror.revision} lists {path!r}, sha256 {lfs.sha256!r}: no shard's")
    return [(path, lfs.sha256) for path, lfs in shards]


def _download_shard(mirror: Mirror, shard: str, digest: str, folder: Path) -> Path:
    from huggingface_hub import hf_hub_download

    with _hub_errors(shard):
        file = hf_hub_download(
            mirror.repository,
            shard,
            repo_type="dataset",
            revision=mirror.revision,
            endpoint=mirror.endpoint,
            local_dir=folder,
            token=False,
        )
    file = Path(file)
    if (found := sha256(file)) != digest:
        file.unlink()
        raise DataError(f"shard {shard} has sha256 {found}, expected {digest}; run again to download it anew")
    return file


@contextlib.contextmanager
def _hub_errors(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the hub's client passes on those of its HTTP library, which it has changed twice
        reason = " ".join(str(error.__cause__ or error).split())
        raise DataError(f"{what} could not be downloaded: {reason}") from error


def _convert(file: Path, shard: str, folder: Path, size: int) -> Iterator[dict]:
    """Write a shard's patches below `folder`, and give their rows of the table."""
    import pyarrow.parquet as pq

    part = Path(shard).name.partition("-")[0]
    with pq.ParquetFile(file) as parquet:
        if missing := [column for column in COLUMNS if column not in parquet.schema_arrow.names]:
            raise DataError(f"shard {shard} has no column {', '.join(missing)}")
        if (count := parquet.metadata.num_rows) > MOST_ROWS:
            raise DataError(f"shard {shard} claims {count:,} rows, more than the dataset has")
        rows = (row for batch in parquet.iter_batches(BATCH, columns=COLUMNS) for row in batch.to_pylist())
        for i, row in enumerate(rows):
            try:
                line = _line(row, part)
                png = _rgb_png((row["image"] or {}).get("bytes"), size)
            except Exception as error:  # besides bad values: whatever Pillow raises on broken bytes
                raise DataError(f"shard {shard} row {i} (image_id {row['image_id']}): {error}") from error
            path = folder / patch_name(*(line[column] for column in ("patient", "node", "x_coord", "y_coord")))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png)
            yield line


def _line(row: dict, part: str) -> dict:
    hospital = int(row["center"])
    if hospital not in HELD_OUT and part not in TRAINED:
        raise ValueError(f"hospital {hospital} in the mirror's {part} files; expected {' or '.join(TRAINED)}")
    return {
        "patient": f"{int(row['patient']):03d}",
        "node": int(row["node"]),
        "x_coord": int(row["x_coord"]),
        "y_coord": int(row["y_coord"]),
        "tumor": int(row["label"]),
        "slide": int(row["slide"]),
        "center": hospital,
        "split": HELD_OUT[hospital] if hospital in HELD_OUT else TRAINED[part],
        "image_id": row["image_id"],
    }


def _rgb_png(content: bytes | None, size: int) -> bytes:
    """The image as an RGB PNG: the same bytes if it is one, else without its alpha channel."""
    if not content or not content.startswith(b"\x89PNG"):
        raise ValueError("there is no PNG image")
    try:
        opened = open_image(io.BytesIO(content), ["PNG"])
    except ValueError as error:
        raise ValueError(f"the image {error}") from error
    with opened as image:
        if image.size != (size, size):  # known before decoding, so a huge one is never unpacked
            raise ValueError(f"the image is {image.width}x{image.height} pixels, expected {size}x{size}")
        image.load()
        if image.mode == "RGB":
            return content
        png = io.BytesIO()
        image.convert("RGB").save(png, "PNG")
        return png.getvalue()
