import itertools

import numpy as np
import pytest
from scipy import stats

from causalgrok.analysis.statistics.permutation import attainable_size, permutation_test
from causalgrok.analysis.statistics.results import Design


def listed(a, b, paired=False) -> tuple[float, float]:
    """Shares of labelings at or above and at or below the observed difference, every labeling written out."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if paired:
        flips = np.array(list(itertools.product((1, -1), repeat=len(a))))
        differences = flips @ (a - b) / len(a)
    else:
        pool = np.concatenate([a, b])
        chosen = [list(rows) for rows in itertools.combinations(range(len(pool)), len(a))]
        differences = np.array([pool[rows].mean() - np.delete(pool, rows).mean() for rows in chosen])
    observed = a.mean() - b.mean()
    return np.mean(differences >= observed - 1e-12), np.mean(differences <= observed + 1e-12)


def test_complete_separation_reaches_the_smallest_p():
    result = permutation_test([5, 6, 7, 8, 9], [1, 2, 3])
    assert result.p == result.smallest_p == pytest.approx(2 / 56)
    assert result.estimate == 5
    assert (result.design, result.n, result.exact) == ("5 vs 3", 8, True)
    assert permutation_test([5, 6, 7, 8, 9], [1, 2, 3], alternative="greater").p == pytest.approx(1 / 56)
    assert permutation_test([5, 6, 7, 8, 9], [1, 2, 3], alternative="less").p == 1


def test_pairs_that_all_differ_one_way_reach_the_smallest_p():
    result = permutation_test([2, 3, 4], [1, 1, 1], paired=True)
    assert result.p == result.smallest_p == 2 / 8
    assert (result.design, result.n, result.estimate) == ("3 pairs", 3, 2)


def test_a_case_by_hand():
    """Sums of the three pairs' differences 3, 2, -1 under sign flips: 4 is reached by itself and by 6 only."""
    result = permutation_test([3, 2, 0], [0, 0, 1], paired=True, alternative="greater")
    assert result.p == 2 / 8


@pytest.mark.parametrize(("n_a", "n_b"), [(3, 3), (5, 3), (1, 4), (6, 5)])
@pytest.mark.parametrize("decimals", [1, 6])
def test_counting_agrees_with_listing_every_labeling(n_a, n_b, decimals):
    rng = np.random.default_rng(n_a)
    a, b = rng.normal(size=n_a).round(decimals), rng.normal(size=n_b).round(decimals)
    above, below = listed(a, b)
    assert permutation_test(a, b, alternative="greater").p == pytest.approx(above)
    assert permutation_test(a, b, alternative="less").p == pytest.approx(below)
    assert permutation_test(a, b).p == pytest.approx(min(1, 2 * min(above, below)))


@pytest.mark.parametrize("pairs", [1, 2, 5, 8])
def test_counting_agrees_with_listing_every_sign(pairs):
    rng = np.random.default_rng(pairs)
    a, b = rng.normal(size=pairs).round(1), rng.normal(size=pairs).round(1)
    above, below = listed(a, b, paired=True)
    assert permutation_test(a, b, paired=True, alternative="greater").p == pytest.approx(above)
    assert permutation_test(a, b, paired=True).p == pytest.approx(min(1, 2 * min(above, below)))


@pytest.mark.parametrize("paired", [False, True])
def test_eight_runs_an_arm_agree_with_scipy(paired):
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.8, size=8).round(2), rng.normal(size=8).round(2)
    reference = stats.permutation_test(
        (a, b),
        lambda x, y, axis: x.mean(axis) - y.mean(axis),
        permutation_type="samples" if paired else "independent",
        vectorized=True,
        n_resamples=200_000,
    )
    ours = permutation_test(a, b, paired=paired)
    assert ours.exact
    assert ours.p == pytest.approx(reference.pvalue, rel=1e-12)


