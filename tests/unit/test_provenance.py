import subprocess
import sys
from pathlib import Path

import pytest

from causalgrok import provenance
from causalgrok.provenance import code_hash, reached_modules, settings_hash

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "workflow/scripts").glob("*.py"))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package in place of this one, and a script that reaches a part of it."""
    files = {
        "__init__.py": "",
        "a.py": "from causalgrok.b import f\n",
        "b.py": '"""Doc."""\n\n\ndef f():\n    """Doc."""\n    return 1  # one\n',
        "part/__init__.py": "X = 1\n",
        "part/c.py": "def g():\n    import causalgrok.b\n",
        "unused.py": "Y = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / "causalgrok" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "script.py").write_text("if True:\n    from causalgrok.part import c\n")
    monkeypatch.setattr(provenance, "SOURCE", tmp_path / "causalgrok")
    return tmp_path


def fresh_hash(folder: Path, *modules: str) -> str:
    provenance._read.cache_clear()
    return code_hash(folder / "script.py", *modules)


def test_reaches_through_packages_functions_and_other_modules(package):
    reached = reached_modules(package / "script.py")
    assert reached == {"causalgrok", "causalgrok.part", "causalgrok.part.c", "causalgrok.b"}
    assert "causalgrok.a" in reached_modules(package / "script.py", "causalgrok.a")


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("causalgrok/b.py", '"""Other doc."""\n\ndef f():\n    # why\n    return (1)\n', False),
        ("causalgrok/b.py", "def f():\n    return 2\n", True),
        ("causalgrok/unused.py", "Y = 2\n", False),
        ("causalgrok/part/__init__.py", "X = 2\n", True),
        ("script.py", "if True:\n    from causalgrok.part import c  # now\n", False),
        ("script.py", "if False:\n    from causalgrok.part import c\n", True),
    ],
)
def test_only_behaviour_counts(package, file, text, changes):
    before = fresh_hash(package)
    (package / file).write_text(text)
    assert (fresh_hash(package) != before) == changes
    provenance._read.cache_clear()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_script_imports_is_what_is_hashed(script):
    """Run the script's imports for real and compare the modules of this package that they load."""
    imports = [
        line.strip() for line in script.read_text().splitlines() if line.strip().startswith(("import ", "from "))
    ]
    program = "\n".join([*imports, "import sys", "print(*(m for m in sys.modules if m.split('.')[0] == 'causalgrok'))"])
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) <= reached_modules(script)


def test_declarations_are_no_part_of_the_hash(package, monkeypatch):
    monkeypatch.setattr(provenance, "DECLARATIONS", frozenset({"causalgrok.b"}))
    before = fresh_hash(package)
    (package / "causalgrok/b.py").write_text("def f():\n    return 2\n")
    assert fresh_hash(package) == before
    (package / "causalgrok/part/c.py").write_text("def g():\n    return 2\n")
    assert fresh_hash(package) != before


def test_declarations_are_modules_that_training_reaches():
    reached = [reached_modules(ROOT / f"workflow/scripts/{name}.py") for name in ("train", "draw_examples")]
    assert set().union(*reached) >= provenance.DECLARATIONS


def test_plotting_is_no_part_of_training():
    reached = reached_modules(ROOT / "workflow/scripts/train.py", "causalgrok.models.resnet")
    assert "causalgrok.models.resnet" in reached
    assert not any("plotting" in name or "interventions" in name or name.endswith(".config") for name in reached)


def test_settings_hash_ignores_order_and_tells_values_apart():
    assert settings_hash({"a": 1, "b": [2.0]}) == settings_hash({"b": [2.0], "a": 1})
    assert settings_hash({"learning_rate": 1, "decay": 0}) != settings_hash({"learning_rate": 0, "decay": 1})
