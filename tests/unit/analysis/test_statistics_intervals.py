import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, ttost_ind, ttost_paired

from causalgrok.analysis.statistics.equivalence import equivalence_test
from causalgrok.analysis.statistics.intervals import difference_interval, t_interval


def test_the_t_interval_by_hand():
    """Mean 2, s = 1, s / sqrt(3) = .577, t(2) = 4.303."""
    found = t_interval([1.0, 2.0, 3.0])
    assert found.estimate == 2
    assert (found.low, found.high) == pytest.approx((2 - 4.3027 * 0.57735, 2 + 4.3027 * 0.57735), abs=1e-3)


def test_slides_are_the_sample():
    rng = np.random.default_rng(0)
    slides = np.repeat(np.arange(10), [5, 50, 3, 8, 8, 8, 8, 8, 8, 8])
    values = rng.normal(size=len(slides)) + slides
    means = [values[slides == slide].mean() for slide in range(10)]
    expected = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert stats.ttest_1samp(means, 0).df == 9
    found = t_interval(values, groups=slides)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    names = np.array([f"slide {slide}" for slide in slides])
    assert t_interval(values, groups=names) == found


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_differences_agree_with_scipy_and_statsmodels(level):
    rng = np.random.default_rng(1)
    a, b = rng.normal(1, 1, 7), rng.normal(0, 3, 7)
    paired = stats.ttest_rel(a, b).confidence_interval(level)
    found = difference_interval(a, b, paired=True, level=level)
    assert (found.low, found.high) == pytest.approx((paired.low, paired.high))
    found = difference_interval(a, b[:4], level=level)
    welch = CompareMeans.from_data(a, b[:4]).tconfint_diff(1 - level, usevar="unequal")
    assert (found.low, found.high) == pytest.approx(welch)


def test_intervals_shift_and_swap_with_the_data():
    a, b = np.array([1.0, 2.0, 4.0]), np.array([0.0, 3.0, 1.0])
    found, shifted = difference_interval(a, b), difference_interval(a + 5, b)
    assert (shifted.low, shifted.high) == pytest.approx((found.low + 5, found.high + 5))
    swapped = difference_interval(b, a)
    assert (swapped.low, swapped.high) == pytest.approx((-found.high, -found.low))


def test_one_run_has_no_interval():
    for found in (t_interval([0.7]), difference_interval([0.7], [0.1, 0.2]), t_interval([1, 2], groups=[0, 0])):
        assert np.isnan([found.low, found.high]).all()
        assert found.method == "none"


def test_rounding_is_no_spread():
    found = difference_interval([0.3, 0.7, 0.8], [0.2, 0.6, 0.7], paired=True)
    assert found.low == found.high == found.estimate == pytest.approx(0.1)


@pytest.mark.parametrize("call", [t_interval, lambda values: difference_interval(values, [1.0])])
@pytest.mark.parametrize("values", [[], [np.nan, 1.0]])
def test_bad_values_are_refused(call, values):
    with pytest.raises(ValueError, match=r"0 values|finite"):
        call(values)


def test_groups_of_another_length_are_refused():
    with pytest.raises(ValueError, match="lengths differ"):
        t_interval([1.0, 2.0], groups=[0])


def test_tost_by_hand():
    """Differences 0, .1, .2, -.1: mean .05, s = .1291, SE .06455; t = (.5 - .05) / SE = 6.97 on 3 df."""
    a = np.array([0.7, 0.8, 0.9, 0.6])
    found = equivalence_test(a, np.full(4, 0.7), margin=0.5, paired=True)
    assert found.p == pytest.approx(stats.t.sf((0.5 - 0.05) / 0.0645497, 3), rel=1e-4)
    assert found.verdict == "equivalent"
    assert found.interval.level == pytest.approx(0.9)
    assert found.interval.high == pytest.approx(0.05 + 2.35336 * 0.0645497, rel=1e-4)


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("margin", [0.2, 0.6, 1.5])
def test_verdict_interval_and_p_say_the_same(paired, margin):
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.1, 0.5, 8), rng.normal(0, 0.5, 8)
    found = equivalence_test(a, b, margin=margin, paired=paired)
    inside = -margin < found.interval.low and found.interval.high < margin
    assert (found.verdict == "equivalent") == inside == (found.p <= 0.05)
    reference = ttost_paired(a, b, -margin, margin) if paired else ttost_ind(a, b, -margin, margin, usevar="unequal")
    assert found.p == pytest.approx(reference[0])


def test_equivalence_is_symmetric_and_grows_with_the_margin():
    a, b = [0.7, 0.72, 0.69], [0.71, 0.74, 0.7]
    assert equivalence_test(a, b, margin=0.1).p == pytest.approx(equivalence_test(b, a, margin=0.1).p)
    assert equivalence_test(a, b, margin=0.2).p < equivalence_test(a, b, margin=0.1).p


@pytest.mark.parametrize("paired", [False, True])
def test_without_spread_nothing_is_shown(paired):
    found = equivalence_test([0.1] * 3, [0.1] * 3, margin=0.05, paired=paired)
    assert found.verdict == "not_shown"
    assert np.isnan(found.p)


@pytest.mark.parametrize(
    ("a", "how", "message"),
    [
        ([1.0, 2.0], {"margin": 0}, "margin is 0"),
        ([1.0, 2.0], {"margin": np.nan}, "margin is nan"),
        ([1.0], {"margin": 1}, "arm a has 1 values: expected at least 2"),
        ([1.0, 2.0, 3.0], {"margin": 1, "paired": True}, "paired arms have 3 and 2"),
    ],
)
def test_what_cannot_be_tested_for_equivalence_is_refused(a, how, message):
    with pytest.raises(ValueError, match=message):
        equivalence_test(a, [1.0, 2.0], **how)
