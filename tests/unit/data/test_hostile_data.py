"""Archives, images and tables made to write elsewhere, to fill memory or disk, or to say something unprintable."""

import io
import os
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_camelyon17 import table, write_root

from causalgrok.availability import quick_metadata
from causalgrok.data import csv_files, image_table, mirror
from causalgrok.data.camelyon17 import Camelyon17Settings, _unpack, remembered_root
from causalgrok.data.image_table import ImageTableError, pack, read_table
from causalgrok.data.images import open_image
from causalgrok.data.wilds_layout import FOLDER, METADATA, DataError, check_local_root, inspect, read_images


def refusal(call, *args) -> str:
    with pytest.raises((ImageTableError, DataError)) as caught:
        call(*args)
    message = str(caught.value)
    assert message.isprintable() and len(message) <= 1000
    return message


# Archives


def unpacked(tmp_path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    content.seek(0)
    with tarfile.open(fileobj=content) as tar:
        _unpack(tar, tmp_path / "inside")


def member(name: str, **more: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a/../../out.txt", "..", "a/../../inside2/out.txt"])
def test_an_archive_writes_nothing_outside_its_folder(tmp_path, name):
    with pytest.raises((tarfile.TarError, OSError)):
        unpacked(tmp_path, (member(name, size=4), b"evil"))
    assert not list(tmp_path.rglob("out.txt")) and not Path("/tmp/out.txt").exists()


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
    ids=lambda k: k.decode(),
)
def test_an_archive_makes_neither_links_nor_devices(tmp_path, kind):
    (tmp_path / "secret").write_text("mine")
    bad = member("link", type=kind, linkname=str(tmp_path / "secret"))
    with pytest.raises(tarfile.TarError, match="is no file"):
        unpacked(tmp_path, (bad, b""), (member("link", size=4), b"evil"))
    assert (tmp_path / "secret").read_text() == "mine"
    assert not (tmp_path / "inside" / "link").exists()


def test_an_archive_that_claims_too_much_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(member("huge", size=4), io.BytesIO(b"evil"))
    forged = bytearray(content.getvalue())
    forged[124:136] = b"77777777777\0"
    forged[148:156] = b" " * 8
    forged[148:156] = b"%06o\0 " % sum(forged[:512])
    with tarfile.open(fileobj=io.BytesIO(bytes(forged))) as tar, pytest.raises(tarfile.TarError):
        _unpack(tar, tmp_path / "inside")
    monkeypatch.setattr("causalgrok.data.camelyon17.MOST_BYTES", 10)
    with pytest.raises(tarfile.TarError, match="number 2 or ends after 12 bytes: too much"):
        unpacked(tmp_path, (member("a", size=6), b"123456"), (member("b", size=6), b"123456"))
    monkeypatch.setattr("causalgrok.data.camelyon17.MOST_MEMBERS", 1)
    with pytest.raises(tarfile.TarError, match="too much"):
        unpacked(tmp_path, (member("c"), b""), (member("d"), b""))


@pytest.mark.parametrize(
    ("path", "digest"),
    [
        ("../../x.parquet", "0" * 64),
        ("/x.parquet", "0" * 64),
        ("data/a b.parquet", "0" * 64),
        ("data/x.parquet", "../../../x"),
        ("data/x.parquet", "0" * 63),
    ],
)
def test_what_a_hub_lists_becomes_no_path_elsewhere(monkeypatch, path, digest):
    class Api:
        def __init__(self, **_):
            pass

        def list_repo_tree(self, *_, **__):
            return [type("File", (), {"path": path, "lfs": type("Lfs", (), {"sha256": digest})})]

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    assert "no shard's" in refusal(mirror._list_shards, mirror.Mirror())


def test_a_remembered_root_that_is_no_json_is_one_line(tmp_path):
    for content in (b"{", b"[]", b"\xff", b"{}", b"[" * 100_000, b'{"name": "local", "root": 3}'):
        (tmp_path / "source.json").write_bytes(content)
        assert "remove it" in refusal(remembered_root, tmp_path / "source.json")


# Images


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def one_image(path: Path) -> pd.DataFrame:
    return pd.DataFrame({"path": [str(path)], "label": 0, "domain": 0, "group": 0, "split": "probe"})


@pytest.mark.parametrize("side", [4097, 12_000, 60_000, 2**31 - 1])
def test_an_image_that_claims_too_many_pixels_is_not_decoded(tmp_path, monkeypatch, side):
    root = write_root(tmp_path / "root") if side == 60_000 else None
    for method in ("load", "convert"):
        monkeypatch.setattr(Image.Image, method, lambda *_: pytest.fail("it was decoded"))
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side))
    assert "bomb.png" in refusal(pack, one_image(path))
    if root:
        for patch in root.rglob("*.png"):
            patch.write_bytes(png_header(side, side))
        assert "patch" in refusal(read_images, root, np.arange(3))
        assert "patch" in refusal(inspect, root)


def test_a_claim_within_bounds_without_the_data_is_a_truncated_image(tmp_path):
    (tmp_path / "short.png").write_bytes(png_header(4096, 4096))
    assert "short.png cannot be read" in refusal(pack, one_image(tmp_path / "short.png"))


def test_patches_of_a_local_root_go_to_no_outside_program(tmp_path):
    root = write_root(tmp_path)
    for patch in root.rglob("*.png"):
        patch.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    assert "cannot identify image file" in refusal(read_images, root, np.arange(2))


