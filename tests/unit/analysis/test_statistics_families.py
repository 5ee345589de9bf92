import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from causalgrok.analysis.statistics.families import holm


def test_holm_by_hand():
    tests = pd.DataFrame({"family": "steering", "p": [0.04, 0.01, 0.03]})
    corrected = holm(tests)
    assert corrected["p_holm"].tolist() == pytest.approx([0.06, 0.03, 0.06])
    assert corrected["rejected"].tolist() == [False, True, False]


def test_holm_agrees_with_statsmodels():
    p = np.random.default_rng(0).uniform(0, 0.1, 20).round(2)
    assert holm(pd.DataFrame({"family": "one", "p": p}))["p_holm"].to_numpy() == pytest.approx(
        multipletests(p, method="holm")[1]
    )


def test_families_are_corrected_apart_and_rows_stay_in_place():
    tests = pd.DataFrame({"family": ["a", "b", "a"], "p": [0.03, 0.04, 0.02]}, index=[7, 3, 5])
    corrected = holm(tests)
    assert corrected["p_holm"].tolist() == pytest.approx([0.04, 0.04, 0.04])
    assert corrected.index.tolist() == [7, 3, 5]
    assert "p_holm" not in tests


def test_a_test_that_was_not_run_still_counts():
    corrected = holm(pd.DataFrame({"family": "a", "p": [0.02, np.nan]}))
    assert corrected["p_holm"].iloc[0] == pytest.approx(0.04)
    assert np.isnan(corrected["p_holm"].iloc[1])
    assert corrected["rejected"].tolist() == [True, False]


def test_the_smallest_p_is_corrected_too():
    corrected = holm(pd.DataFrame({"family": "a", "p": [0.5] * 3, "smallest_p": [0.02, 0.02, 0.001]}))
    assert corrected["smallest_p_holm"].tolist() == pytest.approx([0.04, 0.04, 0.003])


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ({"p": [0.1]}, "no column"),
        ({"family": [None], "p": [0.1]}, "has no family"),
        ({"family": ["a"], "p": [1.1]}, "p is 1.1"),
    ],
)
def test_bad_families_are_refused(tests, message):
    with pytest.raises(ValueError, match=message):
        holm(pd.DataFrame(tests))
