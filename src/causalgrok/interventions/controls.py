"""Random draws that interventions are compared against, and the seeds they come from.

Every draw is keyed by what it is for, never by the checkpoint: the same subspaces, directions and channels are used at
every checkpoint and in every run of equal width, so that differences between checkpoints are not differences of draws.
These controls are isotropic. They are easy to beat, because features are not isotropic: shown, never decisive.
"""

import zlib

import numpy as np


def generator(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """The random generator of one purpose; equal arguments give equal draws, different purposes independent ones."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *key])


def random_subspaces(dimension: int, rank: int, repeats: int, *, seed: int) -> np.ndarray:
    """Orthonormal bases (repeats, dimension, rank) of isotropic subspaces.

    They are nested: the first r columns span an isotropic subspace of rank r.
    """
    rank = min(rank, dimension)
    draws = (generator(seed, "subspace", repeat).standard_normal((rank, dimension)) for repeat in range(repeats))
    return np.stack([np.linalg.qr(draw.T)[0] for draw in draws])


def random_directions(dimension: int, repeats: int, *, seed: int) -> np.ndarray:
    """Isotropic unit vectors (repeats, dimension)."""
    draws = np.stack([generator(seed, "direction", repeat).standard_normal(dimension) for repeat in range(repeats)])
    return draws / np.linalg.norm(draws, axis=1, keepdims=True)


def random_orders(dimension: int, repeats: int, *, seed: int) -> np.ndarray:
    """Permutations (repeats, dimension) of the channels; the first k of one are a draw without replacement."""
    return np.stack([generator(seed, "neurons", repeat).permutation(dimension) for repeat in range(repeats)])
