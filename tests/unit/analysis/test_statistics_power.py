import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from causalgrok.analysis.statistics.power import minimum_detectable_effect, runs_needed, t_power
from causalgrok.analysis.statistics.results import Design


@pytest.mark.parametrize("design", [Design(10, 10, True), Design(10, 10), Design(5, 3)])
def test_effects_agree_with_statsmodels(design):
    if design.paired:
        expected = TTestPower().solve_power(nobs=design.a, alpha=0.05, power=0.8)
    else:
        expected = TTestIndPower().solve_power(nobs1=design.a, alpha=0.05, power=0.8, ratio=design.b / design.a)
    found = minimum_detectable_effect(design, deviation=0.05)
    assert found.in_deviations == pytest.approx(expected, rel=1e-4)
    assert found.effect == pytest.approx(0.05 * expected, rel=1e-4)


@pytest.mark.parametrize("design", [Design(4, 4, True), Design(6, 4)])
def test_power_by_simulation(design):
    rng = np.random.default_rng(0)
    a, b = rng.normal(1.5, size=(design.a, 4_000)), rng.normal(size=(design.b, 4_000))
    p = stats.ttest_1samp(a, 0).pvalue if design.paired else stats.ttest_ind(a, b).pvalue
    assert t_power(1.5, design) == pytest.approx(np.mean(p <= 0.05), abs=4 * (0.25 / 4_000) ** 0.5)


def test_power_at_no_effect_is_alpha_and_solves_two_runs_too():
    assert t_power(0, Design(5, 5)) == pytest.approx(0.05)
    found = minimum_detectable_effect(Design(2, 2, True), deviation=1, alpha=0.01, permutation=False)
    assert t_power(found.in_deviations, Design(2, 2, True), alpha=0.01) == pytest.approx(0.8)


@pytest.mark.parametrize("design", [Design(3, 3), Design(5, 5, True), Design(3, 3, True)])
def test_a_design_that_cannot_reach_alpha_detects_nothing(design):
    found = minimum_detectable_effect(design, deviation=0.05)
    assert found.effect == np.inf
    assert found.smallest_p > 0.05
    assert np.isfinite(minimum_detectable_effect(design, deviation=0.05, permutation=False).effect)
    assert minimum_detectable_effect(Design(1, 1, True), deviation=1, permutation=False).effect == np.inf


def test_more_runs_detect_less():
    effects = [minimum_detectable_effect(Design(n, n, True), deviation=1).effect for n in (6, 8, 10, 20)]
    assert effects == sorted(effects, reverse=True)


def test_runs_needed_are_the_textbook_ones():
    """Cohen (1988): d = .8 needs 26 an arm, d = .5 needs 64."""
    assert runs_needed(0.8, deviation=1) == Design(26, 26)
    assert runs_needed(-0.5, deviation=1) == Design(64, 64)


@pytest.mark.parametrize("paired", [False, True])
def test_runs_needed_are_the_fewest_that_detect_the_effect(paired):
    design = runs_needed(0.04, deviation=0.05, paired=paired)
    fewer = Design(design.a - 1, design.b - 1, paired)
    assert minimum_detectable_effect(design, deviation=0.05).effect <= 0.04
    assert minimum_detectable_effect(fewer, deviation=0.05).effect > 0.04


def test_a_huge_effect_still_needs_enough_labelings():
    assert runs_needed(9, deviation=1, paired=True) == Design(6, 6, True)
    assert runs_needed(9, deviation=1) == Design(4, 4)
    assert runs_needed(9, deviation=1, paired=True, permutation=False).a < 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: runs_needed(0, deviation=1), "effect is 0"),
        (lambda: runs_needed(1e-4, deviation=1), "need more than 10000"),
        (lambda: runs_needed(1, deviation=0), "deviation is 0"),
        (lambda: minimum_detectable_effect(Design(5, 5), deviation=1, alpha=5), "alpha is 5"),
        (lambda: minimum_detectable_effect(Design(5, 5), deviation=1, power=0.04), "not above alpha"),
    ],
)
def test_bad_plans_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
