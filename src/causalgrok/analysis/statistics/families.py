"""Holm's correction over families of tests that were named beforehand.

With the m p-values of a family in ascending order, the j-th becomes the largest of (m - i + 1) p_(i) over i <= j, at
most 1; rejecting those at or below alpha keeps the chance of any false rejection in the family at alpha, whatever the
dependence between its tests (Holm 1979).
"""

import numpy as np
import pandas as pd

from causalgrok.analysis.statistics.results import share


def holm(tests: pd.DataFrame, *, alpha: float = 0.05) -> pd.DataFrame:
    """Correct the p-values of each family.

    A test of the family that was not run has p missing: it still counts in m, because the family was named before, and
    stays missing itself.

    Args:
        tests: columns ``family``, ``p`` and, where it is to be corrected too, ``smallest_p``: one row a test.
        alpha: the family-wise error rate of ``rejected``.

    Returns:
        `tests` with the columns ``p_holm``, ``rejected`` and, where it came with ``smallest_p``, ``smallest_p_holm``:
        what p_holm would be if every test of the family reached its smallest p.

    Raises:
        ValueError: a column is missing, a family has no name, or a p leaves the interval from 0 to 1.
    """
    share(alpha, "alpha")
    wanted = ["p", *(["smallest_p"] if "smallest_p" in tests else [])]
    missing = {"family", "p"} - set(tests)
    if missing:
        raise ValueError(f"tests have no column {sorted(missing)}: expected family and p")
    if tests["family"].isna().any():
        raise ValueError("a test has no family: name the family of every test beforehand")
    corrected = tests.copy()
    for column in wanted:
        values = tests[column].astype(float)
        if ((values < 0) | (values > 1)).any():
            raise ValueError(f"{column} is {values[(values < 0) | (values > 1)].iloc[0]}: expected 0 to 1")
        corrected[f"{column}_holm"] = values.groupby(tests["family"]).transform(_adjusted)
    corrected["rejected"] = corrected["p_holm"] <= alpha
    return corrected


def _adjusted(p: pd.Series) -> np.ndarray:
    # Not statsmodels' multipletests, to which a test compares this: it collects garbage, 70 ms, at every call.
    order = np.argsort(p.fillna(1.0).to_numpy(), kind="stable")
    steps = p.fillna(1.0).to_numpy()[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return np.where(p.isna(), np.nan, adjusted)
