"""Clouds: each class a Gaussian of unit variance about a mean of its own, nothing else to be learned.

The trivial task: means are random directions of length `distance`, so that in many dimensions two of them lie about
sqrt(2) * distance apart, and the nearest mean is the best possible answer, right in all but a share of about
Phi(-distance / sqrt(2)) for each other class. A network that generalises late here does so for reasons other than the
task's difficulty.
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from causalgrok.data.splits import Split
from causalgrok.settings import Integer, Number, Settings


class GaussiansSettings(Settings):
    """How many clouds, in how many dimensions, how far apart."""

    holds: ClassVar[str] = "vectors"
    """What an example is."""

    length: ClassVar[int] = 1
    """Vectors of an example."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    """What is drawn."""

    kind: Literal["gaussians"]
    """Gaussian clouds, generated: a task that anything learns."""

    classes: Annotated[Integer, Field(ge=2, le=1000)] = 4
    """Number of labels, all equally frequent."""

    features: Annotated[Integer, Field(ge=1, le=100_000)] = 20
    """Dimensions."""

    distance: Annotated[Number, Field(gt=0)] = 4
    """Length of each class's mean, in standard deviations of its cloud."""

    test_examples: Annotated[Integer, Field(ge=1, le=1_000_000)] = 2000
    """Examples of the test split."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Together with a run's seed, the seed of means and examples."""

    def check_size(self, n: int) -> None:
        """Any subset can be generated."""


SETTINGS = GaussiansSettings
"""What `draw` takes; see `causalgrok.data.registry`."""


def draw(settings: GaussiansSettings, *, n: int, seed: int) -> dict[str, Split]:
    """The splits `train`, n examples, and `test` of one seed; both run through the classes in turn.

    Inputs are (n, 1, features) float32, rows and groups an example's number, test after all training, domains 0.
    """
    means, train, test = (np.random.default_rng([settings.seed, seed, purpose]) for purpose in range(3))
    centres = means.normal(size=(settings.classes, settings.features))
    centres *= settings.distance / np.linalg.norm(centres, axis=1, keepdims=True)
    return {
        "train": _split(train, centres, np.arange(n)),
        "test": _split(test, centres, np.arange(settings.test_examples), first=1 << 40),
    }


def _split(random: np.random.Generator, centres: np.ndarray, places: np.ndarray, *, first: int = 0) -> Split:
    labels = places % len(centres)
    examples = centres[labels] + random.normal(size=(len(places), centres.shape[1]))
    inputs = examples.astype(np.float32)[:, None, :]
    return Split(inputs, labels, domains=np.zeros_like(labels), groups=first + places, rows=first + places)
