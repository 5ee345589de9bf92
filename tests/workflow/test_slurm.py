"""The pipeline on a real Slurm: what is lost there is made again, what is interrupted goes on, and no number changes."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import slurm
from slurm import Cluster, wait_until

HERE = Path(__file__).parent
RUN = "results/runs/tiny_long/grokking/n24/seed0"
LOG = "logs/train/tiny_long/grokking/n24/seed0.log"
ALONE = "left_alone"

pytestmark = [
    pytest.mark.xdist_group("slurm"),
    pytest.mark.skipif(bool(slurm.missing()), reason=f"no Slurm here: {', '.join(slurm.missing())} not found"),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, copy_project):
    """A copy whose data are drawn; its long run has been trained without Slurm and set aside in `left_alone`."""
    project = copy_project(tmp_path_factory.mktemp("prepared"))
    done = project.snakemake(f"{RUN}/run.json", "--cores", "2")
    assert done.returncode == 0, done.stdout
    (project.folder / RUN).rename(project.folder / ALONE)
    shutil.rmtree(project.folder / "logs")
    return project


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with slurm.running_cluster() as cluster:
        yield cluster


@dataclass
class Pipeline:
    """A Snakemake on the login node, and the copy of the repository that it works in."""

    process: subprocess.Popen
    folder: Path
    output: Path
    cluster: Cluster

    def wait(self, seconds: float = 400) -> str:
        """Wait for its end and return what it printed."""
        self.process.wait(seconds)
        return self.output.read_text()

    def wait_until(self, condition, what: str) -> None:
        """Wait until a condition holds while the pipeline runs."""

        def met() -> bool:
            held = condition()
            assert held or self.process.poll() is None, f"ended before {what}\n{self.output.read_text()}"
            return held

        wait_until(met, what)

    def training(self) -> dict[str, str]:
        """The latest job that trains."""
        return self.cluster.jobs_of_rule("train")[-1]

    def state(self) -> int:
        """When the run's state was last saved; 0 if there is none."""
        with contextlib.suppress(FileNotFoundError, IndexError):
            return list((self.folder / RUN).glob(".resume-*/state.pt"))[0].stat().st_mtime_ns
        return 0

    def wait_for_state(self) -> None:
        """Wait until the training has saved a state that it can go on from, once more than before."""
        before = self.state()
        self.wait_until(lambda: self.state() > before, "a state of the training")

    def trainers(self) -> list[int]:
        """The processes of the latest job that trains which do the training."""
        return [pid for pid in self.cluster.processes_of(self.training()) if "/scripts/" in command_line(pid)]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@pytest.fixture
def submit(prepared, cluster, tmp_path):
    """Start the pipeline on the cluster with the profile for Slurm, in a copy of what is prepared."""
    folder = tmp_path / "project"
    shutil.copytree(prepared.folder, folder)
    started = []

    def start(*arguments: str, jobs: int = 2) -> Pipeline:
        output = tmp_path / f"snakemake{len(started)}.out"
        command = [sys.executable, str(HERE / "poll_often.py"), *arguments, "--workflow-profile", "profiles/slurm"]
        # Two processors, and files that are seen at once: all else is the profile's.
        command += ["--jobs", str(jobs), "--latency-wait", "5"]
        command += ["--configfile", str(HERE / "tiny.yaml"), str(HERE / "slurm.yaml")]
        environment = cluster.environment | {"PYTHONPATH": str(folder / "src")}
        with output.open("w") as file:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=file, stderr=file, start_new_session=True
            )
        started.append(process)
        return Pipeline(process, folder, output, cluster)

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def check_numbers(pipeline: Pipeline) -> None:
    """The run is what it would have been, byte for byte, and nothing of its state is left."""
    run, alone = pipeline.folder / RUN, pipeline.folder / ALONE
    files = ["metrics.parquet", "dynamics.parquet", *(f"checkpoints/epoch{epoch}.safetensors" for epoch in (0, 80, 400))]
    for file in files:
        assert (run / file).read_bytes() == (alone / file).read_bytes(), file
    assert not list(run.glob(".*"))


def check_continued(pipeline: Pipeline, printed: str) -> None:
    """The pipeline ended well, after a training that went on from a saved state to the numbers it would have had."""
    assert pipeline.process.returncode == 0, printed
    assert "resumed after epoch" in (pipeline.folder / LOG).read_text()
    check_numbers(pipeline)


@pytest.mark.slurm
def test_a_study_goes_through_slurm(submit):
    pipeline = submit("slurm")
    printed = pipeline.wait()
    assert pipeline.process.returncode == 0, printed
    jobs = {rule: pipeline.cluster.jobs_of_rule(rule) for rule in ("train", "extract_features", "probe_layers")}
    assert all(len(of_rule) == 1 and of_rule[0]["JobState"] == "COMPLETED" for of_rule in jobs.values()), jobs
    assert len(pipeline.cluster.jobs()) == len(jobs), "tables, figures and the report are made on the login node"

    train, probe = jobs["train"][0], jobs["probe_layers"][0]
    assert (train["TresPerJob"], train["NodeList"]) == ("gres:gpu:1", "n2")
    assert (train["NumCPUs"], train["MinMemoryNode"], train["TimeLimit"]) == ("2", "8000M", "08:00:00")
    assert "TresPerJob" not in probe and probe["NumCPUs"] == "1"

    for file in ("tables/probing.parquet", "figures/probing.svg", "report.html"):
        assert (pipeline.folder / "results/slurm" / file).exists()


@pytest.mark.slurm
def test_a_cancelled_training_continues(submit):
    pipeline = submit(f"{RUN}/run.json")
    pipeline.wait_for_state()
    pipeline.cluster.cancel(pipeline.training())
    printed = pipeline.wait()
    assert [job["JobState"] for job in pipeline.cluster.jobs_of_rule("train")] == ["CANCELLED", "COMPLETED"]
    assert "SLURM status is: 'CANCELLED'" in printed
    check_continued(pipeline, printed)
