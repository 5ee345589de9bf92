"""The pipeline as a module of somebody else's workflow: docs/reuse.md."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

TINY = Path(__file__).with_name("tiny.yaml")

OUTER = """
configfile: "theirs.yaml"


module causalgrok:
    snakefile:
        "pipeline/Snakefile"
    config:
        config["causalgrok"]
{place}


use rule * from causalgrok as causalgrok_*


rule all:
    input:
        "runs.txt",
    default_target: True


rule count:
    input:
        table="{folder}results/small/tables/outcomes.parquet",
        report="{folder}results/small/report.html",
    output:
        "runs.txt",
    script:
        "count.py"
"""

COUNT = """
import pandas as pd

rows = len(pd.read_parquet(snakemake.input.table))
open(snakemake.output[0], "w").write(f"{rows} run")
"""

SMALL = {
    "description": "A study of theirs.",
    "runs": [{"task": "tiny", "recipes": ["standard"], "n": [24], "seeds": [0]}],
    "tables": ["metrics", "dynamics"],
    "figures": ["trajectories"],
}


PROFILE = ("--workflow-profile", "pipeline/profiles/default")


def write(outer, *, place: str = "", folder: str = "", **changed: object) -> None:
    """Their Snakefile, and their config, which has keys of their own."""
    overlay = yaml.safe_load(TINY.read_text()) | {"studies": {"small": SMALL}, "build": ["small"]} | changed
    (outer.folder / "theirs.yaml").write_text(yaml.safe_dump({"causalgrok": overlay, "samples": ["a", "b"]}))
    (outer.folder / "Snakefile").write_text(OUTER.format(place=place, folder=folder))
    (outer.folder / "count.py").write_text(COUNT)


@pytest.fixture
def outer(tmp_path, copy_project):
    """Somebody else's folder, with a copy of ours in its folder `pipeline`."""
    (tmp_path / "pipeline").mkdir()
    return replace(copy_project(tmp_path / "pipeline"), folder=tmp_path, library="pipeline/src")


def test_a_study_is_built_below_a_prefix_and_read_by_their_rule(outer):
    write(outer, place='    prefix:\n        "grok"', folder="grok/")
    done = outer.snakemake("--cores", "2", *PROFILE, overlay=None)
    assert done.returncode == 0, done.stdout
    assert (outer.folder / "runs.txt").read_text() == "1 run"
    assert "OOD accuracy over training" in (outer.folder / "grok/results/small/report.html").read_text()
    assert (outer.folder / "grok/logs/train/tiny/standard/n24/seed0.log").exists()
    assert not (outer.folder / "results").exists() and not (outer.folder / "pipeline/results").exists()
    assert "Nothing to be done" in outer.snakemake("--cores", "2", *PROFILE, overlay=None).stdout


def test_every_study_is_planned_as_it_is_alone(outer):
    write(outer)
    alone = replace(outer, folder=outer.folder / "pipeline", library="src").planned("demo", overlay=None)
    planned = outer.planned("causalgrok_demo", *PROFILE, overlay=None)
    assert planned == {f"causalgrok_{rule}": count for rule, count in alone.items()}
    assert planned["causalgrok_train"] == 7


def test_their_mistake_is_one_line_before_any_job(outer):
    write(outer, recipes={"heavy": {"weight_decay": "much"}})
    done = outer.snakemake("--cores", "1", *PROFILE, overlay=None)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "config: recipes.heavy.weight_decay: 'much': should be a valid number\n" in done.stdout
