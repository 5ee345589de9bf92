"""The hospital subspace of a checkpoint's pooled features, estimated in every way, and the controls of each.

Everything is fitted on the fitting slides of the probe pool; probes are judged on its other slides. Slides differ in
their share of tumour, so that a few slides of a hospital are not balanced by label even where the pool is, and still
less so under permuted hospitals: an estimator would find the tumour in the hospital's place. So classifiers weight
every hospital's labels equally (a pool balanced on the fitting slides has weights 1: the source's estimator), and
means are compared after the means of the labels were taken out. True and permuted hospitals are treated alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from causalgrok.interventions.between import SlideMeans, between_gram, hospital_shares, slide_means, without_noise
from causalgrok.interventions.controls import (
    covariance_matched_subspaces,
    isotropic_subspaces,
    permuted_domains,
    slide_ids,
    without_label_means,
)
from causalgrok.interventions.design import Design
from causalgrok.interventions.erasers import Eraser, leace_erasers, orthogonal_eraser, orthonormal_basis
from causalgrok.interventions.features import PROBE, Features
from causalgrok.interventions.inlp import Inlp, fit_inlp
from causalgrok.interventions.logistic import LogisticProbe, fit_many, fit_validated
from causalgrok.interventions.probing import judging_mask, slide_folds
from causalgrok.interventions.settings import Measurement


@dataclass(frozen=True)
class Patches:
    """Patches of the probe pool at one checkpoint."""

    features: np.ndarray
    """(n, d) float64."""

    hospitals: np.ndarray
    """(n,)."""

    slides: np.ndarray
    """(n,) numbered through all hospitals."""

    labels: np.ndarray
    """(n,)."""

    def __getitem__(self, mask: np.ndarray) -> "Patches":
        """The patches that a mask (n,) marks."""
        return Patches(self.features[mask], self.hospitals[mask], self.slides[mask], self.labels[mask])


@dataclass(frozen=True)
class Estimates:
    """What the probe pool says about the hospital at one checkpoint."""

    epoch: int
    """The checkpoint."""

    pool: Patches
    """All patches."""

    fitting: Patches
    """Those on which everything is fitted."""

    judging: Patches
    """Those of other slides, on which probes are judged."""

    folds: np.ndarray
    """(n,) folds of the fitting patches by slide."""

    design: Design
    """The fitting patches' features."""

    probe: LogisticProbe
    """The hospital classifier."""

    settings: Measurement
    """How the checkpoint is measured."""

    @cached_property
    def permuted(self) -> np.ndarray:
        """(refits, n) hospitals of the fitting patches after whole slides have exchanged theirs.

        Raises:
            ValueError: there is only one way to group the slides.
        """
        return permuted_hospitals(self.fitting, self.settings.refits, seed=self.settings.seed)

    @cached_property
    def refitted(self) -> list[LogisticProbe]:
        """The hospital classifier under each of the permuted hospitals, with the C of the true one."""
        weights = np.stack([balancing_weights(grouping, self.fitting.labels) for grouping in self.permuted])
        return fit_many(self.design, self.permuted, C=self.probe.C, weights=weights)

    @cached_property
    def leace(self) -> list[Eraser]:
        """LEACE of the true hospitals, and of each of the permuted ones."""
        return leace_erasers(self.fitting.features, np.vstack([self.fitting.hospitals, self.permuted]))

    @cached_property
    def inlp(self) -> Inlp:
        """The hospital classifier, what is left without its rows, and so on."""
        weights = balancing_weights(self.fitting.hospitals, self.fitting.labels)
        return fit_inlp(
            self.design,
            self.fitting.hospitals,
            C=self.probe.C,
            iterations=self.settings.inlp_iterations,
            weights=weights,
            first=self.probe,
        )


def estimate(features: Features, epoch: int, settings: Measurement) -> Estimates:
    """Read the probe pool at a checkpoint and fit the hospital classifier.

    Raises:
        ValueError: a hospital has only one slide, there is only one hospital, or a feature is not finite.
    """
    hospitals, groups = features.domains(PROBE), features.groups(PROBE)
    slides, labels = slide_ids(hospitals, groups), features.labels(PROBE)
    pool = Patches(features.at(epoch, PROBE).astype(np.float64), hospitals, slides, labels)
    judged = judging_mask(hospitals, groups, settings.judged_fraction, settings.seed)
    fitting = pool[~judged]
    folds = slide_folds(fitting.hospitals, fitting.slides, settings.folds, settings.seed)
    design, weights = Design.of(fitting.features), balancing_weights(fitting.hospitals, fitting.labels)
    probe = fit_validated(design, fitting.hospitals, folds, settings.inverse_regularisation, weights=weights)
    return Estimates(epoch, pool, fitting, pool[judged], folds, design, probe, settings)


def balancing_weights(target: np.ndarray, nuisance: np.ndarray) -> np.ndarray:
    """Weights (n,) of mean 1 under which every target (n,) has all its nuisances (n,) in equal parts.

    The sum of the weights of a target stays the number of its examples.
    """
    targets, names = (np.unique(values, return_inverse=True)[1] for values in (target, nuisance))
    sizes = np.zeros((targets.max() + 1, names.max() + 1))
    np.add.at(sizes, (targets, names), 1)
    share = sizes.sum(axis=1) / np.count_nonzero(sizes, axis=1)
    return share[targets] / sizes[targets, names]


def labelless_slides(patches: Patches, design: Design) -> SlideMeans:
    """Slide means of patches after the means of the labels were taken out; rounding in constant channels is zero."""
    return slide_means(without_label_means(patches.features, patches.labels) * design.live, patches.slides)


