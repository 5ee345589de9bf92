"""The pipeline on a real Slurm: what is lost is made again, what is interrupted goes on, and no number changes."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import slurm
from slurm import Cluster, wait_until

HERE = Path(__file__).parent
RUN = "results/runs/tiny_long/grokking/n24/seed0"
LOG = "logs/train/tiny_long/grokking/n24/seed0.log"
SPLIT = "results/data/tiny/id_val.safetensors"
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

    def wait(self, seconds: float = 1800) -> str:
        """Wait for its end and return what it printed."""
        self.process.wait(seconds)
        return self.output.read_text()

    def wait_until(self, condition, what: str) -> None:
        """Wait until a condition holds while the pipeline runs."""

        def met() -> bool:
            held = condition()
            assert held or self.process.poll() is None, f"ended before {what}\n{self.output.read_text()}"
            return held

        wait_until(met, what, seconds=900)

    def training(self) -> dict[str, str]:
        """The latest job that trains."""
        return self.cluster.jobs_of_rule("train")[-1]

    def state(self) -> int:
        """When the run's state was last saved; 0 if there is none."""
        with contextlib.suppress(FileNotFoundError):
            return max((path.stat().st_mtime_ns for path in (self.folder / RUN).glob(".resume-*/state.pt")), default=0)
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

    def start(*arguments: str, before: Callable[[Path], None] | None = None) -> Pipeline:
        if before:
            before(folder)
        output = tmp_path / f"snakemake{len(started)}.out"
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, str(HERE / "poll_often.py"), *arguments]
        command += ["--workflow-profile", "profiles/slurm"]
        # Two processors, and files that are seen at once: all else is the profile's.
        command += ["--jobs", "2", "--latency-wait", "5"]
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
    checkpoints = {path.relative_to(run) for path in run.glob("checkpoints/epoch*.safetensors")}
    assert checkpoints == {path.relative_to(alone) for path in alone.glob("checkpoints/epoch*.safetensors")} != set()
    for file in ["metrics.parquet", "dynamics.parquet", *checkpoints]:
        assert (run / file).read_bytes() == (alone / file).read_bytes(), file
    assert not list(run.glob(".*"))


def check_continued(pipeline: Pipeline, printed: str) -> None:
    """The pipeline ended well, after a training that went on from a saved state to the numbers it would have had."""
    assert pipeline.process.returncode == 0, printed
    assert "resumed after epoch" in (pipeline.folder / LOG).read_text()
    check_numbers(pipeline)


def states(cluster: Cluster) -> list[str]:
    """What became of each job that trained, in their order."""
    return [job["JobState"] for job in cluster.jobs_of_rule("train")]


@pytest.mark.slurm
def test_a_study_goes_through_slurm(submit):
    pipeline = submit("results/slurm/figures/probing.svg")
    printed = pipeline.wait()
    assert pipeline.process.returncode == 0, printed
    jobs = {rule: pipeline.cluster.jobs_of_rule(rule) for rule in ("train", "extract_features", "probe_layers")}
    assert all(len(of_rule) == 1 and of_rule[0]["JobState"] == "COMPLETED" for of_rule in jobs.values()), jobs
    assert len(pipeline.cluster.jobs()) == len(jobs), "tables and figures are made on the login node"

    train, probe = jobs["train"][0], jobs["probe_layers"][0]
    assert (train["TresPerJob"], train["NodeList"]) == ("gres:gpu:1", "n2")
    assert (train["NumCPUs"], train["MinMemoryNode"], train["TimeLimit"]) == ("2", "8000M", "08:00:00")
    assert "TresPerJob" not in probe and probe["NumCPUs"] == "1"
    assert (pipeline.folder / "results/slurm/figures/probing.svg").exists()


@pytest.mark.slurm
def test_a_cancelled_training_continues(submit):
    pipeline = submit(f"{RUN}/run.json")
    pipeline.wait_for_state()
    pipeline.cluster.cancel(pipeline.training())
    printed = pipeline.wait()
    assert states(pipeline.cluster) == ["CANCELLED", "COMPLETED"]
    assert "SLURM status is: 'CANCELLED'" in printed
    check_continued(pipeline, printed)


