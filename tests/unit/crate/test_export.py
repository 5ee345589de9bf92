import json
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from causalgrok.crate.records import NoRecord
from causalgrok.files import sha256

RUN = "results/runs/t/r/n1/seed0"
TABLE, FIGURE = "results/s/tables/metrics.parquet", "results/s/figures/curve.svg"
ROOT = Path(__file__).parents[3]


def test_results_are_inside_and_arrays_are_named(study):
    with zipfile.ZipFile(study.export()) as archive:
        names = set(archive.namelist())
        entities = {entity["@id"]: entity for entity in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]}
        assert archive.read(TABLE) == b"table"
        assert json.loads(archive.read("resolved-config.json"))["studies"]["s"]["decay"] == 0.5
    assert {FIGURE, FIGURE.replace("svg", "pdf"), f"{RUN}/run.json", "src/causalgrok/stack.py", "Snakefile"} <= names
    assert not any(name.endswith((".safetensors", ".snakemake_timestamp")) for name in names)
    for path in (f"{RUN}/checkpoints/epoch0.safetensors", "results/data/d/train.safetensors", "images/source.csv"):
        assert entities[f"#{path}"]["sha256"] == sha256(path)
        assert entities[f"#{path}"]["contentSize"] == str(Path(path).stat().st_size)
    job = entities[f"#job/{RUN}/checkpoints/epoch0.safetensors"]
    assert job["instrument"] == {"@id": "workflow/scripts/train.py"}
    assert job["startTime"] == "1970-01-01T00:16:45.000+00:00"
    assert {entities[one["@id"]]["name"] for one in job["environment"]} > {"python", "versions"}


def test_the_library_reads_it(study):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of files that are named and left out
        crate = ROCrate(study.export())
    assert crate.mainEntity.id == "Snakefile"
    assert len(crate.get_by_type("CreateAction")) == 5
    assert len(crate.mainEntity["step"]) == len(crate.get_by_type("ControlAction")) == 4


def test_equal_results_give_equal_bytes(study):
    first = study.export().read_bytes()
    for path in study.root.rglob("*"):
        os.utime(path, (1e9, 1e9))
    assert study.export("other.zip").read_bytes() == first


def test_a_download_is_named_by_what_its_source_says(study):
    source = "results/data/wilds/source.json"
    study.write(source, json.dumps({"name": "mirror", "origin": "somebody/patches@1", "matches_official": True}))
    study.record("draw", [source], [], [])
    study.record("train", [f"{RUN}/metrics.parquet"], [source], [])
    with zipfile.ZipFile(study.export()) as archive:
        entities = {entity["@id"]: entity for entity in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]}
    assert "somebody/patches@1; it is what the official" in entities["#origin/mirror"]["description"]
    assert {"@id": "#origin/mirror"} in entities[f"#job/{source}"]["object"]


def spoil_record(study):
    for path in (study.root / ".snakemake/metadata").iterdir():
        if json.loads(path.read_text())["rule"] == "collect":
            path.unlink()


@pytest.mark.parametrize(
    ("spoil", "named", "said"),
    [
        (spoil_record, TABLE, "Snakemake has no record of how it was made"),
        (lambda study: Path(f"{RUN}/metrics.parquet").unlink(), f"{RUN}/metrics.parquet", "it is gone"),
        (lambda study: study.write(TABLE, "other"), FIGURE, f"{TABLE} has changed since it was made from it"),
        (
            lambda study: study.write("src/causalgrok/stack.py", "ORDER = 2\n"),
            TABLE,
            "it was made by other code than there is now",
        ),
    ],
    ids=["no-record", "no-file", "changed-input", "other-code"],
)
def test_what_is_not_known_is_one_line_and_no_crate(study, spoil, named, said):
    spoil(study)
    with pytest.raises(NoRecord) as caught:
        study.export()
    message = str(caught.value)
    assert message.startswith(f"{named}: {said}") and "\n" not in message
    assert message.endswith(f"snakemake results/s/crate.zip -R {named} --cores 1")
    assert not list(study.root.rglob("*crate*"))


def test_a_run_that_contradicts_its_record_is_not_exported(study):
    path = study.root / f"{RUN}/run.json"
    path.write_text(path.read_text().replace("0.5", "0.6"))
    with pytest.raises(ValueError, match=r"would be wrong: .*run\.json: its config does not have the hash it states"):
        study.export()
    assert not list(study.root.rglob("*crate*"))


def test_the_command_needs_python_alone(study, tmp_path):
    crate = study.export()
    bare = [sys.executable, "-S", "-m", "causalgrok.crate"]
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": ""}

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([*bare, *arguments], capture_output=True, text=True, cwd=tmp_path, env=environment)

    done = run(str(crate))
    assert done.returncode == 0, done.stderr
    assert "4 jobs" in done.stdout
    assert f"{TABLE}  collect" in run(str(crate), FIGURE).stdout
    with zipfile.ZipFile(crate) as archive:
        archive.extractall(tmp_path / "unpacked")
    (tmp_path / "unpacked" / TABLE).write_text("tabel")
    done = run(str(tmp_path / "unpacked"))
    assert done.returncode == 1
    assert done.stdout.startswith(f"{TABLE}: its sha256 is ") and "1 things" in done.stderr
    for arguments in ([], ["/nowhere"], [str(crate), "nothing.svg"], [str(tmp_path)]):
        done = run(*arguments)
        assert done.returncode == 1 and "Traceback" not in done.stderr
