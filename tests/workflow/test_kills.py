"""Killed at random moments, again and again, a study ends with the tables of one that was left alone."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

TRAINED = "results/runs/tiny_long/grokking/n24/seed0"
MEASURED = "results/runs/tiny/grokking/n24/seed0"
TRAINING = (f"{TRAINED}/run.json",)
MEASURING = tuple(
    f"{MEASURED}/{table}.parquet"
    for table in ("probing", "subspace", "steering", "erasure", "geometry", "counterfactual")
)

pytestmark = pytest.mark.xdist_group("kills")


@dataclass
class Victim:
    """A folder in which targets are built by a Snakemake that is killed, all its jobs with it."""

    project: object
    folder: Path
    targets: tuple[str, ...]
    log: list[str] = field(default_factory=list)

    def start(self) -> subprocess.Popen:
        command = self.project.command(*self.targets, "--cores", "2", "--directory", str(self.folder))
        options = {"cwd": self.project.folder, "env": self.project.environment, "start_new_session": True}
        return subprocess.Popen(
            command, stdout=(self.folder / "out.txt").open("w"), stderr=subprocess.STDOUT, **options
        )

    def build(self) -> float:
        """Build the targets without a kill and return the seconds it took."""
        began = time.monotonic()
        status = self.start().wait()
        assert status == 0, (self.folder / "out.txt").read_text()
        return time.monotonic() - began

    def survives(self, delay: float) -> bool:
        """Whether a Snakemake that is killed after so many seconds had already ended."""
        process = self.start()
        try:
            status = process.wait(delay)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False
        assert status == 0, (self.folder / "out.txt").read_text()
        return True


def kill_and_compare(victim: Victim, whole: Path, made: Path, seconds: float, kills: int) -> None:
    """Kill a build so often at moments drawn over its length, starting anew whenever it ends; compare every end."""
    rng, moments = np.random.default_rng(kills), []
    while len(moments) < kills:
        delay = rng.uniform(0, seconds)
        if victim.survives(delay):
            compare(victim, whole, made)
            clear(victim, made)
        else:
            moments.append(round(delay, 1))
    victim.build()
    compare(victim, whole, made)
    print(f"{kills} kills after {moments} s, of builds of {seconds:.0f} s")


def compare(victim: Victim, whole: Path, made: Path) -> None:
    """Every file under the folder `made` is, byte for byte, that of the build that was left alone."""
    expected, got = ({path.relative_to(root): path for path in files(root / made)} for root in (whole, victim.folder))
    assert expected.keys() == got.keys()
    for name, path in expected.items():
        if path.name != "run.json":  # it says how long this attempt took
            assert path.read_bytes() == got[name].read_bytes(), name
    assert not list((victim.folder / made).glob(".*")), "nothing is left over"


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def clear(victim: Victim, made: Path) -> None:
    """Remove what the targets are made of, back to the job they begin with."""
    if victim.targets == TRAINING:
        shutil.rmtree(victim.folder / made)
    for name in ("features.safetensors", *(Path(target).name for target in victim.targets)):
        (victim.folder / made / name).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def trained(copy_project, tmp_path_factory):
    """A training that was left alone, and the seconds it took."""
    return left_alone(copy_project, tmp_path_factory, TRAINING)


@pytest.fixture(scope="module")
def measured(copy_project, tmp_path_factory):
    """The same with features and interventions of a run that was trained before."""
    return left_alone(copy_project, tmp_path_factory, MEASURING)


def left_alone(copy_project, factory, targets: tuple[str, ...]) -> tuple[Victim, float]:
    whole = Victim(copy_project(factory.mktemp("project")), factory.mktemp("left_alone"), targets)
    seconds = whole.build()
    if targets == MEASURING:
        clear(whole, Path(MEASURED))
        seconds = whole.build()
    return whole, seconds


def kill_training(trained, folder: Path, kills: int) -> None:
    whole, seconds = trained
    kill_and_compare(Victim(whole.project, folder, TRAINING), whole.folder, Path(TRAINED), seconds, kills)


def kill_measuring(measured, folder: Path, kills: int) -> None:
    whole, seconds = measured
    shutil.copytree(whole.folder, folder, dirs_exist_ok=True)
    victim = Victim(whole.project, folder, MEASURING)
    clear(victim, Path(MEASURED))
    kill_and_compare(victim, whole.folder, Path(MEASURED), seconds, kills)


@pytest.mark.reliability
def test_three_kills_of_a_training(trained, tmp_path):
    kill_training(trained, tmp_path, 3)


@pytest.mark.reliability
def test_two_kills_of_the_measurements(measured, tmp_path):
    kill_measuring(measured, tmp_path, 2)


@pytest.mark.reliability
def test_thirty_kills_of_a_training(trained, tmp_path):
    kill_training(trained, tmp_path, 30)


@pytest.mark.reliability
def test_ten_kills_of_the_measurements(measured, tmp_path):
    kill_measuring(measured, tmp_path, 10)
