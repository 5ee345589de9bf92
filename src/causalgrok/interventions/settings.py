"""How checkpoints are measured: grids, repeats and folds shared by the probes and interventions."""

from typing import Annotated

from pydantic import Field

from causalgrok.settings import Integer, Number, Settings

Fraction = Annotated[Number, Field(ge=0, le=1)]


class Measurement(Settings):
    """Grids and repeats of the probes and interventions."""

    inverse_regularisation: list[Annotated[Number, Field(gt=0)]] = Field([1e-3, 1e-2, 1e-1, 1.0], min_length=1)
    """Grid of C for the logistic probes, chosen by slide-grouped cross-validation."""

    folds: Annotated[Integer, Field(ge=2)] = 3
    """Folds of that cross-validation."""

    judged_fraction: Annotated[Number, Field(gt=0, lt=1)] = 0.4
    """Fraction of each probe hospital's slides on which probes are judged, never fitted."""

    stage_grid: Annotated[Integer, Field(ge=1)] = 2
    """Stages before pooling are averaged over a grid of this many cells a side, so that layer4 differs from pooled."""

    strengths: list[Fraction] = Field([0.0, 0.25, 0.5, 0.75, 1.0], min_length=1)
    """Fractions of the hospital subspace's projection that ablation removes."""

    alphas: list[Number] = Field([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0], min_length=1)
    """Steering strengths in standard deviations of the projections."""

    neuron_counts: list[Annotated[Integer, Field(ge=0)]] = Field([0, 4, 8, 16, 32, 64, 128, 256], min_length=1)
    """Numbers of channels that neuron ablation sets to zero; those not below the network's width are left out."""

    repeats: Annotated[Integer, Field(ge=1)] = 20
    """Random controls for every ablation, direction and neuron count."""

    permutations: Annotated[Integer, Field(ge=1)] = 1
    """Probes refitted with hospital permuted by slide, per stage and checkpoint."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Seed of slide splits and controls; the same for every run, so that runs share their controls."""
