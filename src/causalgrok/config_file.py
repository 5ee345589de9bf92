"""Config files before Snakemake reads them: plain YAML of a bounded size, every key once, and no code.

Snakemake takes the last of two equal keys without a word, names no line where the YAML is broken, and runs the Python
in a file that says ``__use_yte__: true``. It reads the files of ``--configfile`` before any file of this workflow, so
one that is not trusted is looked at first, which runs nothing in it::

    python -m causalgrok.validation theirs.yaml
"""

import functools
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from causalgrok.refusals import shown

KeyPath = tuple[str | int, ...]

TEMPLATE_KEY = "__use_yte__"
"""Makes Snakemake take a config file for a template with Python in it."""

MOST_VALUES, MOST_LEVELS, MOST_BYTES = 100_000, 20, 10_000_000
"""Limits of a config: the values it holds once aliases are written out, how deep they lie, and a file's length."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class PlainLoader(_LOADER):
    """YAML in which a key may stand only once: the second of two equal ones would replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a mapping whose keys differ."""
        for key in _repeated(node):
            raise yaml.YAMLError(f"{shown(key.value)} stands twice, again in line {key.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


@functools.lru_cache(maxsize=8)
def _composed(content: bytes) -> yaml.Node | None:
    text, depth = content.decode(), 0
    # By events first, whose parser keeps a stack of its own: composing recurses, in C, until there is no memory left.
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_LEVELS:
            raise RecursionError
    return yaml.compose(text, Loader=_LOADER)


def compose(path: str | Path) -> yaml.Node | None:
    """The nodes of a YAML file, which know their lines.

    Raises:
        ValueError: it cannot be read; one line, with the number of the line where that is known.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"is longer than {MOST_BYTES // 10**6} MB")
        return _composed(content)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(f"is not UTF-8 in line {line}; save it as UTF-8") from None
    except RecursionError:
        raise ValueError(f"is nested more than {MOST_LEVELS} levels deep") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        hint = "; indent with spaces, never with tabs" if "cannot start any token" in reason else ""
        where = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"is no YAML{where}: {reason}{hint}") from None


def file_problems(path: str | Path) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with a config file as a file: key path and message, the latter with file and line."""
    try:
        root = compose(path)
    except ValueError as error:
        yield (), f"{path} {error}"
        return
    if not isinstance(root, yaml.MappingNode):
        yield (), f"{path} is no mapping of keys to values"
        return
    for key, _ in root.value:
        if key.value == TEMPLATE_KEY:
            place = f"({path} line {key.start_mark.line + 1})"
            yield (TEMPLATE_KEY,), f"would let Snakemake run code out of this file; a config holds plain values {place}"
    reported = set()
    for key_path, node, reason in _walk(root, _below_node):
        if reason:
            yield key_path, f"{reason} ({path})"
        for key in _repeated(node) if isinstance(node, yaml.MappingNode) and id(node) not in reported else ():
            yield (*key_path, key.value), f"stands twice; keep one of them ({path} line {key.start_mark.line + 1})"
        reported.add(id(node))
        if reason:
            return
    try:
        yaml.load(Path(path).read_bytes(), Loader=_LOADER)
    except (ValueError, TypeError, yaml.YAMLError) as error:
        where = f" in line {error.problem_mark.line + 1}" if getattr(error, "problem_mark", None) else ""
        yield (), f"{path} holds what no config can{where}: {getattr(error, 'problem', None) or error}"


def size_problem(raw: object) -> tuple[KeyPath, str] | None:
    """The first thing about a parsed config that is not plain, or why it is too large to be looked at further."""
    for path, value, reason in _walk(raw, _below_value):
        if reason:
            return path, reason
        if isinstance(value, set | tuple | bytes | complex):
            return path, f"{shown(value)}: a {type(value).__name__} is not plain YAML; write a list, text or number"
    return None


def _walk(
    root: Any, below: Callable[[Any], Iterable[tuple[str | int, Any]]]
) -> Iterator[tuple[KeyPath, Any, str | None]]:
    """Everything in a config with its path; ends with the reason where it is endless.

    A mapping may hold itself, and ten lines of aliases of aliases can stand for billions of values.
    """
    waiting: list[tuple[KeyPath, Any]] = [((), root)]
    count = 0
    while waiting:
        path, value = waiting.pop()
        count += 1
        if len(path) > MOST_LEVELS:
            yield path[:3], value, f"is nested more than {MOST_LEVELS} levels deep, or holds itself"
            return
        if count + len(waiting) > MOST_VALUES:
            yield (), value, f"holds more than {MOST_VALUES:,} values; mind aliases of aliases"
            return
        yield path, value, None
        waiting += [((*path, key), child) for key, child in below(value)]


def _below_value(value: object) -> Iterable[tuple[str | int, object]]:
    return value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()


def _below_node(node: yaml.Node) -> Iterable[tuple[str | int, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        return [(key.value if isinstance(key.value, str) else shown(key.value), value) for key, value in node.value]
    return enumerate(node.value) if isinstance(node, yaml.SequenceNode) else ()


def _repeated(node: yaml.MappingNode) -> Iterator[yaml.ScalarNode]:
    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.value in seen:
            yield key
        seen.add(key.value)
