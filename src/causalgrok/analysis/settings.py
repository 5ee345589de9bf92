"""How curves are judged: thresholds of the grokking detector, fixed before looking."""

from typing import Annotated

from pydantic import Field, model_validator

from causalgrok.settings import Integer, Number, Settings

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
