import ast
import re
import sys
from pathlib import Path

import pytest

from causalgrok.generate import ENVIRONMENTS, generated_files, locked_versions
from causalgrok.models.registry import MODULES
from causalgrok.provenance import _file, reached_modules

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


PACKAGES = {
    "PIL": "pillow",
    "concept_erasure": "concept-erasure",
    "huggingface_hub": "huggingface-hub",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
RULE = re.compile(r'conda:\s+"\.\./\.\./envs/(\w+)\.yaml".*?script:\s+"\.\./scripts/(\w+)\.py"', flags=re.DOTALL)


def imported_packages(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return {PACKAGES.get(name, name) for name in names - sys.stdlib_module_names - {"causalgrok"}}


@pytest.mark.parametrize(
    ("environment", "script"),
    [pair for path in sorted(ROOT.glob("workflow/rules/*.smk")) for pair in RULE.findall(path.read_text())],
)
def test_an_environment_holds_what_its_scripts_import(environment, script):
    path = ROOT / f"workflow/scripts/{script}.py"
    modules = reached_modules(path, *(MODULES.values() if environment == "torch" else ()))
    if script == "report":  # its Snakemake plans the pipeline again
        modules |= reached_modules(ROOT / "src/causalgrok/validation.py")
    files = [path, *(_file(module) for module in modules)]
    # Imported inside functions that these jobs do not call, or for type checkers alone.
    lazy = {
        "data": {"torch"},
        "paper": {"matplotlib"},
        "report": {
            *("huggingface-hub", "matplotlib", "pillow", "pyarrow", "scikit-learn", "torch", "torchvision", "wilds")
        },
    }
    needed = set().union(*(imported_packages(file) for file in files)) - lazy.get(environment, set())
    assert needed <= set(ENVIRONMENTS[environment])


def test_the_lock_names_no_index_and_hashes_everything():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    packages = re.split(r"^(?=[\w.-]+==)", lock, flags=re.MULTILINE)[1:]
    assert len(packages) > 100
    assert all("--hash=sha256:" in package for package in packages)
