"""The base of every settings model: unknown keys refused, numbers strict, values frozen.

YAML has two traps that pydantic's own types fall into: ``epochs: yes`` is the boolean true, which would become 1, and
``1e-3`` (without a dot) is a string. Here the first is refused and the second is a number.
"""

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictBool

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number, not a boolean")
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, str):
        raise ValueError("expected a number")
    return value


Integer = Annotated[int, BeforeValidator(_number)]
"""A whole number; ``3`` and ``"3"`` are, ``3.5``, ``yes`` and ``three`` are not."""

Number = Annotated[float, BeforeValidator(_number)]
"""A finite number; ``1e-3`` is one although YAML says it is a string."""

Boolean = StrictBool
"""``true`` or ``false``, nothing that merely looks like it."""


class Settings(BaseModel):
    """Base of all settings: frozen, unknown keys refused, every field described."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
