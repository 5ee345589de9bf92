import pytest

from causalgrok.crate.chain import chain
from causalgrok.crate.checks import problems
from causalgrok.crate.metadata import read_crate

RUN = "results/runs/t/r/n1/seed0"
TRAIN = "results/data/d/train.safetensors"
TABLE, FIGURE = "results/s/tables/metrics.parquet", "results/s/figures/curve.svg"
PDF = "results/s/figures/curve.pdf"
NO_HASH = "its config does not have the hash it states"


def lines(unpacked) -> list[str]:
    return list(problems(read_crate(unpacked.folder)))


def test_a_whole_crate_has_no_problems(unpacked):
    assert lines(unpacked) == []


def test_an_edited_table_is_named(unpacked):
    (unpacked.folder / TABLE).write_text("tabel")
    (line,) = lines(unpacked)
    assert line.startswith(f"{TABLE}: its sha256 is ")
    (unpacked.folder / TABLE).write_text("longer")
    (line,) = lines(unpacked)
    assert line.startswith(f"{TABLE}: it has 6 bytes, the crate says 5")


def test_a_missing_file_is_named(unpacked):
    (unpacked.folder / FIGURE).unlink()
    assert lines(unpacked) == [f"{FIGURE}: the crate names it, and does not hold it"]


def test_a_file_too_many_is_named(unpacked):
    (unpacked.folder / "src/causalgrok/extra.py").write_text("")
    assert lines(unpacked) == ["src/causalgrok/extra.py: it is in the crate, which does not name it"]


@pytest.mark.parametrize("target", ["/etc/passwd", "Snakefile", "."])
def test_a_link_is_named_and_not_followed(unpacked, target):
    (unpacked.folder / "results/link").symlink_to(target)
    assert lines(unpacked) == ["results/link: it is a link; a crate holds files alone"]


def test_a_broken_chain_is_named_on_both_sides(unpacked):
    unpacked.edit(lambda entities: entities.pop(f"#job/{TABLE}"))
    assert lines(unpacked) == [f"{TABLE}: no job made it", f"{PDF}: it was made from {TABLE}, which no job made"]


def test_a_source_without_description_is_named(unpacked):
    unpacked.edit(lambda entities: entities.pop("#images/source.csv"))
    assert lines(unpacked) == [f"{TRAIN}: it was made from images/source.csv, which the crate does not name"]


def test_a_circle_is_named(unpacked):
    unpacked.edit(lambda entities: entities[f"#job/{TRAIN}"]["object"].append({"@id": TABLE}))
    (line,) = lines(unpacked)
    assert line.endswith("it comes from itself")


def test_results_of_two_jobs_are_named(unpacked):
    def claim(entities):
        entities[f"#job/{TABLE}"]["result"] = [{"@id": TABLE}, {"@id": FIGURE}]

    unpacked.edit(claim)
    assert f"{FIGURE}: two jobs made it" in lines(unpacked)


@pytest.mark.parametrize(
    ("path", "old", "new", "hit"),
    [
        (
            "src/causalgrok/stack.py",
            "ORDER = 1",
            "ORDER = 2",
            {f"{TABLE} (collect)", f"{PDF} (plot)"},
        ),
        ("src/causalgrok/stack.py", "Stack.", "Pile.", set()),
        ("src/causalgrok/plotting/curve.py", "$", "A = 1\n", {f"{PDF} (plot)"}),
        ("src/causalgrok/models/net.py", "2", "3", {f"{RUN}/checkpoints/epoch0.safetensors (train)"}),
        ("src/causalgrok/models/net.py", "2", "(", {f"{RUN}/checkpoints/epoch0.safetensors (train)"}),
        ("workflow/scripts/draw.py", "$", "A = 1\n", {f"{TRAIN} (draw)"}),
        ("workflow/scripts/unused.py", "$", "A = 1\n", set()),
    ],
    ids=["behaviour", "docstring", "found-at-run-time", "network", "no-python", "script", "unused"],
)
def test_edited_code_is_told_from_an_edited_comment(unpacked, path, old, new, hit):
    unpacked.rewrite(path, old, new)
    assert {line.partition(": it")[0] for line in lines(unpacked)} == hit


def test_a_job_without_code_is_named(unpacked):
    unpacked.edit(lambda entities: entities[f"#job/{TABLE}"].update(instrument={"@id": "workflow/scripts/unused.py"}))
    assert lines(unpacked) == [f"{TABLE}: the crate does not say what code made it"]


@pytest.mark.parametrize("start", ["../../project/secret.py", "/etc/passwd", "src/causalgrok/../../../x.py"])
def test_code_is_read_inside_the_crate_alone(unpacked, start):
    def lead_out(entities):
        code = next(e for e in entities.values() if e.get("name") == "code hash" and "collect" in str(e))
        code["valueReference"] = [{"@id": "workflow/scripts/collect.py"}, {"@id": start}]

    unpacked.edit(lead_out)
    assert lines(unpacked) == [f"{TABLE} (collect): its code is not in the crate"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '"decay": 0.5',
            '"decay": 0.6',
            [NO_HASH, "its config is not what its job"],
        ),
        ('"config_hash": "..', '"config_hash": "zz', [NO_HASH]),
        ('"code_hash": "..', '"code_hash": "zz', ["it states code zz"]),
        (r'safetensors": "..', 'safetensors": "zz', [f"{TRAIN} is not what the run was made from"]),
    ],
)
def test_a_run_that_contradicts_its_job_is_named(unpacked, old, new, said):
    unpacked.rewrite(f"{RUN}/run.json", old, new)
    found = lines(unpacked)
    assert len(found) == len(said)
    for line, start in zip(found, said, strict=True):
        assert line.startswith(f"{RUN}/run.json: {start}")


def test_left_out_data_are_those_of_the_run(unpacked):
    unpacked.edit(lambda entities: entities[f"#{TRAIN}"].update(sha256="0" * 64))
    assert lines(unpacked) == [f"{RUN}/run.json: {TRAIN} is not what the run was made from"]


def test_a_crate_without_config_is_named(unpacked):
    unpacked.edit(lambda entities: entities["#run"].pop("object"))
    assert "resolved-config.json: the crate does not say what the study was planned with" in lines(unpacked)


def test_the_chain_of_a_figure_ends_in_code_config_data_and_environment(unpacked):
    text = "\n".join(chain(read_crate(unpacked.folder), PDF))
    order = ["curve.pdf  plot", f"{TABLE}  collect", f"{RUN}/metrics.parquet  train", f"{TRAIN}  draw"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    assert "workflow/scripts/plot.py, src/causalgrok/plotting/curve.py" in text
    assert "images/source.csv  was there before" in text
    assert "resolved-config.json" in text and f"{RUN}/run.json" in text
    assert "requirements.lock" in text and "python: 3.11" in text and "torch==1" in text
    with pytest.raises(ValueError, match=r"nothing\.svg: the crate does not name it"):
        list(chain(read_crate(unpacked.folder), "nothing.svg"))
