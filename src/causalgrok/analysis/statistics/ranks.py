"""Mean ranks, as Spearman's rho needs them, without `scipy.stats`: importing that takes longer than ranking."""

import numpy as np


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 (..., n) of values (..., n) along their last axis; equal values share the mean of their ranks.

    Every pair is compared, so this is for rows as short as a study's runs or an intervention's strengths.
    """
    below = np.sum(values[..., None, :] < values[..., :, None], axis=-1)
    equal = np.sum(values[..., None, :] == values[..., :, None], axis=-1)
    return below + (equal + 1) / 2
