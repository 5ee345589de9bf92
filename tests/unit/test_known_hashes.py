"""Kept hashes are those that would be computed, and nothing is kept that an edit has made wrong."""

import json
import shutil

import pytest

from causalgrok import known_hashes, provenance
from causalgrok.known_hashes import FILE, KnownHashes


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A package, a script that reaches it, and the number of times that hashes were computed."""
    (tmp_path / "causalgrok").mkdir()
    (tmp_path / "causalgrok/__init__.py").write_text("")
    (tmp_path / "causalgrok/a.py").write_text("A = 1\n")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/train.py").write_text("import causalgrok.a\n")
    monkeypatch.setattr(provenance, "SOURCE", tmp_path / "causalgrok")
    computed = []

    def counted(script, *modules):
        provenance._read.cache_clear()
        computed.append(script.stem)
        return provenance.code_hash(script, *modules)

    monkeypatch.setattr(known_hashes, "code_hash", counted)
    return tmp_path, computed


def started(folder):
    """What a new start of the pipeline knows."""
    return KnownHashes(folder / "scripts", folder / "causalgrok")


def test_a_second_start_computes_nothing_and_says_the_same(project):
    folder, computed = project
    first = started(folder)
    hashes = first.of("train"), first.of("train", "causalgrok.a"), first.of("train")
    assert computed == ["train", "train"]
    first.keep()
    second = started(folder)
    assert (second.of("train"), second.of("train", "causalgrok.a"), second.of("train")) == hashes
    assert len(computed) == 2
    assert hashes[0] == provenance.code_hash(folder / "scripts/train.py")


@pytest.mark.parametrize("file", ["causalgrok/a.py", "scripts/train.py", "scripts/new.py"])
def test_any_edit_forgets_them(project, file):
    folder, computed = project
    first = started(folder)
    before = first.of("train")
    first.keep()
    (folder / file).write_text("import causalgrok.a\nB = 2\n")
    assert (started(folder).of("train") == before) == (file == "scripts/new.py")
    assert len(computed) == 2


def test_an_edit_while_hashes_are_computed_keeps_none(project):
    folder, _ = project
    first = started(folder)
    first.of("train")
    (folder / "causalgrok/a.py").write_text("A = 2\n")
    first.keep()
    assert not (folder / "causalgrok" / FILE).exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"sources": 1}', "\udcff"])
def test_a_spoilt_file_is_none(project, content):
    folder, computed = project
    path = folder / "causalgrok" / FILE
    path.parent.mkdir()
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    first = started(folder)
    first.of("train")
    first.keep()
    assert computed == ["train"] and "train" in json.loads(path.read_text())["hashes"]


def test_a_folder_that_cannot_be_written_goes_without(project):
    folder, _ = project
    (folder / "causalgrok/__pycache__").write_text("in the way")
    first = started(folder)
    assert first.of("train") == provenance.code_hash(folder / "scripts/train.py")
    first.keep()


def test_a_copy_of_the_project_knows_them_too(project, tmp_path):
    folder, computed = project
    first = started(folder)
    first.of("train")
    first.keep()
    for name in ("causalgrok", "scripts"):
        shutil.copytree(folder / name, tmp_path / "copy" / name)
    assert started(tmp_path / "copy").of("train") == first.of("train")
    assert computed == ["train"]
