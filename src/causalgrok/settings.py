"""The base of every settings model: unknown keys refused, numbers strict, values frozen.

Strict, because YAML's ``epochs: yes`` is the boolean true, which would otherwise become 1. The opposite trap, ``1e-3``
without a dot, which YAML reads as a string, is dealt with where a config is read (`causalgrok.validation`).
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints

LARGEST = 10**9
"""No setting is larger than this, or smaller than its negative, so that every number fits where it is used."""

Integer = Annotated[int, Strict(), Field(ge=-LARGEST, le=LARGEST)]
"""A whole number; ``3`` is one, ``3.5``, ``yes`` and ``three`` are not."""

Number = Annotated[float, Strict(), Field(ge=-LARGEST, le=LARGEST)]
"""A finite number, whole or not."""

Boolean = Annotated[bool, Strict()]
"""``true`` or ``false``, nothing that merely looks like it."""

NAME = r"^[a-z][a-z0-9_]*$"
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=64)]
"""A name of the user's, which becomes part of paths, patterns and captions: no character in it means anything there."""

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$", max_length=1000)]
"""A sentence or two."""

Location = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=4000)]
"""The path of a file or folder."""


class Settings(BaseModel):
    """Base of all settings: frozen, unknown keys refused, every field described."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
