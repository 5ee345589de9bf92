"""Bad input ends in a line before any job; a killed training ends like one that was left alone."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

# One worker builds the small study for all tests that use it.
pytestmark = pytest.mark.xdist_group("finished")

RUN = "results/runs/tiny_long/grokking/n24/seed0"

BAD = {
    "unknown key": (
        "recipes: {grokking: {weight_decai: 1}}",
        "recipes.grokking.weight_decai: unknown key; did you",
    ),
    "wrong type": (
        "tasks: {tissue: {schedule: {epochs: yes}}}",
        "tasks.tissue.schedule.epochs: True: should be a",
    ),
    "negative n": (
        "studies: {demo: {runs: [{task: tissue, recipes: [standard], n: [-3], seeds: [0]}]}}",
        "studies.demo.runs[0].n[0]: -3: should be greater than or equal to 1",
    ),
    "unknown recipe": (
        "studies: {demo: {runs: [{task: tissue, recipes: [standart], n: [30], seeds: [0]}]}}",
        "studies.demo.runs[0].recipes[0]: 'standart' is not one of recipes: did you mean 'standard'?",
    ),
    "too large n": (
        "studies: {demo: {runs: [{task: tissue, recipes: [standard], n: [9000], seeds: [0]}]}}",
        "studies.demo.runs[0].n[0]: n = 9000 at label-hospital correlation",
    ),
    "no runs": (
        "studies: {demo: {runs: []}}",
        "studies.demo.runs: is empty; name runs, or what is planted or calibrated",
    ),
    "missing data root": (
        "data_root: /nowhere",
        "data_root: data root /nowhere is not a folder; expected /nowhere",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_before_any_job(finished, tmp_path, name):
    text, message = BAD[name]
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text)
    done = finished.snakemake("demo", "--cores", "2", overlay=overlay)
    lines = [line for line in done.stdout.splitlines() if line.startswith("config: ")]
    assert done.returncode == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"config: {message}")
    assert f"({overlay} line 1)" in lines[0]
    assert "Traceback" not in done.stdout
    assert not (finished.folder / "results/demo").exists()


def train(project, folder: Path) -> list[str]:
    return project.command(f"{RUN}/run.json", "--cores", "1", "--directory", str(folder))


@pytest.mark.xdist_group("killed")
def test_a_killed_training_ends_like_an_uninterrupted_one(project, tmp_path_factory):
    left_alone, killed = tmp_path_factory.mktemp("left_alone"), tmp_path_factory.mktemp("killed")
    options = {"cwd": project.folder, "env": project.environment, "stdout": subprocess.DEVNULL}
    subprocess.run(train(project, left_alone), check=True, stderr=subprocess.DEVNULL, **options)

    log = killed / "logs/train/tiny_long/grokking/n24/seed0.log"
    for attempt in range(2):
        process = subprocess.Popen(train(project, killed), start_new_session=True, stderr=subprocess.DEVNULL, **options)
        state = next_state(killed, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert state, f"attempt {attempt} ended before it could be killed"
        assert not (killed / RUN / "run.json").exists()

    done = subprocess.run(train(project, killed), stderr=subprocess.STDOUT, **options | {"stdout": subprocess.PIPE})
    assert done.returncode == 0, done.stdout
    assert "resumed after epoch" in log.read_text()
    files = [
        "metrics.parquet",
        "dynamics.parquet",
        *(f"checkpoints/epoch{epoch}.safetensors" for epoch in (0, 80, 400)),
    ]
    for file in files:
        assert (killed / RUN / file).read_bytes() == (left_alone / RUN / file).read_bytes(), file
    assert not list((killed / RUN).glob(".*")), "nothing is left over"


def next_state(folder: Path, process: subprocess.Popen) -> bool:
    """Wait until the run has saved a state since now; False if it ended first."""
    began = time.time()
    while process.poll() is None:
        states = list((folder / RUN).glob(".resume-*/state.pt"))
        if states and states[0].stat().st_mtime > began:
            return True
        time.sleep(0.05)
    return False
