"""Iterative nullspace projection: hospital classifiers fitted and taken out in turn (Ravfogel et al. 2020, 2004.07667).

A logistic regression for hospital is fitted, the span of its rows is taken out of the features, another one is fitted
to what is left, and so on. The dimensions taken out form one nested orthonormal basis, and the accuracy of each
classifier on other slides says how much of the hospital was left before its own rows went.

Choices. The basis is orthonormal in raw features. Every classifier has the C and the standardisation of the first, so
that they differ in what they may read and in nothing else.
"""

from dataclasses import dataclass

import numpy as np

from causalgrok.interventions.design import Design
from causalgrok.interventions.erasers import orthonormal_basis
from causalgrok.interventions.logistic import LogisticProbe, fit_logistic

_NOTHING = 1e-6
"""Rows below this fraction of the first classifier's length are rounding: nothing can be read any more."""


@dataclass(frozen=True)
class Inlp:
    """What the iterations took out, and the classifiers of what was left."""

    basis: np.ndarray
    """(d, r) orthonormal; the first columns are those taken out first."""

    ranks: np.ndarray
    """(m,) dimensions taken out before each classifier was fitted: 0, hospitals - 1, ..., r."""

    probes: tuple[LogisticProbe, ...]
    """m classifiers. They read nothing of what was taken out, so that they classify the features as they are."""


def fit_inlp(
    design: Design,
    hospitals: np.ndarray,
    *,
    C: float,
    iterations: int,
    weights: np.ndarray | None = None,
    first: LogisticProbe | None = None,
) -> Inlp:
    """Run INLP; it ends early where nothing is left that could be read.

    Args:
        design: the fitting features.
        hospitals: (n,) what is taken out.
        C: inverse regularisation.
        iterations: how many classifiers are taken out; one more is fitted, which says what is left in the end.
        weights: (n,) weights of the examples, of mean 1; none is all equal.
        first: the first classifier, if it is there already.

    Raises:
        ValueError: there are fewer than two hospitals.
    """
    probe = first or fit_logistic(design, hospitals, C=C, weights=weights)
    probes, basis, ranks = [probe], np.zeros((len(design.scale), 0)), [0]
    least = _NOTHING * np.linalg.norm(probe.raw_weight)
    for _ in range(iterations):
        rows = probes[-1].raw_weight
        rows = rows - rows @ basis @ basis.T  # orthogonal but for rounding
        if np.linalg.norm(rows) <= least:
            break
        basis = np.hstack([basis, orthonormal_basis(rows)])
        ranks.append(basis.shape[1])
        probes.append(fit_logistic(design.without(basis), hospitals, C=C, weights=weights))
    return Inlp(basis, np.array(ranks), tuple(probes))
