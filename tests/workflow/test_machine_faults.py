"""Disks that fill up or cannot be written, two pipelines in one folder, a clock that is set back: a clear end, nothing
half-written, and afterwards the results of a run that was left alone.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from causalgrok.verify import damage

RUN = "results/runs/tiny_long/grokking/n24/seed0"
SUBSET = "results/data/tiny/subsets/correlation0.0/n24/seed0.safetensors"

pytestmark = [pytest.mark.reliability, pytest.mark.xdist_group("machine")]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
needs_faketime = pytest.mark.skipif(not shutil.which("faketime"), reason="needs faketime (Debian's package)")


def snakemake(project, folder: Path, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run Snakemake in a folder; its standard error is in `stdout`."""
    command = [*before, *project.command(*arguments, "--cores", "1", "--directory", str(folder))]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(command, cwd=project.folder, env=project.environment, timeout=600, **output)


@pytest.fixture(scope="module")
def left_alone(copy_project, tmp_path_factory):
    """The project, and a folder in which a training was left alone."""
    project, folder = copy_project(tmp_path_factory.mktemp("project")), tmp_path_factory.mktemp("left_alone")
    done = snakemake(project, folder, f"{RUN}/run.json")
    assert done.returncode == 0, done.stdout
    return project, folder


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own, and a function that sets its options."""

    def mount(*options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", tmp_path], check=True)

    mount("size=60m")
    yield tmp_path, lambda option: mount("remount", option)
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def used(folder: Path) -> int:
    disk = os.statvfs(folder)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize


def assert_same(folder: Path, whole: Path) -> None:
    for name in (
        "metrics.parquet",
        "dynamics.parquet",
        "checkpoints/epoch0.safetensors",
        "checkpoints/epoch400.safetensors",
    ):
        assert (folder / RUN / name).read_bytes() == (whole / RUN / name).read_bytes(), name
    assert list(damage(folder / "results")) == []


@needs_root
@pytest.mark.parametrize("target", ["results/data/tiny/probe.safetensors", f"{RUN}/run.json"])
def test_a_full_disk_ends_with_one_line_and_goes_on_when_there_is_room(left_alone, small_disk, target):
    project, whole = left_alone
    folder, remount = small_disk
    if target.startswith(RUN):
        assert snakemake(project, folder, SUBSET, "results/data/tiny/ood_test.safetensors").returncode == 0
    remount(f"size={used(folder) // 1024 + 300}k")
    done = snakemake(project, folder, target)
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if line.startswith("OSError: ")]
    assert len(lines) == 1 and "No space left on device" in lines[0]
    assert f"make room on the disk of {folder}" in lines[0]
    assert "Traceback" not in done.stdout
    assert not (folder / target).exists()
    remount("size=60m")
    done = snakemake(project, folder, f"{RUN}/run.json")
    assert done.returncode == 0, done.stdout
    assert_same(folder, whole)


@needs_root
def test_a_disk_that_cannot_be_written_is_said_before_any_job(left_alone, small_disk):
    project, _ = left_alone
    folder, remount = small_disk
    remount("ro")
    done = snakemake(project, folder, f"{RUN}/run.json")
    assert done.returncode == 1
    last = done.stdout.strip().splitlines()[-1]
    assert last == f"{folder}/.snakemake cannot be written; make it writable, or work elsewhere with --directory FOLDER"
    assert "Traceback" not in done.stdout and not list(folder.iterdir())


def test_a_second_pipeline_in_a_folder_is_refused_and_the_first_is_not_disturbed(left_alone, tmp_path):
    project, whole = left_alone
    command = project.command(f"{RUN}/run.json", "--cores", "1", "--directory", str(tmp_path))
    options = {"cwd": project.folder, "env": project.environment, "start_new_session": True}
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    while first.poll() is None and not list((tmp_path / RUN).glob(".resume-*/state.pt")):
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGSTOP)  # so that it does not end before it can be disturbed
    second = snakemake(project, tmp_path, f"{RUN}/run.json")
    unlocked = snakemake(project, tmp_path, f"{RUN}/run.json", "--nolock")
    os.killpg(first.pid, signal.SIGCONT)
    assert second.returncode == 1
    assert "LockException" in second.stdout and "Traceback" not in second.stdout
    assert unlocked.returncode == 1
    assert f"OSError: {RUN}: another process works here; wait for it or end it" in unlocked.stdout
    assert first.wait() == 0
    assert_same(tmp_path, whole)


@needs_faketime
def test_a_clock_that_is_set_back_an_hour_is_told_before_a_training_is_lost(left_alone, tmp_path):
    """Snakemake deletes what a job has made if it is older than what it was made from."""
    project, whole = left_alone
    ahead = ("faketime", "-f", "+1h")
    assert snakemake(project, tmp_path, SUBSET, "results/data/tiny/ood_test.safetensors", before=ahead).returncode == 0
    refused = snakemake(project, tmp_path, f"{RUN}/run.json")
    assert refused.returncode == 1 and "Traceback" not in refused.stdout
    (line,) = (line for line in refused.stdout.splitlines() if line.startswith("OSError: "))
    assert "is of a time to come" in line and "epoch 0/" not in refused.stdout
    advised = line.rsplit(": ", 1)[1]
    subprocess.run(advised, cwd=tmp_path, shell=True, check=True)
    done = snakemake(project, tmp_path, f"{RUN}/run.json")
    assert done.returncode == 0, done.stdout
    assert_same(tmp_path, whole)
    again = snakemake(project, tmp_path, f"{RUN}/run.json")
    assert "Nothing to be done" in again.stdout, again.stdout
