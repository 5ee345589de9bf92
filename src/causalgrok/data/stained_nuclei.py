"""The arithmetic of `causalgrok.data.nuclei` at five hospitals: does a network that groks hold their stain otherwise?

Hospitals and their ten slides stain as in `causalgrok.data.tissue`. Two are held out; the others show the training
pairs, each pair at one of them. The pairs that a seed holds out judge it, at every hospital, on fresh tissue:

    train       n pairs of the seed's training pool, dealt to the training hospitals label by label: in any subset a
                label's images differ by one at most from hospital to hospital
    id_val      every held-out pair at every training hospital
    ood_val     every held-out pair at one held-out hospital, ood_test at the other
    probe       all pairs at training hospitals, on tissue that no other split shows

So hospital says nothing about the label, in training as in probing, no run of a seed sees a held-out pair in training,
and the subset of a smaller n is the beginning of a larger one's. An image is its tissue, its slide and a hospital; the
same tissue on the same slide can be shown as every hospital's.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from causalgrok.data import modular
from causalgrok.data.nuclei import PicturedSettings, grow
from causalgrok.data.splits import Split
from causalgrok.data.tissue import SLIDES, TissueSettings, scan, slide_stain
from causalgrok.data.wilds_layout import HOSPITALS
from causalgrok.settings import Integer, Number

_TRAINING, _HELD_OUT, _PROBE = 0, 1, 1 + len(HOSPITALS)
"""Every pair has several tissues: that of training, one for each hospital that judges, and those of the probe pool."""

_Hospital = Annotated[Integer, Field(ge=0, lt=len(HOSPITALS))]


class StainedNucleiSettings(PicturedSettings):
    """Images of the arithmetic, and who stains them."""

    splits: ClassVar[tuple[str, ...]] = ("train", "id_val", "ood_val", "ood_test", "probe")
    """What is drawn."""

    kind: Literal["stained_nuclei"]
    """Arithmetic on the places of two nuclei at five hospitals, generated."""

    stain_distance: Annotated[Number, Field(ge=0, le=4)] = 1.0
    """How far apart the hospitals' stains are, as in `tissue`."""

    ood_val_hospital: _Hospital = 1
    """The hospital held out for OOD validation."""

    ood_test_hospital: _Hospital = 2
    """The hospital held out for the OOD test."""

    probe_copies: Annotated[Integer, Field(ge=1, le=len(HOSPITALS) - 2)] = 1
    """Images of each pair in the probe pool, each at another training hospital."""

    @model_validator(mode="after")
    def _holds_out_two(self) -> "StainedNucleiSettings":
        if self.ood_val_hospital == self.ood_test_hospital:
            raise ValueError(f"ood_test_hospital {self.ood_test_hospital} is the ood_val_hospital too; take another")
        return self

    @property
    def training_hospitals(self) -> np.ndarray:
        """The hospitals (3,) that are not held out."""
        return np.setdiff1d(HOSPITALS, [self.ood_val_hospital, self.ood_test_hospital])


SETTINGS = StainedNucleiSettings
"""What `draw` takes; see `causalgrok.data.registry`."""


def draw(settings: StainedNucleiSettings, *, n: int, seed: int) -> dict[str, Split]:
    """The splits of one seed.

    Inputs are (n, h, 2 h, 3) uint8 images, domains hospitals, groups slides, ten a hospital, and rows ``tissue * p * p
    + a * p + b``, which with hospital and slide say all there is to an image.

    Raises:
        ValueError: the pool has fewer than n pairs.
    """
    settings.check_size(n)
    pairs = modular.draw(settings, n=settings.pool, seed=seed)
    shown, held_out = pairs["train"], pairs["test"]
    training, judging = settings.training_hospitals, np.zeros(len(held_out), dtype=np.int64)

    def at(hospitals: Sequence[int]) -> Split:
        drawn = [_draw(settings, held_out, judging + hospital, _HELD_OUT + hospital, seed) for hospital in hospitals]
        return Split.joined(drawn)

    every = Split.joined([shown, held_out])
    copies = [
        _draw(settings, every, _dealt(every.labels + copy, training), _PROBE + copy, seed)
        for copy in range(settings.probe_copies)
    ]
    return {
        "train": _draw(settings, shown[:n], _dealt(shown.labels, training)[:n], _TRAINING, seed),
        "id_val": at(training.tolist()),
        "ood_val": at([settings.ood_val_hospital]),
        "ood_test": at([settings.ood_test_hospital]),
        "probe": Split.joined(copies),
    }


def show(
    settings: StainedNucleiSettings, rows: np.ndarray, hospitals: np.ndarray, slides: np.ndarray, *, seed: int
) -> np.ndarray:
    """Images (n, h, 2 h, 3) uint8 of the tissues (n,) on slides (n,), as hospitals (n,) show them; see `draw`."""
    tissues, pairs = np.divmod(rows, settings.modulus**2)
    side = settings.grid * settings.cell
    images = np.empty((len(rows), side, 2 * side, 3), dtype=np.uint8)
    stains = TissueSettings(stain_distance=settings.stain_distance, seed=settings.seed)
    for tissue in np.unique(tissues):
        grown = grow(settings, np.random.default_rng([settings.seed, seed, 2, tissue]))
        some = np.flatnonzero(tissues == tissue)
        for hospital, slide in np.unique(np.column_stack([hospitals, slides])[some], axis=0):
            own = some[(hospitals[some] == hospital) & (slides[some] == slide)]
            concentrations, noise = (part[pairs[own]] for part in grown)
            stain = slide_stain(stains, int(hospital), int(slide))
            images[own] = scan(concentrations, np.ones((side, 2 * side)), noise, stain)
    return images


def _draw(settings: StainedNucleiSettings, pairs: Split, hospitals: np.ndarray, tissue: int, seed: int) -> Split:
    """Pairs shown by hospitals (n,), each of which deals them to its slides in turn."""
    rows = tissue * settings.modulus**2 + pairs.rows
    slides = SLIDES * hospitals + _places(hospitals) % SLIDES
    return Split(show(settings, rows, hospitals, slides, seed=seed), pairs.labels, hospitals, slides, rows)


def _dealt(labels: np.ndarray, hospitals: np.ndarray) -> np.ndarray:
    """Hospitals (n,) for examples of these labels (n,): each label's are dealt in turn, beginning with another each."""
    return hospitals[(labels + _places(labels)) % len(hospitals)]


def _places(values: np.ndarray) -> np.ndarray:
    """How many equal ones (n,) come before each of the values (n,)."""
    order = np.argsort(values, kind="stable")
    counts = np.unique(values, return_counts=True)[1]
    places = np.empty(len(values), dtype=np.int64)
    places[order] = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
    return places