@pytest.mark.reliability
@pytest.mark.xdist_group("finished")
def test_every_rule_goes_through_slurm_and_no_number_changes(finished, submit):
    pipeline = submit("tiny")
    printed = pipeline.wait()
    assert pipeline.process.returncode == 0, printed
    assert {job["JobState"] for job in pipeline.cluster.jobs().values()} == {"COMPLETED"}
    tables = [path.relative_to(finished.folder) for path in (finished.folder / "results/tiny/tables").glob("*.parquet")]
    assert tables
    for table in tables:
        assert (pipeline.folder / table).read_bytes() == (finished.folder / table).read_bytes(), table
    assert (pipeline.folder / "results/tiny/report.html").exists()


@pytest.mark.reliability
def test_thirty_cancellations_of_a_training(submit):
    moments, rounds = random.Random(0), 0
    while True:
        pipeline = submit(f"{RUN}/run.json", "--retries", "40")
        cancel_again_and_again(pipeline, 30, moments)
        printed, rounds = pipeline.wait(), rounds + 1
        assert pipeline.process.returncode == 0, printed
        check_numbers(pipeline)
        if states(pipeline.cluster).count("CANCELLED") >= 30:
            break
        shutil.rmtree(pipeline.folder / RUN)
    assert states(pipeline.cluster).count("COMPLETED") == rounds
    assert set(states(pipeline.cluster)) == {"CANCELLED", "COMPLETED"}
    attempts = [path.read_text() for path in (pipeline.folder / "logs/slurm/rule_train").rglob("*.log")]
    assert sum("resumed after epoch" in attempt for attempt in attempts) > 5


def cancel_again_and_again(pipeline: Pipeline, kills: int, moments: random.Random) -> None:
    """Cancel the job that trains, until the pipeline has ended or the cluster has seen so many cancellations.

    By turns while it starts, or somewhere in the training of the second after a state has been saved.
    """
    while states(pipeline.cluster).count("CANCELLED") < kills:
        early, before = moments.random() < 0.5, pipeline.state()

        def cancellable(early=early, before=before) -> bool:
            if pipeline.process.poll() is not None:
                return True
            return states(pipeline.cluster)[-1:] == ["RUNNING"] and (early or pipeline.state() > before)

        wait_until(cancellable, "a training to cancel", seconds=900)
        time.sleep(moments.uniform(0, 8 if early else 1))
        if pipeline.process.poll() is not None:
            return
        job = pipeline.training()
        pipeline.cluster.cancel(job)
        wait_until(lambda job=int(job["JobId"]): pipeline.cluster.jobs()[job]["JobState"] != "RUNNING", "a job's end")


@pytest.mark.reliability
def test_a_training_that_dies_is_reported_and_continued(submit):
    pipeline = submit(f"{RUN}/run.json")
    pipeline.wait_for_state()
    for pid in pipeline.trainers():
        os.kill(pid, signal.SIGKILL)
    printed = pipeline.wait()
    assert states(pipeline.cluster) == ["FAILED", "COMPLETED"]
    assert "SLURM status is: 'FAILED'" in printed
    check_continued(pipeline, printed)


@pytest.mark.reliability
def test_a_job_that_always_fails_is_reported_with_its_log(submit):
    pipeline = submit(f"{RUN}/run.json", "--retries", "1", before=lambda folder: damage(folder / SPLIT))
    printed = pipeline.wait()
    assert pipeline.process.returncode == 1
    assert states(pipeline.cluster) == ["FAILED", "FAILED"]
    assert f"{SPLIT} is damaged" in printed
    assert not (pipeline.folder / RUN / "run.json").exists()


def damage(file: Path) -> None:
    """Change one byte of a file, not its time."""
    modified, content = file.stat().st_mtime_ns, bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(modified, modified))


