"""How checkpoints are measured: grids, repeats and folds shared by the probes and interventions."""

from typing import Annotated, Literal

from pydantic import Field

from causalgrok.settings import Integer, Number, Settings

Fraction = Annotated[Number, Field(ge=0, le=1)]


class Measurement(Settings):
    """Grids and repeats of the probes and interventions."""

    inverse_regularisation: list[Annotated[Number, Field(gt=0)]] = Field([1e-3, 1e-2, 1e-1, 1.0], min_length=1)
    """Grid of C for the logistic probes, chosen by slide-grouped cross-validation."""

    folds: Annotated[Integer, Field(ge=2, le=100)] = 3
    """Folds of that cross-validation."""

    judged_fraction: Annotated[Number, Field(gt=0, lt=1)] = 0.4
    """Fraction of each probe hospital's slides on which probes are judged, never fitted."""

    stage_grid: Annotated[Integer, Field(ge=1, le=64)] = 2
    """Stages before pooling are averaged over a grid of this many cells a side, so that layer4 differs from pooled."""

    strengths: list[Fraction] = Field([0.0, 0.25, 0.5, 0.75, 1.0], min_length=1)
    """Fractions of the hospital subspace's projection that ablation removes."""

    alphas: list[Number] = Field([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0], min_length=1)
    """Steering strengths in standard deviations of the projections."""

    neuron_counts: list[Annotated[Integer, Field(ge=0)]] = Field([0, 4, 8, 16, 32, 64, 128, 256], min_length=1)
    """Numbers of channels that neuron ablation sets to zero; those not below the network's width are left out."""

    repeats: Annotated[Integer, Field(ge=1, le=100_000)] = 20
    """Isotropic controls at the pooled stage; covariance-matched ones of subspaces; and before pooling, where steering
    is costly, covariance-matched directions and directions refitted with hospital permuted by slide: 20 can give
    p = .048 at least."""

    directions: Annotated[Integer, Field(ge=1, le=100_000)] = 200
    """Covariance-matched directions at the pooled stage, where steering is cheap."""

    refits: Annotated[Integer, Field(ge=1, le=100_000)] = 39
    """Estimators refitted with hospital permuted by slide, which directions and subspaces are compared with: 39 can
    give p = .025 at least."""

    matched_draws: Annotated[Integer, Field(ge=1, le=100_000)] = 50
    """Draws of channels matched in mean and variance for every neuron count."""

    permutations: Annotated[Integer, Field(ge=1, le=100_000)] = 1
    """Layer-wise probes refitted with hospital permuted by slide, per stage and checkpoint."""

    inlp_iterations: Annotated[Integer, Field(ge=1, le=1_000)] = 8
    """Classifiers that INLP fits and removes in turn; each takes up to hospitals - 1 dimensions."""

    bootstraps: Annotated[Integer, Field(ge=2, le=100_000)] = 200
    """Bootstrap draws over slides for the intervals of the concentration measures."""

    named: list[Literal["init", "memorised", "selected", "final"]] = Field(
        ["init", "memorised", "selected", "final"], min_length=1
    )
    """Checkpoints of the costly measurements: steering before pooling, erasure judged by fresh probes."""

    steered_images: Annotated[Integer, Field(ge=1)] = 1000
    """Images of a split, at most, on which stages before pooling are steered."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Seed of slide splits and controls; the same for every run, so that runs share their controls."""
