"""What a result depends on: the code that a script reaches, and the environment it ran in.

The hash of code is taken over the syntax tree without docstrings, printed back to text: comments, docstrings and
formatting change nothing, so an edited comment never costs GPU-days; any change of behaviour does.
"""

import ast
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = "causalgrok"
SOURCE = Path(__file__).parent
DECLARATIONS = frozenset(
    {"causalgrok.columns", "causalgrok.data.registry", "causalgrok.models.registry", "causalgrok.models.settings"}
)
"""Modules that only declare or describe, so that a new line there reruns nothing: a network's settings reach a job
through its params, what registries name is hashed itself, and a table whose columns are not the declared ones is
refused when it is written."""

_STATED = ("numpy", "pandas", "pyarrow", "safetensors", "torch", "torchvision")
"""Packages that training computes with, and whose versions run.json states."""


def code_hash(script: str | Path, *modules: str) -> str:
    """The hash of a script and of every module of this package that it reaches by imports.

    Args:
        script: the file of a rule's script.
        modules: modules it imports by a name made at run time, such as the network a task asks for.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256(_read(Path(script)).text.encode())
    for name in sorted(reached_modules(script, *modules) - DECLARATIONS):
        digest.update(f"{name}\0{_read(_file(name)).text}\0".encode())
    return digest.hexdigest()[:16]


def reached_modules(script: str | Path, *modules: str) -> set[str]:
    """The modules of this package that a script imports, directly or through others, inside functions or not."""
    reached: set[str] = set()
    waiting = {*_read(Path(script)).imports, *modules}
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting |= _read(_file(name)).imports - reached
    return reached


def _file(module: str) -> Path:
    base = SOURCE.joinpath(*module.split(".")[1:])
    return base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"


class _Code(NamedTuple):
    """A file of code. Its syntax tree is not kept: hundreds of them cost every later look for garbage more time."""

    text: str
    """Without docstrings, comments and formatting."""

    imports: frozenset[str]
    """The modules of this package that it names."""


@functools.cache
def _read(path: Path) -> _Code:
    tree = ast.parse(path.read_text())
    imported: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported.update(_imported(node))
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [item for item in node.body if not _is_text(item)] or [ast.Pass()]
    return _Code(ast.unparse(tree), frozenset(imported))


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """The module and every statement in it; expressions, which most of a tree is, hold none."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, block, ())
            waiting += inner if isinstance(inner, list) else ()


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif node.module:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        return
    for name in names:
        if name.split(".")[0] == PACKAGE and _file(name).exists():
            parts = name.split(".")
            # Importing a.b.c runs a/__init__.py and a/b/__init__.py first.
            yield from (".".join(parts[: i + 1]) for i in range(len(parts)))


def settings_hash(settings: object) -> str:
    """The sha256 of plain settings (dicts, lists, numbers, strings), in a canonical spelling."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def environment() -> dict[str, object]:
    """Versions and hardware, for run.json."""
    return {
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _STATED},
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
