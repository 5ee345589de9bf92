"""Ranks against scipy's."""

import numpy as np
from scipy.stats import rankdata

from causalgrok.analysis.statistics.ranks import mean_ranks


def test_ranks_are_those_of_scipy_with_and_without_ties():
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=(40, 7)), rng.integers(0, 4, (40, 9)), np.zeros((2, 5)), rng.normal(size=6)):
        assert np.array_equal(mean_ranks(values), rankdata(values, axis=-1))