def test_a_pipe_or_folder_in_place_of_an_image_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", tmp_path, Path("/dev/zero")):
        with pytest.raises(ValueError, match="is no regular file"):
            open_image(path)


# Tables


HEADER = "path,label,domain,group\n"


def written(tmp_path: Path, content: str | bytes, name: str = "images.csv") -> Path:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path / name


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER + "a\0.png,0,x,y\n", "holds NUL bytes"),
        ((HEADER + "a.png,0,x,y\n").encode("utf-16"), "first line"),
        (HEADER + "a.png,0,K\xf6ln,y\n", None),
        ((HEADER + "a.png,0,K\xf6ln,y\n").encode("latin-1"), "not UTF-8"),
        (",".join(f"c{i}" for i in range(10**6)) + "\n", "first line of more than 64 KiB"),
        (",".join("c" for _ in range(2000)) + "\n", "2,000 columns"),
        (HEADER + f"{'p' * 10**6}.png,0,x,y\n", "expected at most 4000 characters"),
        (HEADER + '"a\n.png",0,x,y\n', "text without control characters"),
        (HEADER + 'a.png,0,"\x1b[2J",y\n', "text without control characters"),
        (HEADER + 'a.png,0,"\u202egnp",y\n', "text without control characters"),
        (HEADER + '"a.png,0,x,y\n', "cannot be read as csv"),
        ("PAR1" + HEADER, "no column 'path'"),
    ],
    ids=["nul", "utf16", "utf8", "latin1", "wide", "columns", "cell", "newline", "escape", "bidi", "quote", "magic"],
)
def test_a_hostile_csv_is_one_line(tmp_path, content, said):
    message = refusal(read_table, written(tmp_path, content))
    assert "one domain" in message or "one label" in message if said is None else said in message


def test_a_formula_is_text(tmp_path):
    rows = "".join(f"{i}.png,{i // 2 % 2},=cmd|' /C calc'!A{i % 2},{i % 8}\n" for i in range(80))
    assert "80 of 80 image files are missing" in refusal(read_table, written(tmp_path, HEADER + rows))


def test_a_table_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_files, "MAX_BYTES", 100)
    monkeypatch.setattr(pd, "read_csv", lambda *_, **__: pytest.fail("it was read"))
    assert "more than 0; split the table" in refusal(read_table, written(tmp_path, HEADER + "a.png,0,x,y\n" * 20))


def test_parquet_where_csv_is_expected_and_the_other_way_round(tmp_path):
    pd.DataFrame({"path": ["a"], "label": 0, "domain": "x", "group": "y"}).to_parquet(tmp_path / "real.parquet")
    content = (tmp_path / "real.parquet").read_bytes()
    assert "cannot be read as csv" in refusal(read_table, written(tmp_path, content))
    assert "cannot be read as parquet" in refusal(read_table, written(tmp_path, HEADER, "images.parquet"))


def test_one_long_text_in_every_row_of_a_parquet_table_is_not_repeated(tmp_path):
    rows = 1_000_000
    long = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["x" * 10**6]))
    columns = {"path": long, "label": pa.array(np.zeros(rows, np.int8)), "domain": long, "group": long}
    pq.write_table(pa.table(columns), tmp_path / "images.parquet")
    assert (tmp_path / "images.parquet").stat().st_size < 10**6
    assert "expected at most 4000 characters" in refusal(read_table, tmp_path / "images.parquet")


def test_a_parquet_table_of_too_many_rows_is_not_read(tmp_path, monkeypatch):
    pd.DataFrame({"path": ["a"] * 9, "label": 0, "domain": "x", "group": "y"}).to_parquet(tmp_path / "images.parquet")
    monkeypatch.setattr(image_table, "MAX_ROWS", 8)
    assert "has 9 rows" in refusal(read_table, tmp_path / "images.parquet")


def test_what_a_table_lists_must_be_files(tmp_path):
    os.mkfifo(tmp_path / "7.png")
    for i in range(80):
        if i != 7:
            (tmp_path / f"{i}.png").touch()
    rows = "".join(f"{i}.png,{i // 2 % 2},{'ab'[i % 2]},{i % 8}\n" for i in range(80))
    path = written(tmp_path, HEADER + rows)
    assert f"1 of 80 image files are missing, the first is {tmp_path / '7.png'}" in refusal(read_table, path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x" * 200_000, "more than 64 KiB"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"", "has no column"),
        (b"a," * 5000, "5,001 columns"),
    ],
)
def test_a_hostile_metadata_csv_is_one_line_at_planning(tmp_path, content, said):
    root = write_root(tmp_path)
    (root / FOLDER / METADATA).write_bytes(content)
    assert said in refusal(check_local_root, root)


@pytest.mark.parametrize(("column", "value"), [("center", "x"), ("slide", "1e400"), ("tumor", ""), ("split", "9" * 30)])
def test_metadata_that_are_no_numbers_are_one_line_at_planning_too(tmp_path, column, value):
    frame = table().astype({column: object})
    frame.loc[3, column] = value
    root = write_root(tmp_path, frame)
    assert "is not a table of whole numbers" in refusal(quick_metadata, Camelyon17Settings(), str(root))
    assert f"{column} is" in refusal(inspect, root)


def test_a_patient_leads_to_no_other_folder(tmp_path):
    root = write_root(tmp_path, table().assign(patient="../../../etc"))
    assert "patient is '../../../etc', expected letters and digits" in refusal(inspect, root)
