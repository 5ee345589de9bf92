"""When a run is evaluated and checkpointed: fixed beforehand, so that the plan of a study is known before it runs."""

from typing import Annotated

from pydantic import Field, model_validator

from causalgrok.settings import Integer, Settings

_Positive = Annotated[Integer, Field(ge=1)]

MOST_EVALUATIONS, MOST_CHECKPOINTS = 100_000, 10_000
"""Of a run: above, planning a study and reading its tables would take longer than many a training."""


class Schedule(Settings):
    """Length of a training and its evaluations: dense at first (0, 1, 2, 4, ...), then equally spaced."""

    epochs: _Positive
    """Passes over the training subset."""

    evaluate_every: _Positive
    """Epochs between evaluations."""

    checkpoint_every: _Positive
    """Epochs between checkpoints; a multiple of evaluate_every."""

    @model_validator(mode="after")
    def _fits(self) -> "Schedule":
        if self.evaluate_every > self.epochs:
            raise ValueError(f"evaluate_every {self.evaluate_every} is above epochs {self.epochs}")
        if self.checkpoint_every % self.evaluate_every:
            raise ValueError(
                f"checkpoint_every {self.checkpoint_every} is not a multiple of evaluate_every {self.evaluate_every}"
            )
        for key, most in (("evaluate_every", MOST_EVALUATIONS), ("checkpoint_every", MOST_CHECKPOINTS)):
            if (times := self.epochs // getattr(self, key)) > most:
                raise ValueError(f"{key} {getattr(self, key)} of {self.epochs} epochs is {times} times, above {most}")
        return self

    def evaluations(self) -> list[int]:
        """Epochs after which the run is evaluated, ascending; 0 is the initialisation."""
        return self._spaced(self.evaluate_every)

    def checkpoints(self) -> list[int]:
        """Epochs whose weights are kept, a part of the evaluations."""
        return self._spaced(self.checkpoint_every)

    def _spaced(self, every: int) -> list[int]:
        early = (2**i for i in range(self.evaluate_every.bit_length()))
        regular = range(0, self.epochs + 1, every)
        return sorted({0, *(epoch for epoch in early if epoch < self.evaluate_every), *regular, self.epochs})
