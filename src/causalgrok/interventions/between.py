"""How far apart hospitals are, from the means of their slides: under many groupings of slides, and without their noise.

A hospital's mean m_h is known as well as its slides agree, and the covariance between means holds that noise too: with
hundreds of channels slides alone make hospitals differ in all directions alike. The noise of ``m_h . m_h`` has the
expectation t_h, the variance of the mean over slides, and noises of different hospitals are independent, so that

    G = C (M M^T - diag(t)) C,    C = 1 - 11^T / k,    t_h = sum_s w_s^2 |x_s - m_h|^2 / f,
    f = 1 - (2 sum_s w_s^3 - (sum_s w_s^2)^2) / sum_s w_s^2

is the Gram matrix between k hospitals of which the noise is taken out; w_s is slide s's share of the patches of its
hospital, x_s its mean, and f = (S - 1) / S for S slides of equal size. For slides of equal variance t_h is unbiased.
A hospital of one slide takes their variance from the others.
All of it follows from the slides' own Gram matrix, whatever the number of channels.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtri


@dataclass(frozen=True)
class SlideMeans:
    """Patches summed up by slide."""

    means: np.ndarray
    """(slides, d) mean features."""

    sizes: np.ndarray
    """(slides,) patches."""

    first: np.ndarray
    """(slides,) index of a patch of each slide, which tells its hospital."""


def slide_means(features: np.ndarray, slides: np.ndarray) -> SlideMeans:
    """Sum features (n, d) up by slide (n,), slides ascending; their numbers must differ between hospitals."""
    order = np.argsort(slides, kind="stable")
    start = np.unique(slides[order], return_index=True)[1]
    sizes = np.diff(np.append(start, len(slides)))
    return SlideMeans(np.add.reduceat(features[order], start, axis=0) / sizes[:, None], sizes, order[start])


def hospital_shares(hospitals: np.ndarray, sizes: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Shares (m, k, slides) that slides have in the k hospitals, ascending: times slide means they are hospital means.

    Args:
        hospitals: (m, slides) hospitals under m groupings.
        sizes: (slides,) patches.
        counts: (m, slides) how often every slide counts; none is once.
    """
    member = (hospitals[:, None] == np.unique(hospitals)[:, None]) * sizes
    member = member if counts is None else member * counts[:, None]
    return member / member.sum(axis=-1, keepdims=True)


def between_gram(
    gram: np.ndarray, hospitals: np.ndarray, sizes: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gram matrices M M^T (m, k, k) of the hospitals' means, and their noise t (m, k).

    Args:
        gram: (slides, slides) inner products of the slides' means.
        hospitals: (m, slides) hospitals under m groupings.
        sizes: (slides,) patches.
        counts: (m, slides) how often every slide counts.
    """
    shares = hospital_shares(hospitals, sizes, counts)
    means = shares @ gram @ shares.swapaxes(-1, -2)
    squares = np.diagonal(means, axis1=-2, axis2=-1)[..., None]
    distances = np.diag(gram) - 2 * shares @ gram + squares
    # A slide that counts c times is c slides with shares of w / c each.
    share = shares / np.maximum(counts[:, None], 1)
    return means, _noise(np.sum(shares * share * distances, axis=-1), shares, share)


def hospital_fractions(slides: SlideMeans, hospitals: np.ndarray) -> np.ndarray:
    """How much of every channel's variance between hospitals lies beyond what the noise of slides reaches.

    ``max(0, 1 - q t / v)``, channel by channel: v is the variance between hospitals' means, t what slides alone would
    make of it, and q the .99 quantile of the F distribution with k - 1 and S - k degrees of freedom, which is that of
    ``v / t`` for S slides of equal size in k hospitals that do not differ. 0 for nearly all channels then, near 1 where
    hospitals lie far apart; 0 for a channel that does not vary.

    Args:
        slides: the slides' means.
        hospitals: (m, slides) hospitals under m groupings.

    Returns:
        (m, d).
    """
    shares = hospital_shares(hospitals, slides.sizes)
    means, squares = shares @ slides.means, shares**2
    distances = squares @ slides.means**2 - 2 * means * (squares @ slides.means)
    distances += means**2 * squares.sum(axis=-1, keepdims=True)
    k = means.shape[1]
    noise = _noise(distances, shares[..., None, :], shares[..., None, :]).sum(axis=1) * (1 - 1 / k)
    between = np.sum((means - means.mean(axis=1, keepdims=True)) ** 2, axis=1)
    ratio = np.divide(noise, between, out=np.ones_like(noise), where=between > 0)
    return np.clip(1 - fdtri(k - 1, max(hospitals.shape[1] - k, 1), 0.99) * ratio, 0, 1)


def _noise(weighted: np.ndarray, shares: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The noise t (m, k, ...) of hospitals' means from their slides' weighted squared distances (m, k, ...).

    A hospital of one slide says nothing about how slides differ: they are taken to differ as in the others.
    """
    squared, cubed = np.sum(shares * share, axis=-1), np.sum(shares * share**2, axis=-1)
    factor = 1 - (2 * cubed - squared**2) / squared
    known = np.broadcast_to(factor > 1e-9, weighted.shape)
    variance = np.divide(weighted, factor * squared, out=np.zeros(weighted.shape), where=known)
    others = variance.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    return np.where(known, variance, others) * squared


def without_noise(means: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The centred Gram matrix (..., k, k) of means, of which the noise (..., k) is taken out."""
    k = means.shape[-1]
    centring = np.eye(k) - 1 / k
    return centring @ (means - noise[..., None] * np.eye(k)) @ centring


def draw_slides(hospitals: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each slide comes up (draws, slides) when as many are drawn from every hospital (slides,) as it has."""
    counts = np.zeros((draws, len(hospitals)))
    for hospital in np.unique(hospitals):
        own = np.flatnonzero(hospitals == hospital)
        counts[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=draws)
    return counts


def participation_ratio(gram: np.ndarray) -> np.ndarray:
    """Participation ratio (...) of Gram matrices (..., k, k), negative eigenvalues taken as 0; NaN without others."""
    values = np.clip(np.linalg.eigvalsh(gram), 0, None)
    squares = np.sum(values**2, axis=-1)
    return np.divide(np.sum(values, axis=-1) ** 2, squares, out=np.full(squares.shape, np.nan), where=squares > 0)


def smallest_angle(gram: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Smallest principal angle (...) in degrees between the span of hospitals' mean differences and another space.

    Its squared cosine is the largest ratio ``a^T A a / a^T G a`` over combinations a of hospitals.

    Args:
        gram: (..., k, k) centred Gram matrix of the means, G.
        along: (..., k, k) that of their projections on the other space, A.

    Returns:
        Angles; NaN where G has no positive eigenvalue.
    """
    values, vectors = np.linalg.eigh(gram)
    present = values > 1e-9 * np.abs(values).max(axis=-1, keepdims=True)
    roots = np.sqrt(np.where(present, values, 1))
    whitened = vectors * (present / roots)[..., None, :]
    cosines = np.linalg.eigvalsh(whitened.swapaxes(-1, -2) @ along @ whitened)[..., -1]
    return np.where(present.any(axis=-1), np.degrees(np.arccos(np.sqrt(np.clip(cosines, 0, 1)))), np.nan)
