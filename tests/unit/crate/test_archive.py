import contextlib
import json
import stat
import sys
import zipfile

import pytest

from causalgrok.crate import archive
from causalgrok.crate.__main__ import main
from causalgrok.crate.archive import opened, write_archive
from causalgrok.crate.metadata import read_crate


def test_what_is_written_is_unpacked(tmp_path):
    write_archive([("a/b.txt", iter([b"x", b"y"])), ("c", iter([]))], tmp_path / "crate.zip")
    with opened(tmp_path / "crate.zip") as folder:
        assert (folder / "a/b.txt").read_bytes() == b"xy"
        assert (folder / "c").read_bytes() == b""
    assert not folder.exists()
    with opened(tmp_path) as folder:
        assert folder == tmp_path


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/evil", "a//evil", "./evil", "..\\evil", "C:evil", "a/\nevil", "evil\0.txt", "a/.."],
)
def test_names_that_lead_out_are_refused(tmp_path, name):
    path = tmp_path / "in/hostile.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as hostile:
        info = zipfile.ZipInfo("x" * len(name))
        hostile.writestr(info, b"evil")
    path.write_bytes(path.read_bytes().replace(b"x" * len(name), name.encode()))
    with pytest.raises(ValueError, match=r"leads out of the crate, or is no plain name"), opened(path):
        pass
    assert not list(tmp_path.rglob("*evil*"))


def test_links_are_refused(tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as hostile:
        hostile.writestr(info, "/etc/passwd")
    with pytest.raises(ValueError, match="'link' is a link or a device"), opened(tmp_path / "hostile.zip"):
        pass


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("names", "said"), [("aa", "'a' is there twice"), (("a", "a/b"), "cannot be unpacked")])
def test_names_twice_or_below_a_file_are_refused(tmp_path, names, said):
    write_archive([(name, iter([b""])) for name in names], tmp_path / "hostile.zip")
    with pytest.raises(ValueError, match=said), opened(tmp_path / "hostile.zip"):
        pass


@pytest.mark.parametrize(
    ("limit", "said"), [("MOST_BYTES", "unpacks to 2000000 bytes"), ("MOST_FILES", "holds 2 files")]
)
def test_what_is_too_much_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, limit, said):
    write_archive([(name, iter([b"0" * 10**6])) for name in "ab"], tmp_path / "bomb.zip")
    assert (tmp_path / "bomb.zip").stat().st_size < 10_000
    monkeypatch.setattr(archive, limit, 1)
    with pytest.raises(ValueError, match=said), opened(tmp_path / "bomb.zip"):
        pass


def test_a_size_that_lies_is_told(tmp_path):
    path = tmp_path / "liar.zip"
    write_archive([("a", iter([b"0" * 70_000]))], path)
    content = path.read_bytes()
    assert content.count((70_000).to_bytes(4, "little")) >= 1
    path.write_bytes(content.replace((70_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(ValueError, match="cannot be unpacked"), opened(path):
        pass


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4 cut short"])
def test_what_is_no_archive_is_told(tmp_path, content):
    (tmp_path / "crate.zip").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be unpacked"), opened(tmp_path / "crate.zip"):
        pass


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", '{"@graph": 1}', '{"@graph": {}}', '{"@graph": [1]}', '{"@graph": [{}]}'),
        *('{"@graph": [{"@id": []}]}', '{"@graph": [{"@id": 1}]}', '{"@graph": [{"@id": "a"}, {"@id": "a"}]}'),
        "[" * 100_000,
    ],
)
def test_metadata_of_no_crate_are_told(tmp_path, text):
    (tmp_path / "ro-crate-metadata.json").write_text(text)
    with pytest.raises(ValueError, match=r"ro-crate-metadata\.json (is not the metadata|describes something twice)"):
        read_crate(tmp_path)


def test_no_metadata_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"ro-crate-metadata\.json is not there"):
        read_crate(tmp_path)


def test_entities_of_any_shape_are_read(tmp_path):
    odd = {"@id": "#job/x", "@type": "CreateAction", "object": [1, None, {"@id": 3}, [{}]], "result": {"@id": "a"}}
    odd |= {"instrument": 5, "environment": True}
    content = {"@graph": [odd, {"@id": "./", "@type": {"a": 1}}, {"@id": "f", "@type": ["File", 3]}]}
    (tmp_path / "ro-crate-metadata.json").write_text(json.dumps(content))
    crate = read_crate(tmp_path)
    assert list(crate.files) == ["f"]
    assert crate.actions[0].outputs == ("a",) and crate.actions[0].inputs == ()


@pytest.mark.parametrize("arguments", [[], ["results/\33[2J"]])
def test_what_is_said_of_a_hostile_crate_is_printable(tmp_path, monkeypatch, capsys, arguments):
    job = {"@id": "#j", "@type": "CreateAction", "name": "\33]0;x\7", "result": {"@id": "results/%1B%5B2J"}}
    file = {"@id": "results/%1B%5B2J", "@type": "File", "sha256": "\33[31m" + "9" * 5000}
    (tmp_path / "ro-crate-metadata.json").write_text(json.dumps({"@graph": [job, file]}))
    (tmp_path / "a\nb").write_text("")
    monkeypatch.setattr(sys, "argv", ["crate", str(tmp_path), *arguments])
    with pytest.raises(SystemExit) if not arguments else contextlib.nullcontext():
        main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 3 and all(line.isprintable() and len(line) <= 1000 for line in lines)
