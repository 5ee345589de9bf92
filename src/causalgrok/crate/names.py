"""How things are called in a crate: what its writer and its reader must agree on."""

from urllib.parse import quote, unquote

METADATA = "ro-crate-metadata.json"
CONFIG = "resolved-config.json"
RESULTS = "results/"
"""Below it lies what jobs make; every file there must be the result of one."""

RUN = "#run"
"""The action that all jobs of the study are together."""

CODE = "code hash"
ORIGIN = "#origin/"
"""What a downloaded data set was taken from, as its `source.json` says."""

LEFT_OUT = (".safetensors",)
"""What stays outside a crate for its size."""


def inside(path: str) -> str:
    """The identifier of a file in the crate."""
    return quote(path)


def outside(path: str) -> str:
    """The identifier of a file that the crate names, and does not hold."""
    return f"#{quote(path)}"


def path_of(identifier: str) -> str:
    """The path of a file, inside or outside, by its identifier."""
    return unquote(identifier.removeprefix("#"))
