"""The base of every settings model: unknown keys refused, numbers strict, values frozen.

Strict, because YAML's ``epochs: yes`` is the boolean true, which would otherwise become 1. The opposite trap, ``1e-3``
without a dot, which YAML reads as a string, is dealt with where a config is read (`causalgrok.validation`).
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Strict

Integer = Annotated[int, Strict()]
"""A whole number; ``3`` is one, ``3.5``, ``yes`` and ``three`` are not."""

Number = Annotated[float, Strict()]
"""A finite number, whole or not."""

Boolean = Annotated[bool, Strict()]
"""``true`` or ``false``, nothing that merely looks like it."""


class Settings(BaseModel):
    """Base of all settings: frozen, unknown keys refused, every field described."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
