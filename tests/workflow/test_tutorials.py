"""Every tutorial, from its first file to its check, in one copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tutorials import apply, steps

pytestmark = pytest.mark.xdist_group("tutorials")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/tutorials"
LISTED = re.findall(r"^\d+\. \[.*?\]\((\w+)\.md\)", (FOLDER / "README.md").read_text(), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory, copy_project):
    """A copy with what the tutorials read besides the pipeline itself."""
    project = copy_project(tmp_path_factory.mktemp("tutorials"))
    for name in ("docs", "tests/unit/interventions"):
        shutil.copytree(ROOT / name, project.folder / name, ignore=shutil.ignore_patterns("__pycache__", "images"))
    for name in ("README.md", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, project.folder / name)
    return project


def test_all_tutorials_are_listed():
    assert sorted([*LISTED, "README"]) == sorted(path.stem for path in FOLDER.glob("*.md"))


def test_what_tutorials_write_is_in_the_projects_style(tmp_path, copy_project):
    project = copy_project(tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "docs/tutorials", tmp_path / "docs/tutorials")
    for name in LISTED:
        for step in steps((FOLDER / f"{name}.md").read_text()):
            if step.path:
                apply(step, project.folder)
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["snakefmt", "--check", "workflow"]):
        done = subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", LISTED)
def test_a_tutorial_does_what_it_says(scratch, name):
    todo = [*steps((FOLDER / f"{name}.md").read_text())]
    assert todo[-1].language == "bash", "it ends with a check"
    for step in todo:
        if step.path:
            apply(step, scratch.folder)
            continue
        path = f"{Path(sys.executable).parent}:{scratch.environment['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", step.text],
            cwd=scratch.folder,
            env=scratch.environment | {"PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{step.text}\n{done.stdout}\n{done.stderr}"
