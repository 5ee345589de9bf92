"""How curves are judged: thresholds of grokking, of critical sizes and of stopping, fixed before looking."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from causalgrok.settings import Integer, Name, Number, Settings

_Share = Annotated[Number, Field(gt=0, lt=1)]


class UngrokkingSettings(Settings):
    """How networks that grokked and were trained further on fewer examples are judged; fixed before looking."""

    fall: _Share = 0.1
    """Least fall of test accuracy, from the start of the continued run to its final plateau, that is ungrokking."""

    margin: _Share = 0.1
    """Largest difference of final test accuracy between recipes that would not matter: below it they are equivalent."""


class DetectorSettings(Settings):
    """Thresholds of the grokking detector: fixed before looking, printed with every result."""

    delta: _Share = 0.1
    """Least Delta_S, in accuracy, of a run that grokked: above what slow improvement after memorisation brings."""

    semi_delta: _Share = 0.05
    """Least Delta_S of a run that semi-grokked; at most delta."""

    rho: Annotated[Number, Field(gt=1)] = 3.0
    """Least alpha_1 / alpha_0: how many times longer generalising takes than memorising."""

    support: Annotated[Number, Field(ge=0)] = 1.0
    """Least support S as a multiple of the delay alpha_1 - alpha_0."""

    train_converged: _Share = 0.99
    """Train accuracy from which a run counts as having memorised."""

    plateau: _Share = 0.25
    """Share of the steps, at the end of the run, that is its final plateau."""

    plateau_evaluations: Annotated[Integer, Field(ge=4)] = 8
    """Fewest evaluations of the plateau, which reaches further back where they are sparse."""

    errors: Annotated[Number, Field(gt=0)] = 2.0
    """Standard errors by which sigma_E lies below the plateau's mean."""

    tolerance: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    """Share of Delta_S below sigma_E that still is in the plateau: test accuracy creeps towards its limit long after
    the jump, and where checkpoints hardly scatter, alpha_1 would be the end of the creeping."""

    noise: Annotated[Number, Field(gt=0)] = 4.0
    """Standard deviations that count as noise: of a checkpoint below sigma_E, of an earlier mean above the plateau's.
    Many checkpoints are looked at, so 2 would be too few."""

    median: Annotated[Integer, Field(ge=1)] = 5
    """Evaluations of the running median; odd. It bridges spikes of up to half of them."""

    decline: _Share = 0.02
    """Least fall from an earlier mean to the plateau's, in accuracy, of a run that declined."""

    ceiling: Annotated[Number, Field(gt=0, le=1)] | None = None
    """Test accuracy of complete generalisation where the task has one (1 for modular arithmetic): a run that ends more
    than delta below has only semi-grokked (Varma et al. 2023). None where nobody knows it."""

    @model_validator(mode="after")
    def _fits(self) -> "DetectorSettings":
        if self.semi_delta > self.delta:
            raise ValueError(f"semi_delta {self.semi_delta} is above delta {self.delta}")
        if self.median % 2 == 0:
            raise ValueError(f"median {self.median} is even: a running median needs an odd number of evaluations")
        return self


Measure = Literal[
    *("peak_accuracy", "final_accuracy", "final_accuracy_ood_val", "early_accuracy", "late_accuracy", "decline"),
    *("decline_auroc", "decline_ood_val", "decline_selected", "memorised_epoch", "plateau", "delta_S", "time"),
]
"""A column of `outcomes` that recipes are compared by."""


class ComparisonSettings(Settings):
    """How recipes are compared: families, margins and levels, named before looking."""

    alpha: _Share = 0.05
    """Level of the tests, family-wise; intervals cover 1 - alpha."""

    power: _Share = 0.8
    """Chance of finding it with which the smallest detectable effect and the runs needed are stated."""

    families: dict[Name, Annotated[list[Measure], Field(min_length=1)]] = Field(
        {
            "accuracy": ["peak_accuracy", "final_accuracy", "final_accuracy_ood_val"],
            "decline": ["decline", "decline_auroc", "decline_ood_val"],
            "grokking": ["time"],
        }
    )
    """Family -> measures that are corrected together (Holm)."""

    margins: dict[Measure, Annotated[Number, Field(gt=0)]] = Field(
        {
            "peak_accuracy": 0.03,
            "final_accuracy": 0.03,
            "final_accuracy_ood_val": 0.03,
            "decline": 0.03,
            "decline_auroc": 0.03,
            "decline_ood_val": 0.03,
        }
    )
    """Measure -> largest difference of no consequence, for equivalence; .03 is the spread of checkpoints at an unseen
    hospital."""


@dataclass(frozen=True)
class Judgement:
    """How the runs of a task are judged."""

    chance: float
    """Accuracy of guessing."""

    detector: DetectorSettings
    """Thresholds, fixed before looking."""


def judgements_from(plain: Mapping[str, Mapping]) -> dict[str, Judgement]:
    """Task -> how its runs are judged, from what a rule hands over: ``{"chance": .., "detector": {..}}``."""
    return {task: Judgement(one["chance"], DetectorSettings(**one["detector"])) for task, one in plain.items()}


class CriticalSizeSettings(Settings):
    """From which number of training examples on a recipe generalises for good: fixed before looking."""

    threshold: _Share = 0.9
    """Plateau accuracy from which grokking counts as sustained."""

    bootstraps: Annotated[Integer, Field(ge=100, le=1_000_000)] = 2000
    """Draws of seeds for the interval of the critical size."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Seed of these draws."""


class StoppingSettings(Settings):
    """When training would have been stopped, by criteria that see no test labels: fixed before looking."""

    patience: Annotated[Number, Field(gt=1)] = 2.0
    """What has hardly changed while the number of steps grew by this factor has settled; generalisation is late on a
    logarithmic scale of steps."""

    tolerance: _Share = 0.02
    """Most that it may have changed, relative to its largest value in that time."""

    evaluations: Annotated[Integer, Field(ge=1)] = 10
    """Evaluations without a better validation accuracy after which the usual early stopping stops."""
