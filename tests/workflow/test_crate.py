"""A finished study leaves as an RO-Crate, and is checked where nothing but the crate is."""

import base64
import shutil
import subprocess
import sys
import zipfile

import pytest

pytestmark = pytest.mark.xdist_group("finished")

CRATE = "results/tiny/crate.zip"
FIGURE, TABLE = "results/tiny/figures/steering.svg", "results/tiny/tables/steering.parquet"


def check(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "causalgrok.crate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_study_is_exported_and_checked_elsewhere(finished, tmp_path):
    assert "export_study" not in finished.planned("tiny")
    assert finished.planned(CRATE) == {"export_study": 1}
    done = finished.snakemake(CRATE, "--cores", "2")
    assert done.returncode == 0, done.stdout
    assert "Nothing to be done" in finished.snakemake(CRATE, "--cores", "2").stdout

    shutil.move(finished.folder / CRATE, tmp_path / "crate.zip")
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        archive.extractall(tmp_path / "elsewhere")
    for crate in (tmp_path / "crate.zip", tmp_path / "elsewhere"):
        done = check(crate)
        assert done.returncode == 0, done.stdout
        assert "all as they were" in done.stdout
    lines = check(tmp_path / "elsewhere", FIGURE).stdout
    for made in ("steering.parquet  collect", "steering.parquet  steer_activations", "epoch8.safetensors  train"):
        assert made in lines
    for origin in ("source.json  generate_tissue", "resolved-config.json", "seed0/run.json", '"torch": "'):
        assert origin in lines

    (tmp_path / "elsewhere" / TABLE).write_bytes(b"edited")
    done = check(tmp_path / "elsewhere")
    assert done.returncode == 1
    assert done.stdout.startswith(f"{TABLE}: it has 6 bytes, the crate says ")
    assert len(done.stdout.splitlines()) == 1


def test_a_file_without_record_is_named_and_no_crate_is_left(finished):
    record = finished.folder / ".snakemake/metadata" / base64.urlsafe_b64encode(TABLE.encode()).decode()
    kept = record.read_bytes()
    record.unlink()
    try:
        done = finished.snakemake(CRATE, "--cores", "2")
    finally:
        record.write_bytes(kept)
    assert done.returncode == 1
    assert f"{TABLE}: Snakemake has no record of how it was made" in done.stdout
    assert f"snakemake {CRATE} -R {TABLE} --cores 1" in done.stdout
    assert not (finished.folder / CRATE).exists()
