"""Synthetic pooled features of which everything is known: where hospitals and tumour lie, and what the head reads.

A patch of slide j in hospital h with label y in {0, 1} has the features

    x = offset + strength * B p_h + slide_effect * a_j + tumour * (y - 1/2) t + e,    a_j, e ~ N(0, S) independent,

where S = Q diag(l) Q^T has a random orthonormal Q and the spectrum ``l_k ~ k^-exponent`` with mean 1 (exponent 0 is
isotropic noise). The hospital axes B (d, r) and the tumour axis t are random orthonormal directions orthogonal to
Q's first axis, the *loud* one along which features vary most; each is scaled so that 1 is the standard deviation of
the noise e along it. The head has the margin ``<t + reliance * b_1 + loud * q_1, x - offset> + bias``.

The places p_h of the three train hospitals have mean 0 and mean square 1 along the first hospital axis and
`SECOND_SPREAD`^2 along the second, so that `strength` is the root mean square shift of a hospital in units of the
noise. Both OOD hospitals lie on one side. Strength 0 is no hospital effect anywhere, at OOD hospitals neither.

Slides are independent draws from one law in every hospital if the strength is 0. That makes the hospitals of slides
exchangeable, which is all that a test by permuted slides rests on.
"""

from dataclasses import dataclass, replace

import numpy as np

from causalgrok.interventions.features import PROBE, SPLITS, STAGES, Features

SECOND_SPREAD = 0.7
"""Spread of the hospitals along the second hospital axis, as a fraction of that along the first."""

PLACES = {
    ("train", "id_val", PROBE): {0: (-(1.5**0.5), 0.5**0.5), 3: (0.0, -(2**0.5)), 4: (1.5**0.5, 0.5**0.5)},
    ("ood_val",): {1: (1.2, 0.6)},
    ("ood_test",): {2: (1.5, -0.6)},
}
"""Splits that share slides -> hospital -> its place along the hospital axes, in units of the hospitals' spread there;
the places of the train hospitals have mean 0 and mean square 1 along either axis."""


@dataclass(frozen=True, kw_only=True)
class FeatureModel:
    """What is planted. Lengths along an axis are in standard deviations of the noise along it."""

    d: int = 32
    """Number of channels."""

    slides: int = 10
    """Slides a hospital."""

    patches: int = 12
    """Patches a slide, in the splits of the train hospitals."""

    ood_patches: int = 48
    """Patches a slide at OOD hospitals: fractions of few images tie, and tests with ties keep below their level."""

    rank: int = 1
    """Number of hospital axes: 1 or 2."""

    strength: float = 0.0
    """Root mean square shift of the train hospitals along the first hospital axis."""

    slide_effect: float = 0.0
    """Standard deviation of slides as a fraction of that of patches within them."""

    exponent: float = 0.0
    """Decay of the noise's spectrum; 0 is isotropic."""

    tumour: float = 2.0
    """Distance between tumour and normal patches along the tumour axis."""

    share_spread: float = 0.0
    """Half-width of the uniform distribution of a slide's share of tumour around one half."""

    reliance: float = 1.0
    """Weight that the head gives to the first hospital axis, relative to the tumour axis."""

    loud: float = 0.0
    """Weight that it gives to the axis with the highest variance, on which neither hospital nor tumour lies."""

    bias: float = 0.0
    """What is added to the margin: a threshold that is off, in units of the features."""

    offset: float = 0.5
    """Mean of every channel."""

    def __post_init__(self) -> None:
        """Refuse what cannot be generated.

        Raises:
            ValueError: a value is out of its range.
        """
        if self.rank not in (1, 2):
            raise ValueError(f"rank: {self.rank} is not 1 or 2, the ranks that three hospitals can have")
        if self.d < 4:
            raise ValueError(f"d: {self.d} is below 4, the number of hospital, tumour and loud axes")
        if min(self.slides, self.patches, self.ood_patches) < 2:
            numbers = f"{self.slides}, {self.patches}, {self.ood_patches}"
            raise ValueError(f"slides, patches, ood_patches: {numbers}; each must be 2 or more")
        if min(self.strength, self.slide_effect, self.exponent) < 0 or not 0 <= self.share_spread <= 0.5:
            raise ValueError("strength, slide_effect, exponent: none may be negative; share_spread lies in 0 .. 0.5")


