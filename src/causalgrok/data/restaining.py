"""Photographs in another hospital's stain: Macenko's and Reinhard's normalisation, estimated hospital by hospital.

`torchstain` estimates what each hospital's patches have in common; a pixel is then carried over from its own hospital's
estimate to the target's.

    macenko   Optical densities D = -ln(I / white) lie near the plane of two dyes: D = H c + noise. With the target's
              dyes H' and c' = c * strengths' / strengths, the pixel becomes white' exp(-H' c' - noise).
    reinhard  Each channel of CIE-LAB is given the target's mean and standard deviation.

Choices. The library's `normalize` estimates the stain from the image it is given; a patch confounds it with how much
tumour there is, a slide likewise unless its labels are balanced. Estimated from a hospital's balanced references, what
is particular to a slide stays in the image, and an image under its own hospital is left as it is: only the hospital
changes. White is measured, for every channel, instead of the library's 240: scanners differ in it. Pixels with a
channel crushed to black are left out of the estimate, as pixels without stain are: they point to no dye. The noise is
kept, or every moved image would lose it as well. Measured on 60 patches a hospital of `tissue` at 48 pixels and stain
distance 1: the pixel error to the true re-rendering as a share of that of the image left alone, mean over the 20 pairs
of hospitals (other patches move it by up to 0.05):

                                      macenko  reinhard
    `normalize`, a patch at a time       0.37      0.50
    `normalize`, a slide at a time       0.32      0.33
    `normalize`, a hospital at a time    0.25      0.20
    the same with white measured         0.14         -
    this module                          0.13      0.20

Macenko et al. (2009), https://doi.org/10.1109/ISBI.2009.5193250; Reinhard et al. (2001),
https://doi.org/10.1109/38.946629.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from torchstain.numpy.normalizers import NumpyMacenkoNormalizer, NumpyReinhardNormalizer
from torchstain.numpy.utils import lab2rgb, rgb2lab

Method = Literal["macenko", "reinhard"]

_WHITE_PERCENTILE = 99
"""Above the pixels that hold tissue, below the scanner's outliers."""

_CRUSHED = 5
"""Grey level below which a channel no longer says how dense the stain was."""

_LEAST_DENSITY = 0.15
"""The library's own limit: a pixel is stained where no channel's optical density is below this."""

_STAINED = 0.05
"""Share of stained pixels that an estimate takes: strengths are 99th percentiles over all pixels."""

_NOISE = 0.1
"""Optical density beyond the two dyes that passes for noise; more is a saturated pixel or ink, and turned nuclei green
when patches crushed to black were shown as a paler hospital's."""

_NARROWEST = 5
"""Degrees between the dyes below which they cannot be told apart."""

_LAB_SCALE, _LAB_OFFSET = np.array([2.55, 1, 1]), np.array([0, 128, 128])
"""The library's LAB is OpenCV's, scaled to bytes."""

_BLOCK = 64
"""Images re-stained at a time, which bounds the memory."""


@dataclass(frozen=True)
class MacenkoStain:
    """A hospital's white and dyes."""

    white: np.ndarray
    """(3,) intensity plus one where there is no tissue: the library adds one, lest black have no logarithm."""

    dyes: np.ndarray
    """(3, 2) optical densities of haematoxylin and eosin in red, green and blue, natural logarithm, each of norm 1."""

    strengths: np.ndarray
    """(2,) 99th percentile of either dye's concentration."""

    @classmethod
    def fit(cls, images: np.ndarray) -> Self:
        """Estimate the stain of images (k, h, w, 3) uint8.

        Raises:
            ValueError: hardly a pixel is stained, or there is one dye only.
        """
        pixels = images.reshape(-1, 3).astype(float)
        white = np.percentile(pixels, _WHITE_PERCENTILE, axis=0) + 1
        # At Io = 1 the library's optical density of this is -ln((pixel + 1) / white).
        scaled = (pixels[(pixels >= _CRUSHED).all(axis=1)] + 1) / white - 1
        stained = np.count_nonzero((-np.log(scaled + 1) >= _LEAST_DENSITY).all(axis=1)) / len(pixels)
        if stained < _STAINED:
            raise ValueError(f"{stained:.1%} of the pixels are stained tissue; an estimate takes {_STAINED:.0%}")
        normaliser = NumpyMacenkoNormalizer()
        normaliser.fit(scaled, Io=1, beta=_LEAST_DENSITY)
        dyes, strengths = normaliser.HERef, normaliser.maxCRef
        angle = np.degrees(np.arccos(np.clip(dyes[:, 0] @ dyes[:, 1], -1, 1)))
        if not angle >= _NARROWEST or not (strengths > 0).all():
            raise ValueError(
                f"the two dyes cannot be told apart: {angle:.1f} degrees between them, strengths "
                f"{strengths[0]:.2f} and {strengths[1]:.2f}; is this H&E?"
            )
        return cls(white, dyes, strengths)

    def show(self, images: np.ndarray, target: Self) -> np.ndarray:
        """Images (n, h, w, 3) uint8 of this stain in the target's, as floats on the scale of grey levels."""
        density = -np.log((images + 1.0) / self.white)
        concentrations = density @ np.linalg.pinv(self.dyes).T
        noise = (density - concentrations @ self.dyes.T).clip(-_NOISE, _NOISE)
        moved = concentrations * (target.strengths / self.strengths) @ target.dyes.T
        return target.white * np.exp(-moved - noise) - 1


