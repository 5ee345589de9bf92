"""What people are told at a start and at an end."""

import json

import pandas as pd
import pytest

from causalgrok import briefing
from causalgrok.briefing import Job, ending, failures, plan

SMALL, LARGE = "results/runs/tissue/standard/n60/seed{}", "results/runs/camelyon17/standard/n220/seed{}"


def train(seed, gpus=0, run=SMALL):
    folder = run.format(seed)
    return Job("train", folder.replace("results/runs", "benchmarks/train") + ".jsonl", folder, 2, gpus)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def timed(folder, job, seconds):
    path = folder / job.benchmark
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"s": f"{one:.4f}"}) + "\n" for one in seconds))


def test_nothing_to_do_is_not_talked_of():
    assert plan([], 2) == []


def test_what_was_never_timed_is_unknown(folder):
    todo, how_long = plan([train(0), Job("plot_demo_probing", figures=3), Job("test_claims"), Job("report")], 2)
    assert todo == "To do: 1 network to train, 3 figures, 2 other jobs."
    assert "is not known" in how_long


def test_time_is_that_of_jobs_of_the_same_kind(folder):
    timed(folder, train(0), [100, 110])
    timed(folder, train(1), [900])
    jobs = [train(2), train(3), train(0, run=LARGE), Job("plot_demo_data", "benchmarks/plot/demo/data.jsonl")]
    assert plan(jobs, 2)[1] == (
        "Expected, by jobs timed here before: 4 min on 2 cores; 2 jobs are of a kind not timed here."
    ), "220 s of two cores each, which two cores do one after the other; another task's network says nothing"
    assert plan([train(2, gpus=1)], None)[1] == "Expected, by jobs timed here before: 4 min of a core, 2 min of a GPU."


@pytest.mark.parametrize("damage", ["", "{", '{"s": null}', "[1]", '{"h:m:s": "0:00:05"}'])
def test_a_damaged_time_is_no_time(folder, damage):
    timed(folder, train(0), [])
    (folder / train(0).benchmark).write_text(damage)
    assert "is not known" in plan([train(1)], 1)[1]


def test_room_is_that_of_finished_runs_of_the_same_task(folder, monkeypatch):
    for name, size in (("run.json", 10), ("checkpoints/epoch0.safetensors", 3_000_000)):
        path = folder / SMALL.format(0) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b" " * size)
    *_, room = plan([train(1), train(2)], 1)
    assert room.startswith("Disk: about 0.006 GB for the runs, by those finished here; ") and room.endswith(
        " are free."
    )
    assert not any(line.startswith("Disk") for line in plan([train(1), train(0, run=LARGE)], 1)), "one is unknown"
    monkeypatch.setattr(briefing.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 5_000_000}))
    assert plan([train(1), train(2)], 1)[-1].endswith("0.005 GB are free: not enough.")


def test_the_end_says_what_was_found_and_where_it_lies(folder):
    tables = folder / "results/demo/tables"
    tables.mkdir(parents=True)
    (folder / "results/demo/explorer.html").touch()
    verdicts = {"a": "supported", "b": "not_run", "c": "inconclusive", "d": "not_run"}
    verdicts |= {f"x{i}": "contradicted" for i in range(7)}
    pd.DataFrame(verdicts.items(), columns=["claim", "verdict"]).to_parquet(tables / "claims.parquet")
    assert ending(["demo"]) == [
        "demo: claims: 7 contradicted, 2 not run, 1 supported, 1 inconclusive",
        "demo: supported: a",
        "demo: contradicted: x0, x1, x2, x3, x4 and 2 more",
        "demo: look at results/demo/explorer.html",
        "demo: tables in results/demo/tables, figures in results/demo/figures",
    ]
    assert ending(["other"]) == ["other: tables in results/other/tables, figures in results/other/figures"]


FAILED = """Finished jobid: 3 (Rule: train)
[Sun Nov 22 12:00:00 2026]
Error in rule pack_splits:
    message: None
    jobid: 2
    output: results/data/tissue/train.safetensors
    log: logs/pack_splits/tissue.log (check log file(s) for error details)
Error in rule pack_splits:
    jobid: 2
    log: logs/pack_splits/tissue.log (check log file(s) for error details)
Error in rule report:
    jobid: 9
    shell:
        snakemake --report
Exiting because a job execution failed.
"""


def test_a_failure_is_one_line_a_job_with_its_reason(folder):
    (folder / "logs/pack_splits").mkdir(parents=True)
    (folder / "logs/pack_splits/tissue.log").write_text("Traceback\n  ...\nOSError: No space left on device\n\n")
    (folder / "snakemake.log").write_text(FAILED)
    assert failures(folder / "snakemake.log", folder / "gone.log") == [
        "pack_splits failed: OSError: No space left on device (log: logs/pack_splits/tissue.log)",
        "report failed: it left no message",
    ]
