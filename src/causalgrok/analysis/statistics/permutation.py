"""Exact permutation tests of the difference of means of two arms of runs.

Under the null a run's result does not depend on its arm, so every labeling is equally likely: all (n_a + n_b choose
n_a) ways to choose arm a where runs are independent, all 2^n swaps within pairs where seeds are paired (a swap flips
the sign of the pair's difference). p is the share of labelings whose statistic is at least as extreme (Fisher 1935;
Pitman 1937), two-sided as `results` defines it.

No labeling is listed one by one: a subset's sum is the sum of its parts in either half of the runs, so the labelings
beyond the observed one are counted by sorting the 2^(n/2) sums of each half (Horowitz & Sahni 1974). Up to `EXACT_RUNS`
runs, 20 against 20, p is exact; beyond, labelings are drawn and p = (1 + beyond) / (1 + draws), never 0 (Phipson &
Smyth 2010). The null is one distribution for both arms: with unequal arms of unequal spread, a difference in spread
alone can be significant.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from causalgrok.analysis.statistics.results import Alternative, Design, Significance, arms, sides, tail

EXACT_RUNS = 40
"""Most runs, or pairs, whose labelings are all counted."""


def permutation_test(
    a: ArrayLike,
    b: ArrayLike,
    *,
    paired: bool = False,
    alternative: Alternative = "two-sided",
    draws: int = 9_999,
    seed: int = 0,
) -> Significance:
    """Test whether arm a and arm b have one mean.

    Args:
        a: results of arm a's runs (n_a,).
        b: results of arm b's runs (n_b,); in the order of `a` if paired.
        paired: whether runs i of both arms share a seed.
        alternative: ``greater`` asks whether a lies above b.
        draws: labelings drawn where there are more than `EXACT_RUNS` runs.
        seed: seed of these draws.

    Returns:
        The estimate is mean(a) - mean(b).

    Raises:
        ValueError: an empty arm, a value that is not finite, or paired arms of unequal length.
    """
    a, b, design = arms(a, b, paired=paired)
    tails = sides(alternative)
    smallest = design.smallest_p(alternative)
    values = a - b if paired else np.concatenate([a, b])
    # Rounding must not break a tie between labelings of equal statistic.
    rounding = 8 * design.runs * np.finfo(np.float64).eps * max(np.abs(a).max(), np.abs(b).max())
    if not paired:
        values = values - values.mean()
    observed = values[: design.a].sum()
    exact = design.runs <= EXACT_RUNS
    if exact:
        size = None if paired else design.a
        above = _subsets_at_least(values, size, observed - rounding) / design.labelings
        below = _subsets_at_least(-values, size, -observed - rounding) / design.labelings
    else:
        if draws < 1:
            raise ValueError(f"draws is {draws}: expected at least 1 for {design}, too many runs for an exact p")
        sums = _drawn_sums(values, design, draws, seed)
        above = (1 + np.sum(sums >= observed - rounding)) / (1 + draws)
        below = (1 + np.sum(sums <= observed + rounding)) / (1 + draws)
        smallest = max(smallest, min(1.0, tails / (1 + draws)))
    return Significance(
        test="paired permutation" if paired else "permutation",
        design=str(design),
        n=design.runs,
        alternative=alternative,
        estimate=float(a.mean() - b.mean()),
        p=float(tail(above, below, alternative)),
        smallest_p=smallest,
        exact=exact,
    )


def _subsets_at_least(values: np.ndarray, size: int | None, threshold: float) -> int:
    """Number of subsets of values (n,), of one size or of any (None), whose sum reaches the threshold."""
    half = len(values) // 2
    left, right = (_subset_sums(part, size is not None) for part in (values[:half], values[half:]))
    count = 0
    for taken, sums in enumerate(left):
        rest = 0 if size is None else size - taken
        if 0 <= rest < len(right):
            others = np.sort(right[rest])
            count += len(others) * len(sums) - int(np.searchsorted(others, threshold - sums, "left").sum())
    return count


def _subset_sums(values: np.ndarray, by_size: bool) -> list[np.ndarray]:
    """Sums of all subsets of values (n,): a list by size, or one array of all 2^n."""
    sums = [np.zeros(1)]
    for value in values:
        if by_size:
            grown = [np.empty(0), *(part + value for part in sums)]
            sums = [np.concatenate(pair) for pair in zip([*sums, np.empty(0)], grown, strict=True)]
        else:
            sums = [np.concatenate([sums[0], sums[0] + value])]
    return sums


def _drawn_sums(values: np.ndarray, design: Design, draws: int, seed: int) -> np.ndarray:
    """Sums (draws,) of arm a, or of the differences that keep their sign, under drawn labelings."""
    rng = np.random.default_rng(seed)
    batch = max(1, 2_000_000 // len(values))
    sums = []
    for start in range(0, draws, batch):
        rows = min(batch, draws - start)
        if design.paired:
            sums.append(rng.integers(0, 2, (rows, len(values))) @ values)
        else:
            shuffled = rng.permuted(np.broadcast_to(values, (rows, len(values))), axis=1)
            sums.append(shuffled[:, : design.a].sum(axis=1))
    return np.concatenate(sums)


def attainable_size(design: Design, alpha: float, alternative: Alternative = "two-sided") -> float:
    """The share of labelings that an exact test rejects at alpha where no two labelings tie: alpha or less.

    The test is discrete, so its true size is the largest multiple of its steps that does not exceed alpha: 0 where the
    design cannot reach alpha at all.
    """
    tails = sides(alternative)
    each = math.floor(alpha * design.labelings / tails * (1 + 1e-12))
    return tails * each / design.labelings