@dataclass(frozen=True)
class Truth:
    """The axes that were planted, as unit vectors."""

    hospital_axes: np.ndarray
    """(d, rank) orthonormal basis of the hospital plane, the first axis first."""

    tumour_axis: np.ndarray
    """(d,) orthogonal to it."""

    loud_axis: np.ndarray
    """(d,) axis of the highest variance, orthogonal to both."""

    covariance: np.ndarray
    """(d, d) covariance S of the noise within slides."""


@dataclass(frozen=True)
class Planted:
    """Generated features and the truth behind them."""

    features: Features
    """One checkpoint, epoch 0; the split `probe` holds the same features at every stage."""

    truth: Truth


def generate(model: FeatureModel, seed: int) -> Planted:
    """Draw features and a head from a model; equal seeds give equal features.

    The splits train, id_val and probe hold different patches of the same slides, as in Camelyon17-WILDS. Noise, slides
    and axes do not depend on `strength` or `reliance`, so that strengths can be compared at equal draws.
    """
    rng = np.random.default_rng(seed)
    truth, root = _axes(model, rng)
    plane = truth.hospital_axes * np.sqrt(_variances(truth.covariance, truth.hospital_axes))
    tumour = truth.tumour_axis * np.sqrt(_variances(truth.covariance, truth.tumour_axis[:, None]))
    arrays: dict[str, np.ndarray] = {"epochs": np.array([0])}
    for splits, places in PLACES.items():
        domains = np.repeat(list(places), model.slides)
        effects = model.slide_effect * rng.standard_normal((len(domains), model.d)) @ root
        shares = 0.5 + model.share_spread * rng.uniform(-1, 1, len(domains))
        place = np.array([places[domain] for domain in domains]) * (1, SECOND_SPREAD)
        shift = model.strength * place[:, : model.rank] @ plane.T
        patches = model.patches if PROBE in splits else model.ood_patches
        for split in splits:
            slide = np.repeat(np.arange(len(domains)), patches)
            labels = _labels(shares, patches, rng)
            noise = rng.standard_normal((len(slide), model.d)) @ root
            values = model.offset + (shift + effects)[slide] + np.outer(labels - 0.5, model.tumour * tumour) + noise
            arrays |= {f"{split}/labels": labels, f"{split}/domains": domains[slide]}
            arrays[f"{split}/groups"] = model.slides * domains[slide] + slide % model.slides
            for stage in STAGES if split == PROBE else ("pooled",):
                arrays[f"0/{split}/{stage}"] = values.astype(np.float32)
    row = truth.tumour_axis + model.reliance * truth.hospital_axes[:, 0] + model.loud * truth.loud_axis
    arrays["0/head.weight"] = np.stack([-row / 2, row / 2]).astype(np.float32)
    bias = model.bias - model.offset * row.sum()
    arrays["0/head.bias"] = np.array([-bias / 2, bias / 2], dtype=np.float32)
    return Planted(Features(arrays.__getitem__, SPLITS), truth)


def with_strength(model: FeatureModel, strength: float) -> FeatureModel:
    """The same model with another strength of the hospital effect."""
    return replace(model, strength=strength)


def _axes(model: FeatureModel, rng: np.random.Generator) -> tuple[Truth, np.ndarray]:
    """The planted axes, and a root (d, d) of the noise's covariance."""
    rotation = np.linalg.qr(rng.standard_normal((model.d, model.d)))[0]
    spectrum = np.arange(1, model.d + 1.0) ** -model.exponent
    root = (rotation * np.sqrt(spectrum * model.d / spectrum.sum())).T
    mixture = np.linalg.qr(rng.standard_normal((model.d - 1, 3)))[0]
    quiet = rotation[:, 1:] @ mixture
    return Truth(quiet[:, 1 : 1 + model.rank], quiet[:, 0], rotation[:, 0], root.T @ root), root


def _variances(covariance: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Variances (r,) along unit vectors (d, r)."""
    return np.einsum("dr,de,er->r", axes, covariance, axes)


def _labels(shares: np.ndarray, patches: int, rng: np.random.Generator) -> np.ndarray:
    """Labels (slides * patches,): in every slide the rounded share (slides,) of tumour, in random order."""
    counts = np.round(shares * patches).astype(int)
    ordered = (np.arange(patches) < counts[:, None]).astype(np.int64)
    return rng.permuted(ordered, axis=1).ravel()