@dataclass(frozen=True)
class ReinhardStain:
    """A hospital's colours."""

    means: np.ndarray
    """(3,) mean of L, a and b."""

    deviations: np.ndarray
    """(3,) their standard deviations."""

    @classmethod
    def fit(cls, images: np.ndarray) -> Self:
        """Estimate the colours of images (k, h, w, 3) uint8.

        Raises:
            ValueError: all pixels have the same colour.
        """
        normaliser = NumpyReinhardNormalizer()
        normaliser.fit(images)
        means, deviations = normaliser.target_means, normaliser.target_stds
        if not (deviations > 0).all():
            raise ValueError(f"the pixels do not vary: standard deviations of L, a and b are {deviations.tolist()}")
        return cls(means, deviations)

    def show(self, images: np.ndarray, target: Self) -> np.ndarray:
        """Images (n, h, w, 3) uint8 of this stain in the target's, as floats on the scale of grey levels."""
        lab = (rgb2lab(images / 255) - _LAB_OFFSET) / _LAB_SCALE
        moved = (lab - self.means) / self.deviations * target.deviations + target.means
        return 255 * lab2rgb(moved * _LAB_SCALE + _LAB_OFFSET)


Stain = MacenkoStain | ReinhardStain
_STAINS: dict[str, type[Stain]] = {"macenko": MacenkoStain, "reinhard": ReinhardStain}


def fit_stains(references: dict[int, np.ndarray], method: Method) -> dict[int, Stain]:
    """Estimate every hospital's stain.

    Args:
        references: hospital -> (k, h, w, 3) uint8 patches that show its stain; balanced by label, lest the stain be
            confounded with the amount of tumour.
        method: macenko or reinhard.

    Raises:
        ValueError: a hospital's patches allow no estimate; the message names it.
    """
    if method not in _STAINS:
        raise ValueError(f"method of re-staining is {method!r}, expected one of {', '.join(_STAINS)}")
    stains = {}
    for hospital, images in references.items():
        try:
            stains[hospital] = _STAINS[method].fit(images)
        except ValueError as error:
            raise ValueError(f"hospital {hospital}, {method}: {error}") from error
    return stains


def restain(images: np.ndarray, hospitals: np.ndarray, stains: dict[int, Stain], target: int) -> np.ndarray:
    """Show images as the target hospital's.

    Args:
        images: (n, h, w, 3) uint8.
        hospitals: (n,) whose they are.
        stains: hospital -> its stain, from `fit_stains`.
        target: the hospital as which they are shown; its own images are returned unchanged.

    Returns:
        (n, h, w, 3) uint8.

    Raises:
        ValueError: a hospital has no stain.
    """
    if missing := sorted({*np.unique(hospitals).tolist(), target} - stains.keys()):
        raise ValueError(f"hospital {missing[0]} has no stain; there are those of {sorted(stains)}")
    shown = images.copy()
    for hospital in np.setdiff1d(hospitals, [target]).tolist():
        where = np.flatnonzero(hospitals == hospital)
        for block in np.split(where, range(_BLOCK, len(where), _BLOCK)):
            levels = stains[hospital].show(images[block], stains[target])
            shown[block] = levels.round().clip(0, 255)  # the library truncates, which darkens by half a grey level
    return shown
