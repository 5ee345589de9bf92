import re
from pathlib import Path

import pytest

from causalgrok.generate import ENVIRONMENTS, generated_files, locked_versions

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("path", "content"), [*generated_files(ROOT)], ids=lambda value: getattr(value, "name", ""))
def test_generated_files_are_up_to_date(path, content):
    assert path.read_text() == content, "run `make schema`"


def test_conda_environments_pin_what_the_lock_pins():
    pins = locked_versions((ROOT / "requirements.lock").read_text())
    for name in ENVIRONMENTS:
        pinned = dict(re.findall(r"- ([\w-]+)==(\S+)", (ROOT / f"envs/{name}.yaml").read_text()))
        assert set(pinned) == set(ENVIRONMENTS[name])
        assert all(pins[package] == version for package, version in pinned.items())


def test_every_rules_environment_exists():
    used = set(
        re.findall(r'"\.\./\.\./envs/(\w+)\.yaml"', "".join(p.read_text() for p in ROOT.glob("workflow/rules/*")))
    )
    assert used == set(ENVIRONMENTS)


def test_the_lock_names_no_index_and_hashes_everything():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert lock.count("==") <= lock.count("--hash=sha256:")