def hospital_erasers(estimates: Estimates) -> Iterator[tuple[str, Eraser]]:
    """The five ways at full rank: method, and eraser in every variant of space and centring.

    Logistic rows and mean differences come raw, raw centred and scaled centred; INLP raw and raw centred; LEACE as it
    is. The first variant is the one that is compared with controls, for mean differences shrunken (`shrunken_means`).
    A method that finds no direction is left out.
    """
    design = estimates.design
    rows = estimates.probe.raw_weight
    yield from _variants("logistic", rows, rows * design.scale, design)
    means = _mean_differences(estimates, estimates.fitting.hospitals[None])[0]
    yield from _variants("mean_difference", means, means / design.scale, design)
    if estimates.leace[0].rank:
        yield "leace", estimates.leace[0]
    if estimates.inlp.basis.size:
        inlp = orthogonal_eraser(estimates.inlp.basis)
        yield "inlp", inlp
        yield "inlp", centred(inlp, design.mean)


def control_erasers(estimates: Estimates, *, rank: int, repeats: int, refits: int) -> Iterator[tuple[str, int, Eraser]]:
    """Controls in raw features, not centred but for LEACE's: method, repeat and eraser.

    Args:
        estimates: what the pool says about the hospital.
        rank: of covariance-matched and isotropic subspaces.
        repeats: number of each of these.
        refits: how many of the settings' permuted hospitals logistic regression, shrunken means and LEACE meet.

    Raises:
        ValueError: hospitals cannot be permuted by slide.
    """
    fitting, seed = estimates.fitting, estimates.settings.seed
    groupings = estimates.permuted[:refits]
    drawn = {
        "matched": covariance_matched_subspaces(fitting.features, rank, repeats, seed=seed),
        "permuted": [orthonormal_basis(probe.raw_weight) for probe in estimates.refitted[:refits]],
        "isotropic": isotropic_subspaces(fitting.features.shape[1], rank, repeats, seed=seed),
    }
    for method, bases in drawn.items():
        for repeat, basis in enumerate(bases):
            if basis.size:
                yield method, repeat, orthogonal_eraser(basis)
    refitted = {
        "permuted_mean": shrunken_means(estimates, groupings),
        "permuted_leace": estimates.leace[1 : 1 + refits],
    }
    for method, erasers in refitted.items():
        for repeat, eraser in enumerate(erasers):
            if eraser.rank:
                yield method, repeat, eraser


def shrunken_means(estimates: Estimates, groupings: np.ndarray) -> list[Eraser]:
    """Erasers of mean differences that take out no more of a direction than noise leaves of it.

    Along a direction between hospitals' means with the variance v, of which slides that differ within hospitals explain
    t (`between`), the fraction ``max(0, 1 - t / v)`` is taken out: empirical Bayes, as James and Stein shrink means.
    Where hospitals lie far apart, slides dealt out at random still differ along the same directions, so that whole
    projections on permuted hospitals' mean differences take out the effect as well and no test tells them from the
    true ones'. Their fraction, though, is near zero.

    Args:
        estimates: what the pool says about the hospital.
        groupings: (m, n) hospitals of the fitting patches.

    Returns:
        An eraser, raw and not centred, for every grouping; of the rank of its means.
    """
    slides = labelless_slides(estimates.fitting, estimates.design)
    hospitals, once = groupings[:, slides.first], np.ones((len(groupings), len(slides.sizes)))
    grams, noises = between_gram(slides.means @ slides.means.T, hospitals, slides.sizes, once)
    erasers = []
    for means, gram, noise in zip(_mean_differences(estimates, groupings), grams, noises, strict=True):
        basis = orthonormal_basis(means)
        along = means @ basis
        sizes = np.sum(along**2, axis=0)
        fractions = np.einsum("kr,kl,lr->r", along, without_noise(gram, noise), along) / sizes**2
        erasers.append(replace(orthogonal_eraser(basis), left=basis * np.clip(fractions, 0, 1)))
    return erasers


def permuted_hospitals(patches: Patches, repeats: int, *, seed: int, purpose: str = "refit") -> np.ndarray:
    """Hospitals (repeats, n) of patches after whole slides have exchanged theirs.

    Raises:
        ValueError: there is only one way to group the slides.
    """
    try:
        return permuted_domains(patches.hospitals, patches.slides, repeats, seed=seed, purpose=purpose)
    except ValueError as error:
        raise ValueError(f"part of the probe pool's slides, for fitting or for judging: {error}") from None


def centred(eraser: Eraser, mean: np.ndarray) -> Eraser:
    """The eraser that puts the mean (d,) back."""
    return replace(eraser, centre=mean, centred=True)


def _variants(method: str, raw: np.ndarray, scaled: np.ndarray, design: Design) -> Iterator[tuple[str, Eraser]]:
    """Erasers of the span of rows (k, d), and of rows that span it in standardised coordinates."""
    basis, standard = orthonormal_basis(raw), orthonormal_basis(scaled)
    if basis.size:
        yield method, orthogonal_eraser(basis)
        yield method, orthogonal_eraser(basis, mean=design.mean)
        yield method, orthogonal_eraser(standard, mean=design.mean, scale=design.scale)


def _mean_differences(estimates: Estimates, groupings: np.ndarray) -> np.ndarray:
    """Hospitals' means (m, hospitals, d) under groupings (m, n) of the fitting patches, minus their own mean."""
    slides = labelless_slides(estimates.fitting, estimates.design)
    means = hospital_shares(groupings[:, slides.first], slides.sizes) @ slides.means
    return means - means.mean(axis=1, keepdims=True)
