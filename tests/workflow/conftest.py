import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).with_name("tiny.yaml")


@dataclass(frozen=True)
class Project:
    """A copy of the repository that a test may run and edit."""

    folder: Path
    library: str = "src"
    """Where the library lies in the folder."""

    def command(self, *arguments: str, overlay: Path | None = TINY) -> list[str]:
        configfile = ["--configfile", str(overlay)] if overlay else []
        return [sys.executable, "-m", "snakemake", *arguments, *configfile]

    @property
    def environment(self) -> dict[str, str]:
        # The copy's library comes before the installed one, so that a test can edit it.
        return os.environ | {"PYTHONPATH": str(self.folder / self.library)}

    def snakemake(self, *arguments: str, overlay: Path | None = TINY) -> subprocess.CompletedProcess:
        """Run Snakemake in the copy; its standard error is in `stdout`."""
        return subprocess.run(
            self.command(*arguments, overlay=overlay),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1800,
        )

    def planned(self, *arguments: str, overlay: Path | None = TINY) -> dict[str, int]:
        """How many jobs of each rule a dry run plans."""
        done = self.snakemake("-n", *arguments, overlay=overlay)
        assert done.returncode == 0, done.stdout
        table = done.stdout.rpartition("Job stats:")[2]
        counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}
        counts.pop("total", None)
        return counts


def _copy(folder: Path) -> Project:
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder / name)
    # With bytecode and known hashes, which hold until a test edits what they were made from; not what is being written.
    for name in ("src", "workflow", "profiles", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*", "code_hashes.json.*"))
    return Project(folder)


@pytest.fixture(scope="session")
def copy_project() -> Callable[[Path], Project]:
    """Makes a fresh copy in a folder."""
    return _copy


@pytest.fixture
def project(tmp_path) -> Project:
    """A fresh copy, nothing built."""
    return _copy(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """A copy in which the study `tiny` has been built with two cores."""
    project = _copy(tmp_path_factory.mktemp("finished"))
    done = project.snakemake("tiny", "--cores", "2")
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture(scope="session")
def stained(tmp_path_factory) -> Project:
    """A copy in which the study `stained`, of a task with hospitals that is drawn, has been built with two cores."""
    project = _copy(tmp_path_factory.mktemp("stained"))
    done = project.snakemake("stained", "--cores", "2", overlay=TINY.with_name("stained.yaml"))
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture(scope="session")
def plain(tmp_path_factory) -> Project:
    """A copy in which the study `plain` of tasks without hospitals has been built with two cores."""
    project = _copy(tmp_path_factory.mktemp("plain"))
    done = project.snakemake("plain", "--cores", "2", overlay=TINY.with_name("plain.yaml"))
    assert done.returncode == 0, done.stdout
    return project
