"""From what Snakemake read to a checked `Config`, or to one clear line for each problem.

Run as ``python -m causalgrok.validation FILE...`` it checks files as if they were given with ``--configfile``, without
Snakemake and without running anything in them.
"""

import functools
import itertools
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from causalgrok.availability import check_pool_gives
from causalgrok.compatibility import batch_problem, misfits, places, runs_problem
from causalgrok.config import FAMILIES, Config, Run
from causalgrok.config_file import KeyPath, PlainLoader, compose, file_problems, size_problem
from causalgrok.config_names import name_problems
from causalgrok.data import registry
from causalgrok.data.wilds_layout import check_local_root
from causalgrok.factorials import expand, factorial_problems
from causalgrok.refusals import nearest, one_line, shown
from causalgrok.settings import NAME

_NUMBER = re.compile(r"[-+]?(\d{1,15}(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")
"""At most 15 digits: a longer one is a name, such as a commit's hash."""

_TAG = re.compile(r"'([^']*)'")

Source = str | Path | Mapping
"""Where values of a config came from: a file, or the mapping that ``--config`` gave."""

_MOST_LINES = 50
"""Of a message: a config with more problems has one that causes the others."""

_NAMES = "names are lower-case letters, digits and underscores, a letter first, at most 64"


class ConfigError(ValueError):
    """The config cannot be used; the message has a line for each problem."""


def check_config(raw: dict, sources: Sequence[Source] = ()) -> Config:
    """Turn a parsed config into settings.

    Args:
        raw: the config as Snakemake merged it.
        sources: what it came from, the overriding ones first, to tell line numbers.

    Raises:
        ConfigError: a line for each problem: key path, what is wrong, what is expected, file and line.
    """
    files = [source for source in sources if not isinstance(source, Mapping)]
    found = [problem for file in files for problem in file_problems(file)]
    if found or (problem := size_problem(raw)):
        raise located(found or [problem], () if found else sources)
    raw = with_numbers(raw)
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        found = explain(raw, error, Config)
    else:
        found = list(factorial_problems(config))
        config = expand(config)
        found += [*runs_problem(config)] or [*name_problems(config), *misfits(config), *_data_root_problems(config)]
        if not found:
            return config
    raise located(found, sources)


def over_defaults(raw: dict, defaults: str | Path) -> dict:
    """A config with the values of a file where it has none: a module is given no more than what differs."""
    return _merged(yaml.load(Path(defaults).read_bytes(), Loader=PlainLoader), raw)


def check_subset(config: Config, data_root: str | None, run: Run, sources: Sequence[Source] = ()) -> None:
    """Check that the data can give a run its subset and the network its batches; from metadata, before anything runs.

    Args:
        config: the checked config.
        data_root: folder that holds `camelyon17_v1.0`, if there is one.
        run: the run.
        sources: as in `check_config`.

    Raises:
        ConfigError: names the n, the cell of hospital and label, what it needs and what there is.
    """
    task = config.tasks[run.task]
    try:
        check_pool_gives(config.datasets[task.dataset], data_root, run.n, task.label_hospital_correlation)
        problem = batch_problem(config, run.task, [run.recipe], run.n) if run.n else "n = 0 leaves nothing to train on"
    except ValueError as error:
        problem = str(error)
    if problem:
        asked = [(path, problem) for path in places(config, run)]
        # No study has a run that is asked for by its path alone.
        raise located(asked, sources) if asked else ConfigError(f"config: {run.folder}: {problem}")


def explain(raw: object, error: ValidationError, model: type[BaseModel]) -> list[tuple[KeyPath, str]]:
    """What is wrong with settings that a model refused: key path and message.

    Args:
        raw: what was read.
        error: the refusal.
        model: the model.
    """
    return [(_key_path(raw, one), _explain(one, model)) for one in error.errors()]


def located(found: Iterable[tuple[KeyPath, str]], sources: Sequence[Source] = (), title: str = "config") -> ConfigError:
    """Problems as one error, a line each, with the file and line where they stand."""
    by_path = dict(found)
    lines = [_line(path, text, sources, title) for path, text in itertools.islice(by_path.items(), _MOST_LINES)]
    if len(by_path) > _MOST_LINES:
        lines.append(f"{title}: top level: {len(by_path) - _MOST_LINES} more problems; mend these first")
    return ConfigError("\n".join(lines))


def _data_root_problems(config: Config) -> Iterator[tuple[KeyPath, str]]:
    if config.data_root is None or registry.holds_files(root := Path(config.data_root)):
        return
    try:
        check_local_root(root)
    except (ValueError, OSError) as error:
        others = " or ".join(registry.folders())
        yield ("data_root",), f"{error}" + (f"; nor does it hold {others}" if root.is_dir() else "")


