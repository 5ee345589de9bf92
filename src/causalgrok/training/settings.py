"""What determines a run: everything that its numbers depend on, besides data and code."""

from typing import Annotated, Literal

from pydantic import Field

from causalgrok.models.settings import Inputs, Model
from causalgrok.settings import Boolean, Integer, Settings
from causalgrok.training.recipe import Recipe
from causalgrok.training.schedule import Schedule

Precision = Literal["float32", "tf32", "bfloat16"]
"""tf32 is a GPU's, bfloat16 is by autocast."""


class Training(Settings):
    """One run's network, recipe, budget, seed and arithmetic."""

    model: Model
    """The network."""

    classes: Annotated[Integer, Field(ge=2)]
    """Number of classes."""

    inputs: Inputs | None = None
    """What an example looks like, where the network depends on it; empty: images."""

    loss: Literal["cross_entropy", "mse"]
    """Cross-entropy, or the mean squared error to one-hot targets."""

    recipe: Recipe
    """How it is optimised."""

    schedule: Schedule
    """How long, and when it is evaluated."""

    seed: Annotated[Integer, Field(ge=0)]
    """Seed of initialisation and order; runs of equal seed and network start from the same draw."""

    device: Literal["auto", "cpu", "cuda"]
    """Where it trains, as configured: what `auto` came to stands in run.json, so that a plan made on a machine without
    a GPU does not retrain what was trained on one."""

    precision: Precision = "float32"
    """Of the products in a training step."""

    cuda_graph: Boolean = False
    """Whether a GPU records a step once and replays it."""

    threads: Annotated[Integer, Field(ge=1, le=1024)] = 1
    """torch's threads on the CPU; part of the run because sums are rounded differently with another number."""
