import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from causalgrok.arrays import write_arrays
from causalgrok.files import sha256
from causalgrok.tables import write_table
from causalgrok.verify import damage

ROW = {"epoch": 0, "split": "train", "effective_rank": 2.5, "participation_ratio": 2.0, "feature_norm": 1.0}


@pytest.fixture
def results(tmp_path):
    write_arrays({"inputs": np.arange(9)}, tmp_path / "data/train.safetensors")
    write_table(pd.DataFrame([ROW]), tmp_path / "run/geometry.parquet", "geometry")
    data = {str(tmp_path / "data/train.safetensors"): sha256(tmp_path / "data/train.safetensors")}
    (tmp_path / "run/run.json").write_text(json.dumps({"data": data}))
    (tmp_path / "run/.resume-1").mkdir()
    (tmp_path / "run/.resume-1/state.pt").write_bytes(b"")
    return tmp_path


def test_a_good_tree_has_no_damage(results):
    assert list(damage(results)) == []


@pytest.mark.parametrize("file", ["data/train.safetensors", "run/geometry.parquet", "run/run.json"])
def test_what_was_cut_short_is_named(results, file):
    path = results / file
    path.write_bytes(path.read_bytes()[:-3])
    lines = list(damage(results))
    assert lines[0].startswith(f"{path} is damaged") or lines[-1].startswith(f"{path} is damaged")


def test_data_that_changed_after_training_are_told(results):
    write_arrays({"inputs": np.arange(8)}, results / "data/train.safetensors")
    (line,) = damage(results)
    assert "train.safetensors is not what the run was made from" in line
    assert line.endswith("snakemake " + str(results / "run/run.json") + " --cores 1")


def test_data_named_from_a_folder_above_are_found(results):
    (digest,) = json.loads((results / "run/run.json").read_text())["data"].values()
    (results / "run/run.json").write_text(json.dumps({"data": {"data/train.safetensors": digest}}))
    assert list(damage(results / "run")) == []
    (results / "data/train.safetensors").unlink()
    (line,) = damage(results / "run")
    assert "data/train.safetensors, which the run was made from, is gone" in line


def test_the_command_ends_with_a_count(results):
    command = [sys.executable, "-m", "causalgrok.verify", str(results)]
    assert subprocess.run(command).returncode == 0
    (results / "run/geometry.parquet").write_bytes(b"")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "1 of 4 files" in done.stderr
    assert "Traceback" not in done.stderr
    done = subprocess.run([*command[:-1], "/nowhere"], capture_output=True, text=True)
    assert "/nowhere is not a folder" in done.stderr
