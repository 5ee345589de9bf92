"""Layer-wise linear probing: how well hospital and tumour can be read off each stage, over training.

StandardScaler and L2 logistic regression (Alain & Bengio 2016, arXiv 1610.01644) for hospital and for tumour, at all
stages of every checkpoint. Probes are fitted on the fitting slides of the probe pool and judged on its other slides; C
comes from cross-validation grouped by slide, the same for every target. Control: hospital permuted by slide, whole
slides at a time, because patches of one slide are not independent and a slide is easily told from another.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS
from causalgrok.interventions.controls import generator, permute_by_slide
from causalgrok.interventions.design import Design
from causalgrok.interventions.features import PROBE, Features
from causalgrok.interventions.logistic import fit_validated_many
from causalgrok.interventions.settings import Measurement

_LEADING = 96
"""Principal axes onto which features are rotated for the fits."""


@dataclass(frozen=True)
class Target:
    """One thing to decode from the probe pool of n patches."""

    name: str
    """hospital or tumour."""

    control: str
    """none, or permuted: hospital permuted by slide."""

    repeat: int
    """Index of the permutation."""

    labels: np.ndarray
    """(n,) what is decoded."""

    folds: np.ndarray
    """(n,) fold of cross-validation; of use on the fitting slides."""


def judging_mask(domains: np.ndarray, groups: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Which patches (n,) lie on the slides on which probes are judged; the others are for fitting.

    Drawn by slide within each hospital, with at least one slide on either side. The draw depends on the hospital's
    slides alone, not on the number or order of patches.

    Args:
        domains: (n,) hospitals.
        groups: (n,) slides.
        fraction: fraction of each hospital's slides to judge on.
        seed: seed of the draw.

    Raises:
        ValueError: a hospital has only one slide.
    """
    judging = np.zeros(len(domains), dtype=bool)
    for domain in np.unique(domains):
        slides = np.unique(groups[domains == domain])
        if len(slides) < 2:
            raise ValueError(
                f"hospital {domain} has {len(slides)} slide in the probe pool; probes are fitted and judged on "
                "different slides, which takes two"
            )
        count = min(max(round(fraction * len(slides)), 1), len(slides) - 1)
        judged = generator(seed, "judging", domain).permutation(slides)[:count]
        judging |= (domains == domain) & np.isin(groups, judged)
    return judging


def slide_folds(labels: np.ndarray, slides: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Fold (n,) of every patch: whole slides (n,), those of each label (n,) dealt over the folds in turn."""
    fold = np.zeros(len(labels), dtype=int)
    dealt = 0
    for label in np.unique(labels):
        for slide in generator(seed, "folds", label).permutation(np.unique(slides[labels == label])):
            fold[(labels == label) & (slides == slide)] = dealt % folds
            dealt += 1
    return fold


def probe_layers(features: Features, settings: Measurement) -> pd.DataFrame:
    """Fit and judge the probes at every checkpoint and stage.

    Returns:
        The columns of the table `probing`: a row for hospital, for tumour and for each permutation of hospital.

    Raises:
        ValueError: a hospital has only one slide, a target only one class, or a feature is not finite.
    """
    judging, targets = _targets(features, settings)
    fitting = ~judging
    rows = []
    for epoch in features.epochs:
        for stage in features.stages:
            values = features.at(epoch, PROBE, stage)
            design, judged = Design.of(values[fitting], leading=_LEADING), values[judging].astype(np.float64)
            labels, folds = (np.array([getattr(t, name)[fitting] for t in targets]) for name in ("labels", "folds"))
            probes = fit_validated_many(design, labels, folds, settings.inverse_regularisation)
            for target, probe in zip(targets, probes, strict=True):
                labels = target.labels[judging]
                rows.append(
                    {
                        "epoch": epoch,
                        "stage": stage,
                        "target": target.name,
                        "control": target.control,
                        "repeat": target.repeat,
                        "accuracy": np.mean(probe.predict(judged) == labels),
                        "chance": np.unique(labels, return_counts=True)[1].max() / len(labels),
                        "C": probe.C,
                        "n_fit": fitting.sum(),
                        "n_test": judging.sum(),
                    }
                )
    return pd.DataFrame(rows, columns=list(COLUMNS["probing"]))


def _targets(features: Features, settings: Measurement) -> tuple[np.ndarray, list[Target]]:
    """The judging mask (n,) of the probe pool, and what is decoded from it."""
    domains, groups = features.domains(PROBE), features.groups(PROBE)
    judging = judging_mask(domains, groups, settings.judged_fraction, settings.seed)
    slides = np.unique(np.column_stack([domains, groups]), axis=0, return_inverse=True)[1].ravel()
    folds = np.zeros(len(domains), dtype=int)
    folds[~judging] = slide_folds(domains[~judging], slides[~judging], settings.folds, settings.seed)
    targets = [
        Target("hospital", "none", 0, domains, folds),
        Target("tumour", "none", 0, features.labels(PROBE), folds),
    ]
    for repeat in range(settings.permutations):
        permuted, folds = domains.copy(), np.zeros(len(domains), dtype=int)
        # Fitting and judging slides exchange among themselves: each side keeps its number of slides per hospital.
        for side, name in ((~judging, "permuted fitting"), (judging, "permuted judging")):
            permuted[side] = permute_by_slide(domains[side], slides[side], generator(settings.seed, name, repeat))
        folds[~judging] = slide_folds(permuted[~judging], slides[~judging], settings.folds, settings.seed)
        targets.append(Target("hospital", "permuted", repeat, permuted, folds))
    return judging, targets
