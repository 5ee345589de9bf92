"""The order of sources, and the official archive; the mirror has tests of its own."""

import dataclasses
import functools
import http.server
import io
import json
import os
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from small_camelyon17 import images, make_official, write_root
from wilds.datasets.camelyon17_dataset import Camelyon17Dataset

from causalgrok.data import camelyon17
from causalgrok.data.camelyon17 import Camelyon17Settings, fetch
from causalgrok.data.wilds_layout import FOLDER, DataError, read_images

ONLY_OFFICIAL = Camelyon17Settings(sources=["official"])


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which its files are served."""
    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def serve_archive(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    release = {"download_url": url, "compressed_size": 1_000_000}
    monkeypatch.setitem(Camelyon17Dataset._versions_dict, "1.0", release)


def write_archive(path: Path, root: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for entry in sorted((root / FOLDER).iterdir()):
            tar.add(entry, entry.name)


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_local_root_is_used_in_place_and_its_counts_are_reported(tmp_path: Path) -> None:
    root = write_root(tmp_path / "mine")
    source = fetch(Camelyon17Settings(), destination=tmp_path / "downloads", local_root=root)
    assert (source.name, source.root) == ("local", str(root))
    assert source.census.hospitals == {str(hospital): 8 for hospital in range(5)}
    assert not source.matches_official
    assert source.official["splits"]["train"] == 302_436
    assert not (tmp_path / "downloads").exists()
    assert json.loads(json.dumps(dataclasses.asdict(source))) == dataclasses.asdict(source)


def test_official_counts_add_up() -> None:
    splits, hospitals = camelyon17.OFFICIAL["splits"], camelyon17.OFFICIAL["hospitals"]
    assert sum(splits.values()) == sum(hospitals.values()) == 455_954
    assert splits["train"] + splits["id_val"] == hospitals["0+3+4"]


def test_broken_local_root_is_an_error_not_a_download(tmp_path: Path, monkeypatch) -> None:
    serve_archive(monkeypatch, "http://127.0.0.1:1/unreachable")
    with pytest.raises(DataError, match=r"mine is not a folder"):
        fetch(Camelyon17Settings(), destination=tmp_path, local_root=tmp_path / "mine")
    root = write_root(tmp_path / "mine")
    next(root.rglob("*.png")).unlink()
    with pytest.raises(DataError, match="1 of 40 patches are missing"):
        fetch(Camelyon17Settings(), destination=tmp_path, local_root=root)


def test_local_root_is_used_only_in_its_turn(tmp_path: Path, monkeypatch, served) -> None:
    make_official(monkeypatch)
    folder, address = served
    write_archive(folder / "archive", write_root(tmp_path / "built"))
    serve_archive(monkeypatch, f"{address}/archive")
    settings = Camelyon17Settings(sources=["official", "local"])
    assert fetch(settings, destination=tmp_path / "data", local_root=tmp_path / "built").name == "official"


def test_official_archive_is_downloaded_checked_and_kept(tmp_path: Path, monkeypatch, served) -> None:
    make_official(monkeypatch)
    folder, address = served
    write_archive(folder / "archive", write_root(tmp_path / "built"))
    serve_archive(monkeypatch, f"{address}/archive")

    destination = tmp_path / "data"
    source = fetch(Camelyon17Settings(), destination=destination, local_root=None)
    assert (source.name, source.root, source.matches_official) == ("official", str(destination), True)
    np.testing.assert_array_equal(read_images(destination, np.arange(40)), images())
    assert hidden(destination) == []

    (folder / "archive").unlink()
    assert fetch(Camelyon17Settings(), destination=destination, local_root=None) == source


def test_download_that_broke_later_is_named(tmp_path: Path, monkeypatch, served) -> None:
    make_official(monkeypatch)
    folder, address = served
    write_archive(folder / "archive", write_root(tmp_path / "built"))
    serve_archive(monkeypatch, f"{address}/archive")
    fetch(ONLY_OFFICIAL, destination=tmp_path / "data", local_root=None)
    next((tmp_path / "data").rglob("*.png")).unlink()
    with pytest.raises(
        DataError, match=r"1 of 40 patches are missing.*; delete .*camelyon17_v1.0 to download it again"
    ):
        fetch(ONLY_OFFICIAL, destination=tmp_path / "data", local_root=None)


def test_data_of_unknown_origin_are_neither_used_nor_overwritten(tmp_path: Path) -> None:
    write_root(tmp_path)
    with pytest.raises(DataError, match=r"comes from an unknown source.*delete it, or name .* as local root"):
        fetch(ONLY_OFFICIAL, destination=tmp_path, local_root=None)
    assert len(list(tmp_path.rglob("*.png"))) == 40


def test_download_with_other_counts_is_refused(tmp_path: Path, monkeypatch, served) -> None:
    folder, address = served
    write_archive(folder / "archive", write_root(tmp_path / "built"))
    serve_archive(monkeypatch, f"{address}/archive")
    with pytest.raises(DataError, match=r"does not hold the official release: it has \{'train': 18, .*302436"):
        fetch(ONLY_OFFICIAL, destination=tmp_path / "data", local_root=None)
    assert list((tmp_path / "data").iterdir()) == []


def test_download_with_other_image_size_is_refused(tmp_path: Path, monkeypatch, served) -> None:
    make_official(monkeypatch)
    folder, address = served
    write_archive(folder / "archive", write_root(tmp_path / "built", size=48))
    serve_archive(monkeypatch, f"{address}/archive")
    with pytest.raises(DataError, match="48x48 pixels; expected 96x96"):
        fetch(ONLY_OFFICIAL, destination=tmp_path / "data", local_root=None)


@pytest.mark.parametrize("size", [100, 20_000])
def test_truncated_archive_is_an_error(tmp_path: Path, monkeypatch, served, size: int) -> None:
    folder, address = served
    write_archive(folder / "whole", write_root(tmp_path / "built"))
    (folder / "archive").write_bytes((folder / "whole").read_bytes()[:size])
    serve_archive(monkeypatch, f"{address}/archive")
    with pytest.raises(DataError, match=r"official: .*gave no complete archive: .*end-of-stream"):
        fetch(ONLY_OFFICIAL, destination=tmp_path / "data", local_root=None)
    assert list((tmp_path / "data").iterdir()) == []


def test_error_page_instead_of_an_archive_is_an_error(tmp_path: Path, monkeypatch, served) -> None:
    folder, address = served
    (folder / "archive").write_text("<html>The service is down for maintenance.</html>")
    serve_archive(monkeypatch, f"{address}/archive")
    with pytest.raises(DataError, match="gave no complete archive: not a gzip file"):
        fetch(ONLY_OFFICIAL, destination=tmp_path / "data", local_root=None)


def test_archive_cannot_write_outside_its_folder(tmp_path: Path, monkeypatch, served) -> None:
    folder, address = served
    with tarfile.open(folder / "archive", "w:gz") as tar:
        member = tarfile.TarInfo("../../escaped.txt")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    serve_archive(monkeypatch, f"{address}/archive")
    with pytest.raises(DataError, match="outside the destination"):
        fetch(ONLY_OFFICIAL, destination=tmp_path / "data", local_root=None)
    assert not list(tmp_path.rglob("escaped.txt"))


def test_all_failures_are_told_in_one_line(tmp_path: Path, monkeypatch, served, capsys) -> None:
    _, address = served
    serve_archive(monkeypatch, f"{address}/nothing-here")
    monkeypatch.setattr("time.sleep", lambda _: None)
    settings = Camelyon17Settings(mirror={"endpoint": address})
    with pytest.raises(DataError) as caught:
        fetch(settings, destination=tmp_path, local_root=None)
    message = str(caught.value)
    assert "\n" not in message
    for part in ("local: no local root is given", "official: http://127.0.0.1", "404", "mirror: wltjr1007", "by hand"):
        assert part in message
    assert "not from official: " in capsys.readouterr().out


def test_server_that_falls_silent_is_down(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(camelyon17, "SILENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        serve_archive(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/archive")
        with pytest.raises(DataError, match=r"gave no complete archive: .*timed out"):
            fetch(ONLY_OFFICIAL, destination=tmp_path / "data", local_root=None)
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize(
    "settings",
    [
        {"sources": []},
        {"sources": ["local", "local"]},
        {"sources": ["kaggle"]},
        {"mirror": {"revision": "main"}},
        {"mirror": {"repository": "camelyon17"}},
        {"mirror": {"endpoint": "ftp://example.org"}},
        {"mirror": {"token": "secret"}},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict) -> None:
    with pytest.raises(ValidationError):
        Camelyon17Settings(**settings)


def test_real_patches_differ_from_the_official_counts(tmp_path: Path) -> None:
    if "CAUSALGROK_TEST_DATA" not in os.environ:
        pytest.skip("CAUSALGROK_TEST_DATA does not name the folder of test data")
    root = Path(os.environ["CAUSALGROK_TEST_DATA"]) / "camelyon17_standin"
    source = fetch(Camelyon17Settings(), destination=tmp_path, local_root=root)
    assert source.census.hospitals == {str(hospital): 600 for hospital in range(5)}
    assert source.census.slides == {str(hospital): 10 for hospital in range(5)}
    assert not source.matches_official
