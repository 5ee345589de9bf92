"""The Hugging Face path, against a hub on this machine that serves small shards and can misbehave."""

import hashlib
import http.server
import io
import json
import re
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_camelyon17 import images, make_official, table

from causalgrok.data import mirror
from causalgrok.data.camelyon17 import Camelyon17Settings, Source, fetch
from causalgrok.data.wilds_layout import FOLDER, DataError, read_images, read_metadata

REPOSITORY = "someone/Camelyon17-WILDS"
REVISION = "0123456789abcdef0123456789abcdef01234567"
TRAIN, MORE, VALIDATION, TEST = SHARDS = (
    "data/train-00000-of-00002.parquet",
    "data/train-00001-of-00002.parquet",
    "data/validation-00000-of-00001.parquet",
    "data/test-00000-of-00001.parquet",
)


class Hub(http.server.ThreadingHTTPServer):
    """As much of a Hugging Face hub as `huggingface_hub` asks for: the file list, and the files."""

    def __init__(self, files: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
        self.drops: dict[str, list[int]] = {}
        """How many bytes the next answers for a file send before the connection breaks."""
        self.requests: list[tuple[str, str | None, str | None]] = []
        """Path, `Range` and `Authorization` of every GET for a file."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        resolve = f"/datasets/{REPOSITORY}/resolve/{REVISION}/"
        if path == f"/api/datasets/{REPOSITORY}/tree/{REVISION}":
            self.send(200, json.dumps(self.tree()).encode(), {"Content-Type": "application/json"})
        elif path.removeprefix(resolve) in self.server.files and path.startswith(resolve):
            self.send_file(path.removeprefix(resolve), body)
        else:
            self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def tree(self) -> list[dict]:
        """The file list; sizes and sha256 are those the files had when they were uploaded."""
        files = [{"type": "file", "path": "README.md", "size": 9, "oid": "0" * 40}]
        for path, digest in self.server.digests.items():
            size = len(self.server.files[path])
            lfs = {"oid": digest, "size": size, "pointerSize": 134}
            files.append({"type": "file", "path": path, "size": size, "oid": "0" * 40, "lfs": lfs})
        return [{"type": "directory", "path": "data", "oid": "0" * 40}, *files]

    def send_file(self, path: str, body: bool) -> None:
        content = self.server.files[path]
        headers = {
            "ETag": f'"{self.server.digests[path]}"',
            "X-Linked-Etag": f'"{self.server.digests[path]}"',
            "X-Linked-Size": str(len(content)),
            "X-Repo-Commit": REVISION,
        }
        if not body:
            self.send(200, content, headers, body=False)
            return
        wanted = self.headers.get("Range")
        self.server.requests.append((path, wanted, self.headers.get("Authorization")))
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        drops = self.server.drops.get(path, [])
        self.send(206 if start else 200, content[start:], headers, limit=drops.pop(0) if drops else None)

    def send(self, code: int, content: bytes, headers: dict, *, body: bool = True, limit: int | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content[:limit])
        self.close_connection = limit is not None


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def mirror_rows() -> pd.DataFrame:
    """The forty patches in the mirror's columns, and the shard each lies in."""
    frame = table().rename(columns={"tumor": "label"})
    frame["image"] = [{"bytes": png(pixels), "path": None} for pixels in images()]
    shard = frame.split.map({1: VALIDATION, 2: TEST, 3: VALIDATION}).fillna(TRAIN)
    frame["shard"] = shard.mask((shard == TRAIN) & (frame.center == 4), MORE)
    frame["patient"] = frame.patient.astype(int)
    return frame.drop(columns="split")


def shards(rows: pd.DataFrame) -> dict[str, bytes]:
    files = {}
    for path in SHARDS:
        buffer = io.BytesIO()
        part = pa.Table.from_pandas(rows[rows.shard == path].drop(columns="shard"), preserve_index=False)
        pq.write_table(part, buffer, row_group_size=3)
        files[path] = buffer.getvalue()
    return files


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Start hubs; the client waits for nothing between its retries."""
    make_official(monkeypatch)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    hubs = []

    def start(rows: pd.DataFrame) -> Hub:
        hubs.append(Hub(shards(rows)))
        threading.Thread(target=hubs[-1].serve_forever, args=(0.01,), daemon=True).start()
        return hubs[-1]

    yield start
    for hub in hubs:
        hub.shutdown()
        hub.server_close()


def take(hub: Hub, destination: Path) -> Source:
    place = {"repository": REPOSITORY, "revision": REVISION, "endpoint": hub.address}
    settings = Camelyon17Settings(sources=["mirror"], mirror=place)
    return fetch(settings, destination=destination, local_root=None)


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_mirror_becomes_the_folder_that_wilds_reads(serve, tmp_path: Path) -> None:
    hub = serve(mirror_rows())
    source = take(hub, tmp_path)
    assert (source.name, source.origin) == ("mirror", f"{REPOSITORY}@{REVISION}")
    assert source.matches_official
    np.testing.assert_array_equal(read_images(tmp_path, np.arange(40)), images())
    read, written = read_metadata(tmp_path), table()
    np.testing.assert_array_equal(read.hospital, written.center)
    np.testing.assert_array_equal(read.slide, written.slide)
    np.testing.assert_array_equal(read.label, written.tumor)
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]


def test_split_follows_from_the_hospital(serve, tmp_path: Path) -> None:
    rows = mirror_rows()
    assert set(rows.center[rows.shard == VALIDATION]) == {0, 1, 3, 4}
    take(serve(rows), tmp_path)
    written = pd.read_csv(tmp_path / FOLDER / "metadata.csv", index_col=0)
    np.testing.assert_array_equal(written.split, table().split)


def test_rgb_patches_keep_their_bytes(serve, tmp_path: Path) -> None:
    rows = mirror_rows()
    take(serve(rows), tmp_path)
    patch = read_metadata(tmp_path).patch[7]
    assert (tmp_path / FOLDER / patch).read_bytes() == rows.image[7]["bytes"]


def test_rgba_patches_become_rgb(serve, tmp_path: Path) -> None:
    rows = mirror_rows()
    alpha = np.random.default_rng(1).integers(0, 256, (96, 96, 1), dtype=np.uint8)
    rows.at[11, "image"] = {"bytes": png(np.concatenate([images()[11], alpha], axis=2)), "path": "11.png"}
    take(serve(rows), tmp_path)
    with Image.open(tmp_path / FOLDER / read_metadata(tmp_path).patch[11]) as image:
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), images()[11])


def test_order_of_rows_does_not_matter(serve, tmp_path: Path) -> None:
    rows = mirror_rows()
    take(serve(rows), tmp_path / "mixed")
    take(serve(rows.sort_values("label", ascending=False)), tmp_path / "by_label")
    assert content(tmp_path / "mixed") == content(tmp_path / "by_label")


def test_dropped_connection_is_resumed_at_the_byte(serve, tmp_path: Path, monkeypatch) -> None:
    # The client keeps whole blocks only, of 10 MB: far more than these shards have.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    take(serve(mirror_rows()), tmp_path / "smooth")
    hub = serve(mirror_rows())
    hub.drops[MORE] = [5500, 3200]
    take(hub, tmp_path / "dropped")
    asked = [wanted for path, wanted, _ in hub.requests if path == MORE]
    assert asked == [None, "bytes=5000-", "bytes=8000-"]
    assert content(tmp_path / "dropped") == content(tmp_path / "smooth")


def test_interrupted_download_goes_on_with_the_missing_shards(serve, tmp_path: Path) -> None:
    take(serve(mirror_rows()), tmp_path / "smooth")
    hub = serve(mirror_rows())
    hub.drops[TRAIN] = [0] * 20
    destination = tmp_path / "dropped"
    with pytest.raises(DataError, match=rf"mirror: {TRAIN} could not be downloaded: .*run again later"):
        take(hub, destination)
    assert not (destination / FOLDER).exists()
    assert {path for path, _, _ in hub.requests} == {TEST, TRAIN}

    hub.requests.clear()
    hub.drops.clear()
    take(hub, destination)
    assert [path for path, _, _ in hub.requests] == [TRAIN, MORE, VALIDATION]
    assert content(destination) == content(tmp_path / "smooth")

    hub.requests.clear()
    take(hub, destination)
    assert hub.requests == []


def test_call_killed_while_converting_goes_on(serve, tmp_path: Path, monkeypatch) -> None:
    take(serve(mirror_rows()), tmp_path / "smooth")
    hub = serve(mirror_rows())

    def kill(_: bytes, size: int) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mirror, "_rgb_png", kill)
        with pytest.raises(KeyboardInterrupt):
            take(hub, tmp_path / "killed")
    take(hub, tmp_path / "killed")
    assert [path for path, _, _ in hub.requests] == sorted(SHARDS), "the verified shard was fetched again"
    assert content(tmp_path / "killed") == content(tmp_path / "smooth")


def test_shard_with_wrong_bytes_is_refused_and_fetched_anew(serve, tmp_path: Path) -> None:
    hub = serve(mirror_rows())
    good = hub.files[VALIDATION]
    hub.files[VALIDATION] = good[:2000] + bytes([good[2000] ^ 1]) + good[2001:]
    with pytest.raises(DataError, match=rf"shard {VALIDATION} has sha256 \w+, expected {hub.digests[VALIDATION]}"):
        take(hub, tmp_path)
    assert not list(tmp_path.rglob("validation-*.parquet"))

    hub.requests.clear()
    hub.files[VALIDATION] = good
    assert take(hub, tmp_path).matches_official
    assert [path for path, _, _ in hub.requests] == [VALIDATION]


def test_user_token_is_not_sent(serve, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub = serve(mirror_rows())
    take(hub, tmp_path)
    assert {authorization for _, _, authorization in hub.requests} == {None}


def test_missing_column_is_named(serve, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"shard {TEST} has no column center, slide"):
        take(serve(mirror_rows().drop(columns=["center", "slide"])), tmp_path)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"not a picture", "there is no PNG image"),
        (png(images()[0])[:500], "image file is truncated"),
        (png(np.zeros((95, 96, 3), np.uint8)), "the image is 96x95 pixels, expected 96x96"),
        (None, "there is no PNG image"),
    ],
)
def test_bad_image_is_named(serve, tmp_path: Path, image: bytes | None, message: str) -> None:
    rows = mirror_rows()
    rows.at[20, "image"] = {"bytes": image, "path": "20.png"}
    with pytest.raises(DataError, match=rf"shard {TEST} row 4 \(image_id 20\): {message}"):
        take(serve(rows), tmp_path)


def test_huge_image_is_refused_before_it_is_unpacked(serve, tmp_path: Path) -> None:
    rows = mirror_rows()
    header = bytearray(png(images()[0]))
    header[16:24] = (9000).to_bytes(4) * 2
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4)
    rows.at[20, "image"] = {"bytes": bytes(header), "path": None}
    with pytest.raises(DataError, match=r"image_id 20\): the image is 9000x9000 pixels"):
        take(serve(rows), tmp_path)


def test_train_hospital_among_test_patches_is_refused(serve, tmp_path: Path) -> None:
    rows = mirror_rows()
    rows.loc[20, "shard"], rows.loc[0, "shard"] = VALIDATION, TEST
    with pytest.raises(DataError, match=r"image_id 0\): hospital 0 in the mirror's test files; expected train or"):
        take(serve(rows), tmp_path)


def test_patch_in_two_shards_is_refused_and_not_kept(serve, tmp_path: Path) -> None:
    rows = mirror_rows()
    doubled = pd.concat([rows, rows[rows.image_id == 5].assign(image_id=99, shard=MORE)], ignore_index=True)
    with pytest.raises(DataError, match="expected a patch that is not listed before"):
        take(serve(doubled), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_shard_is_noticed_by_the_counts(serve, tmp_path: Path) -> None:
    hub = serve(mirror_rows())
    del hub.files[MORE], hub.digests[MORE]
    with pytest.raises(DataError, match=r"does not hold the official release: it has \{'train': 12, "):
        take(hub, tmp_path)


def test_other_repository_or_empty_one_is_refused(serve, tmp_path: Path) -> None:
    hub = serve(mirror_rows())
    settings = Camelyon17Settings(sources=["mirror"], mirror={"endpoint": hub.address})
    with pytest.raises(DataError, match=r"mirror: wltjr1007/Camelyon17-WILDS@d784\w+ could not be downloaded: .*404"):
        fetch(settings, destination=tmp_path, local_root=None)
    hub.files.clear()
    hub.digests.clear()
    with pytest.raises(DataError, match="holds no Parquet file"):
        take(hub, tmp_path)


def test_hub_that_is_down_is_an_error(serve, tmp_path: Path) -> None:
    hub = serve(mirror_rows())
    hub.shutdown()
    hub.server_close()
    with pytest.raises(DataError, match=r"mirror: someone/\S+ could not be downloaded: .*Connection refused"):
        take(hub, tmp_path)
