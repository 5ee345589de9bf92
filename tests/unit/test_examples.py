"""The examples run, say what is true, and need no more than they say."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from causalgrok.columns import COLUMNS, RUN
from causalgrok.tables import write_table

ROOT = Path(__file__).parents[2]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"examples/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(folder: Path, name: str, **columns: list) -> None:
    """A table with these columns as they are and zeros in all others."""
    rows = max(map(len, columns.values()))
    described = [*RUN, *(column for column in COLUMNS[name] if column not in RUN)]
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({column: columns.get(column, [0] * rows) for column in described})
    write_table(frame, folder / f"{name}.parquet", name)


def test_own_features_finds_the_planted_hospital_and_what_leans_on_it():
    example, rng = load("own_features"), np.random.default_rng(1)
    weight = np.zeros((2, 32))
    weight[1, :2] = 1.0, 0.5
    probe, test = example.made_up([0, 1, 2], rng), example.made_up([3], rng)
    left, cost = example.examine(probe, test, weight, np.array([1.5, 0.0]))
    linear = left[left["probe"] == "linear"].groupby(["target", "method"])["accuracy"].mean()
    assert linear["hospital", "none"] > 0.9 > 0.45 > linear["hospital", "leace"]
    assert linear["tumour", "none"] - linear["tumour", "leace"] < 0.05
    whole = cost[(cost["strength"] == 1) & (cost["rank"] == 2) & ~cost["centred"]].groupby("method")["accuracy"]
    assert whole.mean()["logistic"] > 0.9 > whole.max()["isotropic"]


def test_own_features_runs_without_snakemake_and_torch():
    code = "import runpy, sys; runpy.run_path('examples/own_features.py', run_name='__main__'); print([*sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *printed, modules = done.stdout.splitlines()
    assert {"causalgrok", "numpy", "pandas"} <= {*re.findall(r"'(\w+)'", modules)}
    assert not {"snakemake", "torch"} & {*re.findall(r"'(\w+)'", modules)}
    assert any(line.startswith("After LEACE the hospitals' means differ by") for line in printed)


def test_the_library_is_installed_by_pip_and_runs_alone(tmp_path):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run([*pip, "--target", str(tmp_path), str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shutil.copy(ROOT / "examples/own_features.py", tmp_path)
    code = "import causalgrok, own_features; print(causalgrok.__file__); own_features.main()"
    alone = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path}/causalgrok/__init__.py\n")
    assert "After LEACE the hospitals' means differ by" in done.stdout


def test_pandas_and_duckdb_give_the_same_answer(tmp_path):
    example = load("query_tables")
    table(
        tmp_path,
        "subspace",
        recipe=["a"] * 6,
        seed=[0, 0, 0, 1, 1, 1],
        epoch=[0, 9, 9, 9, 9, 9],
        method=["logistic", "logistic", "permuted", "logistic", "logistic", "inlp"],
        strength=[1.0, 1.0, 1.0, 1.0, 0.5, 1.0],
        split=["ood_test"] * 6,
        centred=[False] * 6,
        accuracy=[0.1, 0.5, 0.75, 0.25, 0.1, 0.1],
    )
    expected = pd.DataFrame({"recipe": ["a", "a"], "method": ["logistic", "permuted"], "accuracy": [0.375, 0.75]})
    pd.testing.assert_frame_equal(example.cost_with_pandas(tmp_path), expected)
    pd.testing.assert_frame_equal(example.cost_with_duckdb(tmp_path), expected, check_dtype=False)
    meanings = example.meanings(tmp_path / "subspace.parquet")
    assert meanings == RUN | COLUMNS["subspace"]


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", (ROOT / "docs/tables.md").read_text(), re.DOTALL))
def test_python_in_the_page_on_tables_runs(block, tmp_path, monkeypatch, capsys):
    for study, rows in (("demo", 2), ("mine", 1)):
        table(tmp_path / f"results/{study}/tables", "outcomes", final_accuracy=[0.5] * rows)
        table(tmp_path / f"results/{study}/tables", "steering", alpha=[1.0])
    monkeypatch.chdir(tmp_path)
    found: dict = {}
    exec(block.replace("duckdb.sql", "answer = duckdb.sql"), found)
    if "outcomes" in found:
        assert len(found["outcomes"]) == 2
    elif "answer" in found:
        assert found["answer"]["runs"].tolist() == [3] and found["answer"]["accuracy"].tolist() == [0.5]
    else:
        assert COLUMNS["steering"]["alpha"] in capsys.readouterr().out
