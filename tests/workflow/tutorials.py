"""Tutorials as programs: the files that their fenced blocks write or edit, and the commands.

A block's first line says what it is: ``bash`` is run, ``<language> file=PATH`` is written to PATH, and
``diff file=PATH`` is an edit there: what its context and minus lines say together must stand in the file once, and
becomes what its context and plus lines say. Other blocks are for reading.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


class Step(NamedTuple):
    """One block."""

    language: str
    path: str
    text: str


def steps(page: str) -> Iterator[Step]:
    """What a tutorial does, in its order."""
    for language, path, text in _BLOCK.findall(page):
        if path or language == "bash":
            yield Step(language, path, text)


def apply(step: Step, folder: Path) -> None:
    """Write or edit the file of a step."""
    path = folder / step.path
    if step.language != "diff":
        assert not path.exists(), f"{step.path} is there already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(step.text)
        return
    lines = step.text.splitlines(keepends=True)
    assert {line[0] for line in lines} <= {" ", "+", "-", "\n"}, step.text
    old, new = ("".join(line[1:] or "\n" for line in lines if line[0] not in left_out) for left_out in "+-")
    content = path.read_text()
    assert content.count(old) == 1, f"{step.path} holds this {content.count(old)} times:\n{old}"
    path.write_text(content.replace(old, new))