def with_numbers(raw: object) -> object:
    """Settings with numbers where YAML (``1e-3``) or the command line (``{seed: 1}``) left strings."""
    if isinstance(raw, dict):
        return {key: with_numbers(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [with_numbers(value) for value in raw]
    if isinstance(raw, str) and _NUMBER.fullmatch(raw):
        return int(raw) if raw.lstrip("+-").isdigit() else float(raw)
    return raw


def _line(path: KeyPath, text: str, sources: Sequence[Source], title: str) -> str:
    return f"{title}: {_dotted(path)}: {one_line(text)}{one_line(_place(path, sources))}"


def _dotted(path: KeyPath) -> str:
    parts = (f"[{shown(part)}]" if isinstance(part, int) else f".{_key(part)}" for part in path)
    return "".join(parts).removeprefix(".") or "top level"


def _key(part: object) -> str:
    return part if isinstance(part, str) and re.fullmatch(r"[\w-]{1,80}|<<", part) else shown(part)


def _key_path(raw: object, error: dict) -> KeyPath:
    """pydantic's location without the tags of unions, which are no keys; the last part may be a missing key."""
    path: list[str | int] = []
    for i, part in enumerate(error["loc"]):
        missing = error["type"] == "missing" and i == len(error["loc"]) - 1
        # Other parts that are not there name the branch of a union.
        there = part in raw if isinstance(raw, dict) else isinstance(raw, list) and isinstance(part, int)
        if part == "[key]" or part in FAMILIES or not (there or missing):
            continue
        path.append(part)
        raw = _child(raw, part)
    return tuple(path)


def _child(raw: object, part: str | int) -> object:
    try:
        return raw[part]
    except (KeyError, IndexError, TypeError):
        return None


def _explain(error: dict, model: type[BaseModel]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return "missing"
    value = shown(error["input"])
    if kind in ("model_type", "dict_type"):
        return f"{value}: should be a mapping of keys to values"
    if error["loc"][-1] == "[key]":
        return f"{value}: {_NAMES}"
    if kind == "union_tag_invalid" and error["loc"][-1] == "source":
        known = {*registry.MODULES, *re.findall(r"\w+", context["expected_tags"])}
        return f"kind {shown(context['tag'])} is unknown: {nearest(context['tag'], known)}"
    if kind == "extra_forbidden":
        return f"unknown key; {nearest(str(error['loc'][-1]), _siblings(error['loc'], model))}"
    if kind == "union_tag_invalid":
        return f"{shown(context['tag'])} is unknown; {nearest(context['tag'], _TAG.findall(context['expected_tags']))}"
    if kind == "union_tag_not_found":
        return f"has no {context['discriminator'].strip(chr(39))}, which says what kind it is"
    if kind == "string_pattern_mismatch":
        asked = _NAMES if context["pattern"] == NAME else "should be text without control characters, and not empty"
        return f"{value}: {asked if '/' not in context['pattern'] else context['pattern'].strip('^$')}"
    if kind == "literal_error":
        return f"{value} is not allowed; expected {context['expected']}"
    if kind == "value_error":
        return f"{value}: {context['error']}" if not isinstance(error["input"], dict) else str(context["error"])
    message = error["msg"]
    return f"{value}: {message[0].lower()}{message[1:]}".replace("input should be", "should be")


def _siblings(location: tuple, model: type[BaseModel]) -> list[str]:
    """The keys that the model at this place has."""
    schema = _schema(model)
    node = schema
    for part in location[:-1]:
        node = _resolve(node, schema)
        if "properties" in node and part in node["properties"]:
            node = node["properties"][part]
        elif isinstance(part, int):
            node = node.get("items", {})
        elif "patternProperties" in node:
            node = next(iter(node["patternProperties"].values()))
        elif part in FAMILIES:
            node = {"$ref": f"#/$defs/{part}"}
        elif "discriminator" in node:
            node = {"$ref": node["discriminator"]["mapping"][part]}
    return list(_resolve(node, schema).get("properties", {}))


@functools.cache
def _schema(model: type[BaseModel]) -> dict:
    return model.model_json_schema()


def _resolve(node: dict, schema: dict) -> dict:
    while True:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        elif "anyOf" in node and any("$ref" in option for option in node["anyOf"]):
            node = next(option for option in node["anyOf"] if "$ref" in option)
        else:
            return node


def _place(path: KeyPath, sources: Sequence[Source]) -> str:
    """Where the longest known part of a key path stands: `` (config.yaml line 41)`` or `` (--config)``."""
    best: tuple[int, str] = (0, "")
    for source in sources:
        if isinstance(source, Mapping):
            here = [(depth, " (--config)") for depth in _depths(source, path)]
        else:
            try:
                root = compose(source)
            except ValueError:
                continue
            here = [(depth, f" ({source} line {line})") for depth, line in _walk(root, path)]
        best = max([best, *here], key=lambda place: place[0])
    return best[1]


def _depths(value: object, path: KeyPath) -> Iterator[int]:
    for depth, part in enumerate(path, start=1):
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return
        yield depth


def _walk(node: yaml.Node | None, path: KeyPath) -> Iterator[tuple[int, int]]:
    for depth, part in enumerate(path, start=1):
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = node.value[part], node.value[part]
        else:
            found = None
        if found is None:
            return
        key, node = found
        yield depth, key.start_mark.line + 1


def main() -> None:
    """Check the files that the command line names, merged over config.yaml as Snakemake would."""
    files = [*reversed(sys.argv[1:]), "config.yaml"]
    try:
        if found := [problem for file in files for problem in file_problems(file)]:
            raise located(found)
        raw: dict = {}
        for file in reversed(files):
            raw = _merged(raw, yaml.load(Path(file).read_bytes(), Loader=PlainLoader))
        check_config(raw, files)
    except ConfigError as error:
        sys.exit(str(error))


def _merged(below: object, above: object) -> object:
    """Mappings merge, key by key; anything else is replaced."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _merged(below.get(key), value) for key, value in above.items()}


if __name__ == "__main__":
    main()