@pytest.mark.parametrize("paired", [False, True])
def test_invariances(paired):
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=5).round(1), rng.normal(size=5).round(1)
    p = permutation_test(a, b, paired=paired).p
    assert permutation_test(b, a, paired=paired).p == p, "swapped arms"
    assert permutation_test(a + 7.3, b + 7.3, paired=paired).p == p, "shifted"
    assert permutation_test(0.001 * a, 0.001 * b, paired=paired).p == p, "scaled"
    order = rng.permutation(5)
    assert permutation_test(a[order], b[order], paired=paired).p == p, "reordered"


@pytest.mark.parametrize("paired", [False, True])
def test_equal_scores_are_no_evidence(paired):
    assert permutation_test([0.1 + 0.2, 0.3, 0.3], [0.3, 0.3, 0.1 + 0.2], paired=paired).p == 1


def test_rounding_breaks_no_tie():
    """Accuracies in tenths: sums that are equal on paper differ in their last bit."""
    a, b = [0.1, 0.2, 0.3, 0.7], [0.6, 0.4, 0.2]
    tenths = permutation_test(a, b)
    whole = permutation_test(np.multiply(a, 10).round(), np.multiply(b, 10).round())
    assert tenths.p == whole.p


@pytest.mark.parametrize("paired", [False, True])
def test_drawn_labelings_agree_with_counted_ones(paired, monkeypatch):
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.6, size=10), rng.normal(size=10)
    counted = permutation_test(a, b, paired=paired)
    monkeypatch.setattr("causalgrok.analysis.statistics.permutation.EXACT_RUNS", 5)
    drawn = permutation_test(a, b, paired=paired, draws=20_000, seed=1)
    assert not drawn.exact
    assert drawn.p == pytest.approx(counted.p, abs=4 * 2 * (counted.p / 2 / 20_000) ** 0.5)
    apart = permutation_test(np.arange(30) + 99, np.arange(30), paired=paired, draws=99)
    assert apart.p == apart.smallest_p == pytest.approx(2 / 100), "never 0"


def test_twenty_runs_an_arm_are_exact_and_more_are_drawn():
    assert permutation_test(np.arange(20), np.arange(20) + 0.5).exact
    assert not permutation_test(np.arange(21), np.arange(21) + 0.5, draws=9).exact


@pytest.mark.parametrize(
    ("design", "smallest", "attainable"),
    [
        (Design(3, 3), 2 / 20, 0),
        (Design(5, 3), 2 / 56, 2 / 56),
        (Design(10, 10), 2 / 184_756, 2 * 4_618 / 184_756),
        (Design(3, 3, True), 2 / 8, 0),
        (Design(6, 6, True), 2 / 64, 2 / 64),
        (Design(10, 10, True), 2 / 1024, 2 * 25 / 1024),
    ],
)
def test_what_a_design_can_reach(design, smallest, attainable):
    assert design.smallest_p() == pytest.approx(smallest)
    assert attainable_size(design, 0.05) == pytest.approx(attainable)


def test_attainable_size_is_the_share_of_labelings_that_are_rejected():
    values = np.random.default_rng(6).normal(size=8)
    chosen = [list(rows) for rows in itertools.combinations(range(8), 5)]
    rejected = [permutation_test(values[rows], np.delete(values, rows)).p <= 0.2 for rows in chosen]
    assert np.mean(rejected) == pytest.approx(attainable_size(Design(5, 3), 0.2))


@pytest.mark.parametrize(
    ("a", "b", "paired", "message"),
    [
        ([], [1.0], False, "arm a has 0 values"),
        ([1.0], [], False, "arm b has 0 values"),
        ([1.0, np.nan], [1.0], False, "arm a: value 1 of 2 is nan"),
        ([1.0], [np.inf], False, "arm b: value 0 of 1 is inf"),
        ([1.0, 2.0], [1.0], True, "paired arms have 2 and 1 values"),
        ([[1.0]], [1.0], False, "shape"),
    ],
)
def test_bad_arms_are_refused(a, b, paired, message):
    with pytest.raises(ValueError, match=message):
        permutation_test(a, b, paired=paired)


def test_unknown_alternatives_are_refused():
    with pytest.raises(ValueError, match="alternative 'both' is unknown"):
        permutation_test([1.0], [2.0], alternative="both")
