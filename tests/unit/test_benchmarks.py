"""The benchmarks run and say what they promise, at sizes that prove nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from causalgrok.validation import check_config

BENCH = Path(__file__).parents[2] / "bench"
SMALL = {
    "pooled_interventions": (["--images", "40", "--passes", "1", "--repeats", "1"], r"ratio +\d+"),
    "saving": (["--epochs", "1", "--repeats", "1"], r"by default +-?[\d.]+% of the time"),
    "memory": (["--scale", "0.03", "--width", "4"], r"extract_features +[\d.]+ GB computed"),
    "mnist": (["--steps", "5", "--repeats", "1", "--test-images", "100"], r"ours to usual +[\d.]+ times"),
    "grokfast": (["--rounds", "1", "--repeats", "1"], r"(?s)ResNet-18.+added +-?[\d.]+ %.+MLP.+added +-?[\d.]+ %"),
    "probing": (
        ["--checkpoints", "2", "--compared", "1", "--images", "300", "--tolerated", "1"],
        r"ratio +[\d.]+ times",
    ),
    "resnet": (["--steps", "1", "--repeats", "1", "--runs", "1"], r"side by side, to usual +[\d.]+ times"),
    "transformer": (
        ["--seconds", "0", "--repeats", "1"],
        r"(?s)modular\n.+modular_division\n.+transformer_f0\n.+ours to usual +[\d.]+ times.+products of ours +[\d.]+ %",
    ),
    "growth": (["--sizes", "2", "--repeats", "1", "--images", "200"], r"planning +grows with runs to the -?[\d.]+"),
    "demo_profile": (["--benchmarks", "{folder}"], r"all +1 +2\.0 +[\d.]+ +\(\d+% of it importing\)"),
    "planning": (["--runs", "10"], r"10 runs +\d+ jobs +[\d.]+ s +\d+ MB"),
}


def test_every_benchmark_is_tried():
    assert {path.stem for path in BENCH.glob("[!_]*.py")} == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs(name, tmp_path):
    (tmp_path / "collect").mkdir()
    (tmp_path / "collect/metrics.jsonl").write_text('{"s": 2.0, "max_rss": 100.0}\n')
    options, said = SMALL[name]
    done = subprocess.run(
        [sys.executable, str(BENCH / f"{name}.py"), *(option.format(folder=tmp_path) for option in options)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=BENCH.parent,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(said, done.stdout), done.stdout


def test_the_study_of_precision_changes_the_precision_alone():
    raw, overlay = (yaml.safe_load((BENCH / path).read_text()) for path in ("../config.yaml", "precision.yaml"))
    raw["tasks"] |= overlay["tasks"]
    raw["studies"] |= overlay["studies"]
    config = check_config(raw)
    for name in overlay["tasks"]:
        plain = config.tasks[name.removesuffix("_bfloat16")]
        assert plain.precision == "float32" and config.tasks[name] == plain.model_copy(update={"precision": "bfloat16"})
