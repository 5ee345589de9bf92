"""The state of an unfinished training: taken up where it is this training's and whole, else named."""

import pytest

from causalgrok.training.resume import ResumeState

OURS = {"config": {"recipe": {"weight_decay": 0.005, "betas": [0.9, 0.98]}, "seed": 1}, "code_hash": "a", "data": {}}


def ours(**changes) -> dict:
    return OURS | changes


def test_the_latest_state_comes_back(tmp_path):
    ResumeState(tmp_path, OURS).save({"epoch": 1})
    resume = ResumeState(tmp_path, OURS)
    resume.save({"epoch": 2})
    assert ResumeState(tmp_path, OURS).load() == {"epoch": 2}
    assert sorted(path.name for path in resume.folder.iterdir()) == [
        *("checkpoints", "previous.pt", "provenance.json", "state.pt")
    ]


@pytest.mark.parametrize("damage", [b"", b"half a fi", b"x" * 5000])
def test_a_damaged_state_falls_back_to_the_one_before(tmp_path, capsys, damage):
    resume = ResumeState(tmp_path, OURS)
    resume.save({"epoch": 1})
    resume.save({"epoch": 2})
    (resume.folder / "state.pt").write_bytes(damage)
    assert resume.load() == {"epoch": 1}
    assert "state.pt is damaged; falling back" in capsys.readouterr().out


def test_one_flipped_bit_is_damage(tmp_path):
    resume = ResumeState(tmp_path, OURS)
    resume.save({"epoch": 1})
    content = bytearray((resume.folder / "state.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (resume.folder / "state.pt").write_bytes(content)
    assert resume.load() is None


def test_a_disk_that_holds_something_else_leaves_the_last_state(tmp_path, monkeypatch):
    resume = ResumeState(tmp_path, OURS)
    resume.save({"epoch": 1})
    monkeypatch.setattr("causalgrok.training.resume.write_bytes", lambda path, content: path.write_bytes(content[:-1]))
    with pytest.raises(OSError, match=r"new.pt does not hold what was written"):
        resume.save({"epoch": 2})
    assert resume.load() == {"epoch": 1}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"code_hash": "b"}, "code_hash was a and is b"),
        ({"data": {"train": "f"}}, "data.train was None and is f"),
        ({"config": OURS["config"] | {"seed": 2}}, "config.seed was 1 and is 2"),
        (
            {"config": {"recipe": {"weight_decay": 0.1, "betas": [0.9, 0.98]}, "seed": 1}},
            "config.recipe.weight_decay was 0.005 and is 0.1",
        ),
    ],
)
def test_the_state_of_another_run_is_refused_named_and_kept(tmp_path, changes, named):
    theirs = ResumeState(tmp_path, OURS)
    theirs.save({"epoch": 1})
    lines = []
    resume = ResumeState(tmp_path, ours(**changes), report=lines.append)
    assert resume.load() is None
    assert lines == [f"not resumed from {theirs.folder}: {named}"]
    assert ResumeState(tmp_path, OURS, report=lines.append).load() == {"epoch": 1}, "changed back, it goes on"


def test_a_state_of_unknown_origin_is_refused(tmp_path):
    theirs = ResumeState(tmp_path, OURS)
    (theirs.folder / "provenance.json").write_text("{")
    lines = []
    ResumeState(tmp_path, ours(code_hash="b"), report=lines.append)
    assert lines == [f"not resumed from {theirs.folder}: it does not say what it belongs to"]


def test_a_finished_run_leaves_no_state_of_anything(tmp_path):
    ResumeState(tmp_path, OURS).save({"epoch": 1})
    resume = ResumeState(tmp_path, ours(code_hash="b"), report=lambda line: None)
    resume.save({"epoch": 2})
    (resume.checkpoints / "epoch0.safetensors").write_bytes(b"weights")
    resume.finish(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]
    assert (tmp_path / "checkpoints/epoch0.safetensors").read_bytes() == b"weights"
