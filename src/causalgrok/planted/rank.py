"""How many directions tell hospitals apart: a sequential permutation test of the rank of their mean differences.

With the centred means M (hospitals, d) of hospitals' features, which one singular value decomposition splits into
s_1 u_1 v_1^T + s_2 u_2 v_2^T + ..., the test of rank j asks whether s_{j+1} exceeds what slides alone would give. The
first j terms are kept as they are, everything else of a slide's mean, its residual, changes hospitals at random, and
``s_{j+1}`` of kept terms plus permuted residual means is its null (Freedman & Lane 1983, J. Bus. Econ. Stat. 1:292).
Merely projecting out the first j directions would be too strict: observed means have j dimensions fewer left than the
permuted ones. The rank is the first j that is not rejected; at strength 0 its test is exact.
"""

import numpy as np

from causalgrok.analysis.verdicts import verdict_of
from causalgrok.interventions.between import hospital_shares, slide_means
from causalgrok.interventions.controls import permuted_domains, slide_ids


def hospital_rank(
    features: np.ndarray,
    domains: np.ndarray,
    slides: np.ndarray,
    *,
    permutations: int = 199,
    level: float = 0.05,
    seed: int = 0,
) -> int:
    """Number of directions along which hospitals differ by more than their slides do.

    Args:
        features: (n, d) features.
        domains: (n,) hospitals.
        slides: (n,) slides; numbers may recur in other hospitals.
        permutations: random regroupings of slides for each test.
        level: level of each test, so that a rank is overestimated with about this probability.
        seed: seed of the regroupings.

    Returns:
        0 .. min(hospitals - 1, d).

    Raises:
        ValueError: hospitals cannot be permuted by slide, or the permutations are too few for the level.
    """
    if 1 / (1 + permutations) > level:
        raise ValueError(f"permutations: {permutations} cannot reach the level {level}; take more than 1 / level - 2")
    summed = slide_means(features.astype(np.float64), slide_ids(domains, slides))
    true = domains[summed.first]
    drawn = permuted_domains(true, np.arange(len(true)), permutations, seed=seed, purpose="rank")
    shares = hospital_shares(np.vstack([true, drawn]), summed.sizes)
    averaging = shares - shares.mean(axis=1, keepdims=True)
    left, values, right = np.linalg.svd(averaging[0] @ summed.means, full_matrices=False)
    hospital, most = np.unique(true, return_inverse=True)[1], min(len(left) - 1, features.shape[1])
    for rank in range(most):
        kept = (left[:, :rank] * values[:rank]) @ right[:rank]
        null = np.linalg.svd(kept + averaging[1:] @ (summed.means - kept[hospital]), compute_uv=False)[:, rank]
        if verdict_of(values[rank], null).p > level:
            return rank
    return most
