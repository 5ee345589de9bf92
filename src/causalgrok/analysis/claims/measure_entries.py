"""What a claim measures: the settings of the measures, one model a kind."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from causalgrok.settings import Boolean, Number, Settings

PLACES = ("first", "last", "init", "memorised", "selected", "final")
"""Places in training that have a name: the first and last epoch of a table, and the named checkpoints."""


def _place(value: str) -> str:
    if value in PLACES or re.fullmatch(r"(epoch|step) \d+|(from )?share 0?\.\d+", value):
        return value
    raise ValueError(f"expected one of {', '.join(PLACES)}, epoch 50, step 20000, share 0.5 or from share 0.5")


Place = Annotated[str, AfterValidator(_place)]
"""Where in training: a name of `PLACES`, or the evaluation nearest to ``epoch 50``, ``step 20000`` or ``share 0.5`` of
the epochs; ``from share 0.5``: all from there on."""


def _condition(value: Any) -> Any:
    plain = (str, int, float, bool)
    if isinstance(value, plain) or (isinstance(value, list) and value and all(isinstance(v, plain) for v in value)):
        return value
    if isinstance(value, dict) and set(value) == {"share_of_largest"} and isinstance(value["share_of_largest"], plain):
        return value
    raise ValueError("expected a value, a list of values, or {share_of_largest: 0.25}")


Condition = Annotated[Any, AfterValidator(_condition)]


class Rows(Settings):
    """A selection of rows."""

    where: dict[str, Condition] = Field({})
    """Column -> the value or values that are kept, applied in this order. `share_of_largest: x` keeps, run by run, the
    value nearest to x times the largest that the conditions before it left."""

    at: Place | None = None
    """Where in training; empty: all rows, whose mean is taken."""


class Value(Rows):
    """A column of a table, mean over a run's selected rows; alone, or held against the same elsewhere."""

    name: Literal["value"]
    """The measure's name."""

    table: str
    """A table of runs or one made from them."""

    column: str
    """Its column."""

    equals: str | None = None
    """Measure the share of rows that hold this text, for columns of words; of rows that hold any."""

    against: Rows | None = None
    """What is subtracted, or divided by: the same with these conditions instead, the others kept."""

    against_column: str | None = None
    """The same with another column instead, for instance a control's."""

    ratio: Boolean = False
    """Divide by it rather than subtract."""

    log: Boolean = False
    """Take the natural logarithm of the result, so that differences between recipes are ratios."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables it is taken from."""
        named = {rows.at for rows in (self, self.against) if rows} & set(PLACES[2:])
        return (self.table, *(["checkpoints"] if named else []))

    @property
    def columns(self) -> list[str]:
        """The columns of its table that it names."""
        used = [self.column, *self.where, *(self.against.where if self.against else ())]
        return [*used, *([self.against_column] if self.against_column else [])]


class Curve(Settings):
    """A statistic of the evaluations of a run."""

    name: Literal["curve"]
    """The measure's name."""

    split: str
    """The split that was evaluated."""

    column: str = "accuracy"
    """A column of `metrics`."""

    statistic: Literal["min", "max", "mean", "peak_time"]
    """peak_time: share of training at which the highest of the equally spaced evaluations lies, epoch 0 left out."""

    after_memorised: Boolean = False
    """Only from the first evaluation with train accuracy .99 on."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables it is taken from."""
        return ("metrics",)


class BeatsControls(Settings):
    """1 where a probe beats its controls at the level, else 0; by chance it does at that rate or below."""

    name: Literal["beats_controls"]
    """The measure's name."""

    where: dict[str, Condition]
    """The one row of `verdicts` a run: column -> value, as in `Rows`."""

    level: Annotated[Number, Field(gt=0, lt=1)] = 0.05
    """The largest p that counts as beating them."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables it is taken from."""
        return ("verdicts",)


class MonotoneSteering(Settings):
    """1 where accuracy answers monotonically to steering (|Spearman| from .95), else 0; controls set the chance."""

    name: Literal["monotone_steering"]
    """The measure's name."""

    stage: str = "pooled"
    """The stage that is steered."""

    split: str = "ood_test"
    """The split that answers."""

    checkpoint: Literal["init", "memorised", "selected", "final"] = "final"
    """The named checkpoint."""

    control: Literal["matched", "permuted"] = "matched"
    """The control directions that set the chance."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables it is taken from."""
        return ("steering", "checkpoints")


Measure = Annotated[
    Value | Curve | BeatsControls | MonotoneSteering,
    Field(discriminator="name"),
]
