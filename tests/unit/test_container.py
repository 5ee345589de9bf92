"""The container recipe holds what the lock pins, and nothing that is not pinned."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPE = (ROOT / "Dockerfile").read_text()


def test_only_the_lock_goes_in_and_only_what_its_hashes_allow():
    assert re.findall(r"^COPY (\S+) \S+$", RECIPE, flags=re.MULTILINE) == ["requirements.lock"]
    assert (ROOT / ".dockerignore").read_text().split() == ["*", "!requirements.lock"]
    installs = re.findall(r"(?:pip install|pip sync|apt-get install|conda install)[^&\n]*", RECIPE)
    assert installs[0].split()[-1] == "uv", "it stays behind in the stage that builds"
    assert all("--require-hashes" in command and "requirements.lock" in command for command in installs[1:])
    assert len(installs) == 2


def test_the_last_stage_has_the_python_of_the_lock_and_only_what_was_installed():
    python = re.search(r"--python-version (\S+)", (ROOT / "Makefile").read_text())[1]
    assert set(re.findall(r"^FROM (\S+)", RECIPE, flags=re.MULTILINE)) == {f"python:{python}-slim"}
    last = RECIPE.rpartition("\nFROM ")[2].splitlines()[1:]
    assert [line.split()[0] for line in last] == ["COPY", "ENV"]