@pytest.mark.reliability
def test_a_training_out_of_time_gets_more_and_continues(submit):
    pipeline = submit(f"{RUN}/run.json", "--set-resources", "train:runtime=attempt")
    pipeline.wait_for_state()
    for pid in pipeline.trainers():
        os.kill(pid, signal.SIGSTOP)
    printed = pipeline.wait()
    assert states(pipeline.cluster) == ["TIMEOUT", "COMPLETED"]
    assert [job["TimeLimit"] for job in pipeline.cluster.jobs_of_rule("train")] == ["00:01:00", "00:02:00"]
    check_continued(pipeline, printed)


@pytest.mark.reliability
def test_a_training_on_a_lost_node_continues_on_another(submit):
    pipeline = submit(f"{RUN}/run.json")
    pipeline.wait_for_state()
    node = pipeline.training()["BatchHost"]
    pipeline.cluster.kill_node(node)
    printed = pipeline.wait()
    check_continued(pipeline, printed)
    (job,) = pipeline.cluster.jobs_of_rule("train")
    assert (job["Restarts"], job["JobState"]) == ("1", "COMPLETED"), "Slurm starts it again itself"
    assert job["BatchHost"] != node


@pytest.mark.reliability
def test_a_preempted_training_continues(submit):
    pipeline = submit(f"{RUN}/run.json")
    pipeline.wait_for_state()
    node = pipeline.training()["BatchHost"]
    pipeline.cluster.submit("--partition=urgent", "--exclusive", f"--nodelist={node}", "--wrap=sleep 3600")
    printed = pipeline.wait()
    check_continued(pipeline, printed)
    (job,) = pipeline.cluster.jobs_of_rule("train")
    assert (job["Restarts"], job["JobState"]) == ("1", "COMPLETED"), "Slurm starts it again itself"


@pytest.mark.reliability
def test_a_restart_of_the_controller_goes_unnoticed(submit):
    pipeline = submit(f"{RUN}/run.json")
    pipeline.wait_for_state()
    pipeline.cluster.kill_controller()
    pipeline.wait_until((pipeline.folder / RUN / "run.json").exists, "the end of the training")
    pipeline.cluster.start_controller()
    printed = pipeline.wait()
    assert pipeline.process.returncode == 0, printed
    assert states(pipeline.cluster) == ["COMPLETED"]
    check_numbers(pipeline)


@pytest.mark.reliability
def test_an_interrupted_pipeline_cancels_its_jobs_and_goes_on_when_started_again(submit):
    pipeline = submit(f"{RUN}/run.json")
    pipeline.wait_for_state()
    pipeline.process.send_signal(signal.SIGINT)
    pipeline.wait()
    wait_until(lambda: states(pipeline.cluster) == ["CANCELLED"], "the end of the job")
    again = submit(f"{RUN}/run.json")
    check_continued(again, again.wait())


@pytest.mark.reliability
def test_a_killed_pipeline_leaves_its_job_which_is_not_made_twice_at_once(submit):
    killed = submit(f"{RUN}/run.json")
    killed.wait_for_state()
    killed.process.kill()
    killed.process.wait()
    refused = submit(f"{RUN}/run.json")
    printed = refused.wait()
    assert refused.process.returncode == 1
    assert "Directory cannot be locked" in printed
    wait_until(lambda: states(killed.cluster) == ["COMPLETED"], "the end of the job", seconds=900)
    again = submit(f"{RUN}/run.json")
    printed = again.wait()
    assert again.process.returncode == 0, printed
    assert "Nothing to be done" in printed
    assert states(again.cluster) == ["COMPLETED"], "one job in all"
    check_numbers(again)


@pytest.mark.reliability
def test_a_cluster_that_knows_only_gres_gets_gres(submit):
    resources = ("--set-resources", "train:gpu=0", "train:gres='gpu:1'")
    pipeline = submit("results/runs/slurm/grokking/n24/seed0/run.json", *resources)
    printed = pipeline.wait()
    assert pipeline.process.returncode == 0, printed
    (job,) = pipeline.cluster.jobs_of_rule("train")
    assert (job["TresPerNode"], job["NodeList"]) == ("gres:gpu:1", "n2")
