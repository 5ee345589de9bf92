"""From what Snakemake read to a checked `Config`, or to one clear line for each problem."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from causalgrok.config import Config, nearest, problems

KeyPath = tuple[str | int, ...]


class ConfigError(ValueError):
    """The config cannot be used; the message has a line for each problem."""


def check_config(raw: dict, files: Sequence[str | Path] = (), reserved: set[str] = frozenset()) -> Config:
    """Turn a parsed config into settings.

    Args:
        raw: the config as Snakemake merged it.
        files: the files it came from, last one winning, to tell line numbers.
        reserved: names that studies and datasets cannot have, beside the built-in ones.

    Raises:
        ConfigError: a line for each problem: key path, what is wrong, what is expected, file and line.
    """
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        found = [(_key_path(raw, e["loc"]), _explain(raw, e)) for e in error.errors()]
    else:
        found = list(problems(config, reserved))
        if not found:
            return config
    raise ConfigError("\n".join(_line(path, text, files) for path, text in dict(found).items()))


def _line(path: KeyPath, text: str, files: Sequence[str | Path]) -> str:
    return f"config: {_dotted(path)}: {text}{_place(path, files)}"


def _dotted(path: KeyPath) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "top level"


def _key_path(raw: object, location: tuple) -> KeyPath:
    """pydantic's location without the tags of unions, which are no keys."""
    path: list[str | int] = []
    for i, part in enumerate(location):
        if isinstance(raw, dict) and part not in raw and i < len(location) - 1:
            continue
        path.append(part)
        raw = _child(raw, part)
    return tuple(path)


def _child(raw: object, part: str | int) -> object:
    try:
        return raw[part]
    except (KeyError, IndexError, TypeError):
        return None


def _explain(raw: object, error: dict) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return "missing"
    if kind == "extra_forbidden":
        return f"unknown key; {nearest(str(error['loc'][-1]), _siblings(error['loc']))}"
    value = repr(error["input"])
    if len(value) > 60:
        value = value[:57] + "..."
    if kind == "literal_error":
        return f"{value} is not allowed; expected {context['expected']}"
    if kind == "value_error":
        return f"{value}: {context['error']}" if not isinstance(error["input"], dict) else str(context["error"])
    message = error["msg"]
    return f"{value}: {message[0].lower()}{message[1:]}".replace("input should be", "should be")


def _siblings(location: tuple) -> list[str]:
    """The keys that the model at this place has."""
    schema = Config.model_json_schema()
    node: dict = schema
    for part in location[:-1]:
        node = _resolve(node, schema)
        if "properties" in node and part in node["properties"]:
            node = node["properties"][part]
        elif isinstance(part, int):
            node = node.get("items", {})
        elif "additionalProperties" in node and isinstance(node["additionalProperties"], dict):
            node = node["additionalProperties"]
        elif "discriminator" in node:
            node = {"$ref": node["discriminator"]["mapping"][part]}
    return list(_resolve(node, schema).get("properties", {}))


def _resolve(node: dict, schema: dict) -> dict:
    while True:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        elif "anyOf" in node and any("$ref" in option for option in node["anyOf"]):
            node = next(option for option in node["anyOf"] if "$ref" in option)
        else:
            return node


def _place(path: KeyPath, files: Sequence[str | Path]) -> str:
    """Where the longest known part of a key path stands: `` (config.yaml line 41)``."""
    best: tuple[int, str] = (0, "")
    for file in files:
        try:
            root = yaml.compose(Path(file).read_text())
        except (OSError, yaml.YAMLError):
            continue
        for depth, line in _walk(root, path):
            if depth >= best[0]:
                best = depth, f" ({file} line {line})"
    return best[1]


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
