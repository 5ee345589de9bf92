import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from causalgrok.analysis.claims.decisions import decide
from causalgrok.analysis.claims.findings import NotRun
from causalgrok.analysis.claims.test_entries import Count, CountDifference, Difference, Holds, Mean, RunFilter, Trend

GROKKING, STANDARD = RunFilter(recipe=["grokking"]), RunFilter(recipe=["standard"])
SIMULATIONS = 200
CEILING = stats.binom.ppf(0.999, SIMULATIONS, 0.05)
"""More rejections than this among the simulations are not 5 %."""


def runs(values: dict[str, list[float]], *, sizes=(100,), task="t", **more) -> pd.DataFrame:
    """Runs of seeds 0, 1, ... by recipe, or for several sizes by size."""
    rows = []
    for recipe, of_recipe in values.items():
        for seed, value in enumerate(of_recipe):
            by_size = value if len(sizes) > 1 else [value]
            for n, one in zip(sizes, by_size, strict=True):
                rows.append({"task": task, "recipe": recipe, "n": n, "seed": seed, "value": one} | more)
    return pd.DataFrame(rows)


def difference(direction="above", **options) -> Difference:
    return Difference(name="difference", of=GROKKING, against=STANDARD, direction=direction, **options)


def count(chance=0.5, **options) -> Count:
    return Count(name="count", holds=Holds(above=0), chance=chance, **options)


def verdict(test, values) -> str:
    found = decide(test, values)
    if found.p > 0.05:
        return "inconclusive"
    return "supported" if found.claimed else "contradicted"


def scatter(rng, mean=0.0, seeds=10) -> list[float]:
    return list(rng.normal(mean, 1, seeds))


