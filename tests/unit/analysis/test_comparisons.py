"""A planted difference between recipes is found, none is not, and what three runs cannot say is said."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from causalgrok.analysis.comparisons import compare_recipes
from causalgrok.analysis.settings import ComparisonSettings
from causalgrok.analysis.statistics.permutation import permutation_test
from causalgrok.columns import COLUMNS

MEASURES = {"accuracy": ["peak_accuracy", "final_accuracy"], "grokking": ["time"]}
SETTINGS = ComparisonSettings(families=MEASURES, margins={"final_accuracy": 0.03})


def outcomes(seeds: dict[str, int], gap: float = 0.0, *, spread: float = 0.01, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    shared = 0.05 * rng.standard_normal(max(seeds.values()))
    rows = []
    for recipe, count in seeds.items():
        above = gap if recipe == "grokking" else 0.0
        for run in range(count):
            accuracy = 0.7 + above + shared[run] + spread * rng.standard_normal()
            named = {"task": "tissue", "n": 180, "recipe": recipe, "seed": run}
            measured = {"peak_accuracy": accuracy + 0.05, "final_accuracy": accuracy}
            rows.append(named | measured | {"label": "grokked", "time": 100.0 * (run + 1) * (1 - above)})
    return pd.DataFrame(rows)


def row(table: pd.DataFrame, measure: str = "final_accuracy") -> pd.Series:
    return table.set_index("measure").loc[measure]


def test_a_planted_difference_is_found_by_ten_pairs():
    table = compare_recipes(outcomes({"standard": 10, "grokking": 10}, 0.05), SETTINGS)
    assert list(table.columns) == list(COLUMNS["statistics"])
    found = row(table)
    assert found["paired"] and found["rejected"] and found["test"] == "paired permutation"
    assert found["low"] < -0.05 < found["high"] < 0, "standard minus grokking"
    assert found["delta"] < 0 and found["improvement"] < 0.5
    assert found["smallest_p"] == 2 / 2**10
    assert found["p_holm"] == pytest.approx(2 * min(row(table)["p"], row(table, "peak_accuracy")["p"]))
    assert row(table, "time")["test"] == "paired log-rank"


def test_nothing_planted_is_equivalent_with_many_runs_and_not_shown_with_three():
    many = row(compare_recipes(outcomes({"standard": 12, "grokking": 12}), SETTINGS))
    assert not many["rejected"] and many["equivalence"] == "equivalent" and many["detectable"] < 0.03
    few = row(compare_recipes(outcomes({"standard": 3, "grokking": 3}, spread=0.05), SETTINGS))
    assert few["smallest_p"] == 0.25 and not few["rejected"]
    assert few["equivalence"] == "not_shown" and few["detectable"] == np.inf and few["runs_needed"] > 3


def test_false_positives_keep_the_families_level():
    tables = [compare_recipes(outcomes({"standard": 8, "grokking": 8}, seed=seed), SETTINGS) for seed in range(40)]
    accuracy = [table[table["family"] == "accuracy"]["rejected"].any() for table in tables]
    assert np.sum(accuracy) <= binom.ppf(0.999, 40, 0.05)


def test_unequal_seeds_are_not_paired():
    table = outcomes({"standard": 3, "grokking": 5}, 0.2)
    found = row(compare_recipes(table, SETTINGS))
    arms = [table.loc[table["recipe"] == recipe, "final_accuracy"] for recipe in ("standard", "grokking")]
    assert not found["paired"] and found["smallest_p"] == 2 / 56
    assert found["p"] == permutation_test(*arms).p


def test_missing_values_are_left_out_and_one_recipe_has_no_rows():
    table = outcomes({"standard": 3, "grokking": 3})
    table.loc[table["recipe"] == "grokking", "final_accuracy"] = np.nan
    lost = row(compare_recipes(table, SETTINGS))
    assert lost["runs_b"] == 0 and np.isnan(lost["p"]) and not lost["rejected"]
    assert compare_recipes(table[table["recipe"] == "standard"], SETTINGS).empty
