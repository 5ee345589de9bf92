"""What a claim is: the models of workflow/claims.yaml.

A claim is a sentence of a source with a measure (one value a run), a test of the values, and the figure that the source
reported. Names of tables, columns, studies and recipes are looked up in `causalgrok.claims_file`.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from causalgrok.analysis.claims.measure_entries import Measure
from causalgrok.analysis.claims.test_entries import Name, RunFilter, Test
from causalgrok.settings import Boolean, Number, Settings


def _text(value: Any) -> Any:
    return f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text)]
"""Words or a number, kept as they stand."""


class Studies(Settings):
    """The studies that can decide a claim."""

    reproduction: Annotated[list[Name], Field(min_length=1)]
    """Those at the source's own settings: they reproduce if their data are the official ones."""

    analogue: list[Name] = Field([])
    """Smaller ones, or on other data: they say what happens there."""

    @property
    def all(self) -> list[str]:
        """Both."""
        return [*self.reproduction, *self.analogue]


class Claim(Settings):
    """One claim of a source."""

    source: Annotated[list[str], Field(min_length=1)]
    """Keys of `sources`."""

    sentence: Annotated[str, StringConstraints(min_length=1)]
    """What is claimed, in our words."""

    family: Name
    """A key of `families`: the claims whose p-values are corrected together."""

    studies: Studies
    """The studies that can decide it."""

    runs: RunFilter = RunFilter()
    """The runs it is about."""

    measure: Measure
    """What is measured on each run."""

    test: Test
    """How the values are judged."""

    reported: Text
    """The figure that the source reported."""

    note: str = ""
    """What has to be known to read the verdict."""

    @property
    def filters(self) -> Iterable[tuple[tuple[str, ...], RunFilter]]:
        """Every filter of runs with its key path."""
        yield ("runs",), self.runs
        for part in ("of", "against"):
            if hasattr(self.test, part):
                yield ("test", part), getattr(self.test, part)


class Source(Settings):
    """A source of claims."""

    title: Annotated[str, StringConstraints(min_length=1)]
    """Its title."""

    hospitals: Boolean
    """Whether its claims are about tasks whose data come from hospitals; a study may hold runs of both kinds."""


class Ledger(Settings):
    """The whole of claims.yaml."""

    alpha: Annotated[Number, Field(gt=0, lt=0.5)] = 0.05
    """Level of a verdict, over a family of claims."""

    sources: dict[Name, Source]
    """Key of a source -> what it is."""

    families: dict[Name, str]
    """Family -> the question that its claims answer together."""

    planned: list[Name] = Field([])
    """Studies that do not exist yet: claims may name them."""

    claims: Annotated[dict[Name, Claim], Field(min_length=1)]
    """Claim -> its entry."""

    @model_validator(mode="before")
    @classmethod
    def _without_anchors(cls, raw: Any) -> Any:
        # A key `anchors` holds what several entries repeat.
        return {key: value for key, value in raw.items() if key != "anchors"} if isinstance(raw, dict) else raw
