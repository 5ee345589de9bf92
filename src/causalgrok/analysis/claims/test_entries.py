"""How a claim is tested: the settings of the tests, one model a kind."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from causalgrok.settings import Integer, Number, Settings

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""A name of the config."""

Direction = Literal["above", "below", "within"]


class RunFilter(Settings):
    """Which runs; empty: all."""

    task: list[Name] | None = None
    """Names of tasks."""

    recipe: list[Name] | None = None
    """Names of recipes."""

    n: list[Annotated[Integer, Field(ge=1)]] | Literal["largest"] | None = None
    """Sizes of the training subset, or the largest of the study."""


class _Test(Settings):
    direction: Direction
    """Which side of the threshold the claim is on; `within`: no further from it than the margin."""

    threshold: Number = 0.0
    """The value that the claim is about."""

    margin: Annotated[Number, Field(gt=0)] | None = None
    """For `within`: the largest distance that would not matter, decided before looking."""

    @model_validator(mode="after")
    def _margin_fits(self) -> "_Test":
        if (self.direction == "within") != (self.margin is not None):
            raise ValueError(f"direction {self.direction} {'needs' if self.margin is None else 'takes no'} margin")
        return self


class Mean(_Test):
    """The mean over seeds against the threshold."""

    name: Literal["mean"]
    """The test's name."""

    pool: Literal["mean", "min", "max", "range"] = "mean"
    """What becomes of the runs of one seed: runs of one seed share subset, initialisation and order."""


class Difference(_Test):
    """The mean of one set of runs minus that of another against the threshold; paired where the seeds are the same."""

    name: Literal["difference"]
    """The test's name."""

    of: RunFilter
    """The runs in question."""

    against: RunFilter
    """The runs they are compared with, of the same task, recipe and n unless these are what is compared."""


class Trend(_Test):
    """The slope of the measure for each doubling of n, one a seed, against the threshold."""

    name: Literal["trend"]
    """The test's name."""


class Holds(Settings):
    """When a run's value satisfies the claim: one bound."""

    above: Number | None = None
    """Above this."""

    at_least: Number | None = None
    """At this or above."""

    below: Number | None = None
    """Below this."""

    at_most: Number | None = None
    """At this or below."""

    @model_validator(mode="after")
    def _one_bound(self) -> "Holds":
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("give one of above, at_least, below and at_most")
        return self

    @property
    def bound(self) -> tuple[str, float]:
        """Its name and value."""
        return next(iter(self.model_dump(exclude_none=True).items()))


class Count(Settings):
    """The share of runs that satisfy the claim, against chance: the measure's own, or the one given."""

    name: Literal["count"]
    """The test's name."""

    holds: Holds
    """When a run satisfies the claim; a run without a value does not."""

    chance: Annotated[Number, Field(gt=0, lt=1)] | None = None
    """Chance that a run satisfies it if nothing is the matter; empty: from the run's controls."""

    direction: Literal["above", "below"] = "above"
    """Whether the claim is that more runs do, or fewer."""


class CountDifference(Settings):
    """The share of runs that satisfy the claim in one set minus that in another, against none."""

    name: Literal["count_difference"]
    """The test's name."""

    holds: Holds
    """When a run satisfies the claim; a run without a value does not."""

    of: RunFilter
    """The runs in question."""

    against: RunFilter
    """The runs they are compared with."""

    direction: Literal["above", "below"] = "above"
    """Whether the claim is that the share is larger, or smaller."""


Test = Annotated[Mean | Difference | Trend | Count | CountDifference, Field(discriminator="name")]
