"""Random draws that interventions are compared against, and the seeds they come from.

Every draw is keyed by what it is for, never by the checkpoint: the same draws are used at every checkpoint and in every
run of equal size, so that differences between checkpoints are not differences of draws.

- Isotropic subspaces and directions are easy to beat, because features are not isotropic: shown, never decisive.
- Covariance-matched ones are spread as the features are: directions L g with L L^T the features' covariance S and g
  standard normal. No factor of S is needed. For centred features X (n, d) and g standard normal in n dimensions,
  X^T g / sqrt(n - 1) is normal with mean 0 and covariance X^T X / (n - 1) = S, which is the law of L g.
- Permuted hospitals refit the estimator itself after whole slides have exchanged hospitals. Where slides are
  exchangeable, the true grouping is one draw among them, so that its rank among the refits is exact.
"""

import zlib

import numpy as np


def generator(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """The random generator of one purpose; equal arguments give equal draws, different purposes independent ones."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *key])


def isotropic_subspaces(dimension: int, rank: int, repeats: int, *, seed: int) -> np.ndarray:
    """Orthonormal bases (repeats, dimension, rank) of isotropic subspaces.

    They are nested: the first r columns span an isotropic subspace of rank r.
    """
    rank = min(rank, dimension)
    draws = (generator(seed, "subspace", repeat).standard_normal((rank, dimension)) for repeat in range(repeats))
    return np.stack([np.linalg.qr(draw.T)[0] for draw in draws])


def isotropic_directions(dimension: int, repeats: int, *, seed: int) -> np.ndarray:
    """Isotropic unit vectors (repeats, dimension)."""
    draws = [generator(seed, "direction", repeat).standard_normal(dimension) for repeat in range(repeats)]
    return _unit(np.reshape(draws, (repeats, dimension)))


def random_orders(dimension: int, repeats: int, *, seed: int) -> np.ndarray:
    """Permutations (repeats, dimension) of the channels; the first k of one are a draw without replacement."""
    return np.stack([generator(seed, "neurons", repeat).permutation(dimension) for repeat in range(repeats)])


def covariance_matched_directions(features: np.ndarray, repeats: int, *, seed: int) -> np.ndarray:
    """Unit vectors (repeats, d) of random directions with the covariance of features (n, d).

    Features that do not vary give zeros.
    """
    draws = [generator(seed, "matched direction", repeat).standard_normal(len(features)) for repeat in range(repeats)]
    return _unit(np.reshape(draws, (repeats, len(features))) @ _covariance_factor(features))


def covariance_matched_subspaces(features: np.ndarray, rank: int, repeats: int, *, seed: int) -> np.ndarray:
    """Orthonormal bases (repeats, d, rank) of the spans of random directions with the covariance of features (n, d).

    They are nested: the first r columns span a covariance-matched subspace of rank r. Columns beyond the number of
    dimensions in which the features vary are orthogonal to all of these.
    """
    rank = min(rank, features.shape[1])
    factor = _covariance_factor(features)
    shape = (rank, len(features))
    draws = (generator(seed, "matched subspace", repeat).standard_normal(shape) for repeat in range(repeats))
    return np.stack([np.linalg.qr((draw @ factor).T)[0] for draw in draws])


def slide_ids(domains: np.ndarray, slides: np.ndarray) -> np.ndarray:
    """Numbers (n,) from 0 that tell the slides (n,) of all hospitals (n,) apart, whose own numbers may coincide."""
    return np.unique(np.column_stack([domains, slides]), axis=0, return_inverse=True)[1].ravel()


def permute_by_slide(domains: np.ndarray, slides: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hospitals (n,) after the slides (n,) have exchanged theirs at random; every slide keeps one hospital."""
    _, first, slide = np.unique(slides, return_index=True, return_inverse=True)
    return rng.permutation(domains[first])[slide]


def permuted_domains(
    domains: np.ndarray, slides: np.ndarray, repeats: int, *, seed: int, purpose: str = "refit"
) -> np.ndarray:
    """Hospitals (repeats, n) under which an estimator is refitted: whole slides have exchanged theirs at random.

    All groupings of the slides are drawn from, with replacement, the true one included: it comes up rarely where there
    are many slides, and where there are few, leaving it out would make p-values too small (of the three groupings of
    2 + 2 slides the true one is the most extreme in a third of all data sets without any effect). Hospitals only name
    groups, so names are dealt out by first appearance: equal groupings are equal arrays.

    Args:
        domains: (n,) hospitals.
        slides: (n,) slides; numbers may recur in other hospitals.
        repeats: number of draws.
        seed: seed of the draws.
        purpose: what they are for; different purposes draw independently.

    Raises:
        ValueError: the true grouping is the only one there is.
    """
    slide = slide_ids(domains, slides)
    true = domains[np.unique(slide, return_index=True)[1]]
    hospitals = len(np.unique(true))
    if hospitals < 2 or hospitals == len(true):
        raise ValueError(
            f"hospitals cannot be permuted by slide: {len(true)} slides in {hospitals} hospitals can be grouped in "
            "one way only; take two hospitals or more, and two slides or more in one of them"
        )
    numbers = np.arange(len(true))
    draws = (permute_by_slide(true, numbers, generator(seed, purpose, repeat)) for repeat in range(repeats))
    return np.stack([_named_by_appearance(draw, true) for draw in draws])[:, slide]


def without_label_means(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Features (n, d) in float64 minus the mean of all examples of the same label (n,).

    Hospitals balanced by label keep the differences of their means. Hospitals permuted by slide are not balanced,
    since slides differ in their share of tumour: without this their means would differ by tumour too, and a refitted
    estimator would find the tumour instead of a null effect of the hospital.
    """
    _, label = np.unique(labels, return_inverse=True)
    membership = np.eye(label.max() + 1)[label]
    features = features.astype(np.float64)
    return features - ((membership.T @ features) / membership.sum(axis=0)[:, None])[label]


def _named_by_appearance(draw: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The grouping `draw` (slides,) with the names that `true` (slides,) uses, both in order of first appearance."""
    names = true[np.sort(np.unique(true, return_index=True)[1])]
    _, first, group = np.unique(draw, return_index=True, return_inverse=True)
    return names[np.argsort(np.argsort(first))[group]]


def _covariance_factor(features: np.ndarray) -> np.ndarray:
    """The matrix F (n, d) with F^T F the covariance of features (n, d)."""
    features = features.astype(np.float64)
    return (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.finfo(np.float64).tiny)
