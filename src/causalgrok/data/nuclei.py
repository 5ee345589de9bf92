"""Arithmetic in images: two dark nuclei in stained tissue, whose places say a and b; the label is a o b mod p.

An image task made for the three conditions of delayed generalisation: it starts at chance, with p classes, equally
frequent for addition and subtraction; nothing in a single nucleus tells the label, so that there is no easy shortcut;
and it is small enough to be trained far past memorisation; `label` and `marks` take the first two away. Each half of
an image is a grid of places, the first p of which a nucleus can take.
Pairs, operations, splits and their nesting are those of `causalgrok.data.modular`; stain and scanner those of
`causalgrok.data.tissue`, a hospital drawn for each image whatever it shows, so that it is independent of the label.
"""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from causalgrok.data import modular
from causalgrok.data.modular import ModularSettings
from causalgrok.data.splits import Split
from causalgrok.data.tissue import TissueSettings, hospital_stains, scan
from causalgrok.settings import Integer, Number

_EOSIN, _HAEMATOXYLIN = 0.6, 0.08
"""Mean concentrations of the dyes where there is no nucleus."""

_CHROMATIN = 1.1
"""Haematoxylin inside a nucleus."""

_INK = (0.1, 0.3, 0.95)
"""What ink lets through of red, green and blue: no dye's colour, and a nucleus is seen below it."""

_RADIUS, _EDGE = 0.45, 0.12
"""Of a nucleus and its outline's blur, in places."""


class PicturedSettings(ModularSettings):
    """Which arithmetic, and how its nuclei and the tissue between them are drawn."""

    holds: ClassVar[str] = "images"
    """What an example is."""

    grid: Annotated[Integer, Field(ge=2, le=16)] = 6
    """Places a side of each half of an image; p of them are used."""

    cell: Annotated[Integer, Field(ge=3, le=16)] = 4
    """Pixels a side of a place: images are grid * cell high and twice as wide."""

    texture: Annotated[Number, Field(ge=0, le=1)] = 0.15
    """Relative deviation of the tissue between the nuclei, smooth over half a place."""

    @model_validator(mode="after")
    def _has_places(self) -> "PicturedSettings":
        if self.modulus > self.grid**2:
            raise ValueError(f"modulus {self.modulus} is above the {self.grid**2} places of a grid of {self.grid}")
        return self


class NucleiSettings(PicturedSettings):
    """Images of the arithmetic, whose hospitals are many or one and are not asked about."""

    kind: Literal["nuclei"]
    """Arithmetic on the places of two nuclei, generated."""

    hospitals: Annotated[Integer, Field(ge=1, le=5)] = 1
    """Hospitals whose stain images have, each with equal chance."""

    label: Literal["result", "half", "first"] = "result"
    """What is learned: the result a o b; which half of 0 .. p - 1 it lies in; or a, which one nucleus tells."""

    marks: Annotated[Number, Field(ge=0, le=1)] = 0
    """Share of images with a square of ink: in training at the place that the label counts, in testing at any."""

    @property
    def classes(self) -> int:
        """Number of labels."""
        return 2 if self.label == "half" else self.modulus

    @property
    def chance(self) -> float:
        """Accuracy of guessing: of an odd p the lower half has one result more."""
        return -(-self.modulus // self.classes) / self.modulus


SETTINGS = NucleiSettings
"""What `draw` takes; see `causalgrok.data.registry`."""


def draw(settings: NucleiSettings, *, n: int, seed: int) -> dict[str, Split]:
    """The splits `train`, n pairs in the order of the shuffle, and `test` of one seed.

    Inputs are (n, h, 2 h, 3) uint8 images, rows and groups ``a * p + b``, domains the hospitals. A pair has the same
    image in every subset of its seed.

    Raises:
        ValueError: the pool has fewer than n pairs.
    """
    rng = np.random.default_rng([settings.seed, seed, 1])
    hospitals = rng.integers(settings.hospitals, size=settings.modulus**2)
    concentrations, noise = grow(settings, rng)
    images = np.empty(noise.shape, dtype=np.uint8)
    for hospital, stain in enumerate(hospital_stains(TissueSettings())):
        own = hospitals == hospital
        images[own] = scan(concentrations[own], np.ones(noise.shape[1:3]), noise[own], stain)
    splits = {
        name: replace(split, inputs=images[split.rows], labels=_labels(settings, split), domains=hospitals[split.rows])
        for name, split in modular.draw(settings, n=n, seed=seed).items()
    }
    inked = np.random.default_rng([settings.seed, seed, 2])
    marked = inked.random(settings.modulus**2) < settings.marks
    anywhere = inked.integers(settings.classes, size=settings.modulus**2)
    _mark(settings, splits["train"], marked, splits["train"].labels)
    _mark(settings, splits["test"], marked, anywhere[splits["test"].rows])
    return splits


def _labels(settings: NucleiSettings, pairs: Split) -> np.ndarray:
    """What is learned (n,) of pairs whose labels are their results."""
    told = {
        "result": pairs.labels,
        "half": 2 * pairs.labels // settings.modulus,
        "first": pairs.rows // settings.modulus,
    }
    return told[settings.label]


def _mark(settings: NucleiSettings, split: Split, marked: np.ndarray, places: np.ndarray) -> None:
    """Ink, in place, these places (n,) of the left half in the images whose pairs (p * p,) are marked."""
    for index in np.flatnonzero(marked[split.rows]):
        top, left = settings.cell * np.array(divmod(places[index], settings.grid))
        square = split.inputs[index, top : top + settings.cell, left : left + settings.cell]
        square[:] = (square * np.array(_INK)).round()


def grow(settings: PicturedSettings, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The tissue of all pairs a * p + b before it is stained.

    Returns:
        Concentrations (p * p, 2, h, 2 h) of haematoxylin and eosin, and the scanner's noise (p * p, h, 2 h, 3).
    """
    from scipy.ndimage import gaussian_filter  # a quarter of a second, which planning need not wait for

    side = settings.grid * settings.cell
    a, b = np.divmod(np.arange(settings.modulus**2), settings.modulus)
    shape = (len(a), side, 2 * side)
    nuclei = np.concatenate([_nucleus(settings, symbol) for symbol in (a, b)], axis=2)
    smooth = gaussian_filter(rng.standard_normal(shape), (0, settings.cell / 2, settings.cell / 2))
    ground = 1 + settings.texture * smooth / smooth.std()
    concentrations = np.stack([_HAEMATOXYLIN * ground + _CHROMATIN * nuclei, _EOSIN * ground], axis=1).clip(min=0)
    return concentrations, rng.standard_normal((*shape, 3))


def _nucleus(settings: PicturedSettings, symbols: np.ndarray) -> np.ndarray:
    """Half images (n, h, h) in 0 .. 1 with a soft disc at the places of symbols (n,)."""
    pixels = (np.arange(settings.grid * settings.cell) + 0.5) / settings.cell
    row, column = np.divmod(symbols, settings.grid)
    vertical, horizontal = (pixels - (place[:, None] + 0.5) for place in (row, column))
    distance = np.hypot(vertical[:, :, None], horizontal[:, None, :])
    return 1 / (1 + np.exp((distance - _RADIUS) / _EDGE))