PLANTED = {
    "mean above": (Mean(name="mean", direction="above", threshold=1), lambda rng, s: {"a": scatter(rng, 1 + 3 * s)}),
    "mean below": (Mean(name="mean", direction="below"), lambda rng, s: {"a": scatter(rng, -3 * s)}),
    "paired": (difference(), lambda rng, s: {"grokking": scatter(rng, 3 * s), "standard": scatter(rng)}),
    "unpaired": (difference(), lambda rng, s: {"grokking": scatter(rng, 3 * s, 8), "standard": scatter(rng, 0, 6)}),
    "count": (count(), lambda rng, s: {"a": scatter(rng, 3 * s)}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_effect_is_found_and_a_reversed_one_contradicts(name):
    test, draw = PLANTED[name]
    rng = np.random.default_rng(0)
    assert verdict(test, runs(draw(rng, 1))) == "supported"
    assert verdict(test, runs(draw(rng, -1))) == "contradicted"


@pytest.mark.parametrize("name", PLANTED)
def test_noise_decides_in_at_most_one_of_twenty(name):
    test, draw = PLANTED[name]
    rng = np.random.default_rng(1)
    decided = sum(verdict(test, runs(draw(rng, 0))) != "inconclusive" for _ in range(SIMULATIONS))
    assert decided <= CEILING


def sloped(rng, slope) -> dict:
    sizes = np.log2([100, 200, 400])
    return {"a": [slope * sizes + rng.normal() + rng.normal(0, 0.3, 3) for _ in range(10)]}


def test_a_trend_over_n_is_a_slope_for_each_doubling():
    rng = np.random.default_rng(2)
    test = Trend(name="trend", direction="above")
    found = decide(test, runs(sloped(rng, 0.8), sizes=(100, 200, 400)))
    assert found.estimate == pytest.approx(0.8, abs=0.3)
    assert found.claimed and found.p <= 0.05
    assert verdict(test, runs(sloped(rng, -0.8), sizes=(100, 200, 400))) == "contradicted"
    decided = sum(
        verdict(test, runs(sloped(rng, 0), sizes=(100, 200, 400))) != "inconclusive" for _ in range(SIMULATIONS)
    )
    assert decided <= stats.binom.ppf(0.999, SIMULATIONS, 0.05)


def test_a_trend_needs_two_sizes():
    with pytest.raises(NotRun, match="no seed has runs of two sizes"):
        decide(Trend(name="trend", direction="above"), runs({"a": [1.0, 2.0]}))


def test_equal_means_shown_to_be_so():
    rng = np.random.default_rng(3)
    within = difference("within", margin=2)
    values = {"grokking": scatter(rng), "standard": scatter(rng)}
    assert verdict(within, runs(values)) == "supported"
    values["grokking"] = scatter(rng, 6)
    assert verdict(within, runs(values)) == "contradicted"
    assert verdict(difference("within", margin=0.1), runs({"grokking": scatter(rng), "standard": scatter(rng)})) == (
        "inconclusive"
    ), "a difference that was not found is not none"


def test_at_the_margin_equivalence_is_claimed_in_one_of_twenty():
    rng = np.random.default_rng(4)
    test = Mean(name="mean", direction="within", margin=1)
    found = [verdict(test, runs({"a": scatter(rng, 1)})) for _ in range(SIMULATIONS)]
    assert found.count("supported") <= CEILING
    assert found.count("contradicted") <= CEILING


def test_one_sided_tests_have_their_own_smallest_p_and_interval():
    found = decide(Mean(name="mean", direction="within", margin=1), runs({"a": [0.1, 0.2, -0.1]}))
    assert (found.p, found.smallest_p, found.level) == (0.125, 0.125, 0.9)
    assert found.low == pytest.approx(stats.ttest_1samp([0.1, 0.2, -0.1], 0).confidence_interval(0.9).low)


def test_three_seeds_cannot_reach_the_level():
    found = decide(Mean(name="mean", direction="above"), runs({"a": [5.0, 5.1, 4.9]}))
    assert found.p == found.smallest_p == 0.25
    assert (found.design, found.claimed) == ("3 seeds", True)


def test_runs_of_one_seed_count_once():
    """Six runs of three seeds are three: their subset, initialisation and order are the same."""
    found = decide(Mean(name="mean", direction="above"), runs({"grokking": [1.0, 2, 3], "standard": [3.0, 2, 1]}))
    assert (found.design, len(found.runs), found.smallest_p) == ("3 seeds", 6, 0.25)
    assert found.low == found.high == found.estimate == 2


@pytest.mark.parametrize(("pool", "expected"), [("mean", 2.0), ("min", 1.0), ("max", 3.0), ("range", 2.0)])
def test_runs_of_a_seed_are_pooled_as_asked(pool, expected):
    values = runs({"a": [1.0, 1.0], "b": [3.0, 3.0]})
    assert decide(Mean(name="mean", pool=pool, direction="above"), values).estimate == expected


def test_a_range_takes_two_runs_of_a_seed():
    with pytest.raises(NotRun, match="no seed has two runs"):
        decide(Mean(name="mean", pool="range", direction="above"), runs({"a": [1.0, 1.0]}))


def test_arms_are_paired_where_their_seeds_are_the_same():
    equal = decide(difference(), runs({"grokking": [3.0, 4, 5, 6], "standard": [1.0, 2, 3, 4]}))
    assert (equal.design, equal.smallest_p) == ("4 pairs", 2 / 16)
    more = decide(difference(), runs({"grokking": [3.0, 4, 5, 6, 7], "standard": [1.0, 2, 3]}))
    assert (more.design, more.smallest_p) == ("5 vs 3 seeds", pytest.approx(2 / 56))


def test_arms_are_compared_at_sizes_that_both_have():
    values = pd.concat(
        [runs({"grokking": [1.0, 2, 3], "standard": [0.0, 1, 2]}), runs({"grokking": [9.0, 9, 9]}, sizes=(300,))]
    )
    assert decide(difference(), values).estimate == 1
    with pytest.raises(NotRun, match="no task and n in common"):
        decide(difference(), pd.concat([runs({"grokking": [1.0]}), runs({"standard": [1.0]}, sizes=(300,))]))


def test_a_missing_arm_is_named():
    with pytest.raises(NotRun, match="no run has a value where recipe == 'standard'"):
        decide(difference(), runs({"grokking": [1.0, 2]}))


def test_runs_without_a_value_are_left_out_of_means_and_do_not_satisfy_counts():
    values = runs({"a": [1.0, 1.0, np.nan, 1.0]})
    assert len(decide(Mean(name="mean", direction="above"), values).runs) == 3
    assert decide(count(), values).estimate == 0.75


def test_a_count_by_hand():
    found = decide(count(), runs({"a": [1.0] * 9 + [-1.0]}))
    assert found.p == pytest.approx(stats.binomtest(9, 10).pvalue)
    assert found.smallest_p == pytest.approx(2 / 2**10)
    assert (found.low, found.high) == pytest.approx(tuple(stats.binomtest(9, 10).proportion_ci(0.95, "exact")))


def test_a_seed_counts_only_if_all_of_its_runs_do():
    found = decide(count(), runs({"a": [1.0, 1, 1, 1], "b": [1.0, 1, 1, -1]}))
    assert found.estimate == 7 / 8
    assert found.p == pytest.approx(2 * stats.binom.sf(2, 4, 0.5))


def test_runs_of_a_seed_may_all_be_alike():
    """Ten identical runs of each of five seeds decide no more than five runs."""
    rng = np.random.default_rng(5)
    decided = 0
    for _ in range(SIMULATIONS):
        one = scatter(rng, 0, 8)
        decided += verdict(count(), runs({f"r{i}": one for i in range(4)})) != "inconclusive"
    assert decided <= CEILING


def test_fewer_than_chance_can_be_the_claim():
    fewer = count(direction="below")
    assert verdict(fewer, runs({"a": [-1.0] * 8})) == "supported"
    assert verdict(fewer, runs({"a": [1.0] * 8})) == "contradicted"


def controlled(hits: list[int], chances: list[float], recipe="grokking") -> pd.DataFrame:
    return runs({recipe: [float(hit) for hit in hits]}).assign(chance=chances)


def test_counts_against_their_own_controls():
    test = Count(name="count", holds=Holds(at_least=1))
    found = decide(test, controlled([1, 1, 1, 1], [0.05] * 4))
    assert found.p == pytest.approx(2 * 0.05**4)
    assert found.threshold == 0.05 and found.claimed
    easy = decide(test, controlled([1, 1, 1, 1], [0.9] * 4))
    assert easy.p > 0.5, "controls that are monotone themselves leave nothing to find"
    with pytest.raises(NotRun, match="no run has both a value and controls"):
        decide(test, controlled([1], [np.nan]))


def test_differences_of_counts():
    test = CountDifference(name="count_difference", holds=Holds(at_least=1), of=GROKKING, against=STANDARD)
    published = runs({"grokking": [1.0, 1, 1, 1, 0], "standard": [1.0, 0, 0]})
    found = decide(test, published)
    assert round(found.p, 3) == 0.464, "4 of 5 against 1 of 3, two-sided"
    assert found.smallest_p == pytest.approx(1 / 56)
    assert (found.low, found.high) == pytest.approx(confint_proportions_2indep(4, 5, 1, 3, method="newcomb"))
    strong = pd.concat([controlled([1] * 5, [0.05] * 5), controlled([0] * 5, [0.05] * 5, "standard")])
    assert decide(test, strong).p <= 0.05
    assert decide(test, strong).claimed
