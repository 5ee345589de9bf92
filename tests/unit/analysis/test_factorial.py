"""The table of a factorial's effects: what is planted in the runs' tables is found, term by term."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from causalgrok.analysis.factorial import estimate_factorial, run_outcomes
from causalgrok.columns import COLUMNS, FACTORIAL_INPUTS
from causalgrok.factorials import design_between
from causalgrok.training.recipe import GrokfastEma, Recipe

RECIPES = {
    "standard": Recipe(weight_decay=1e-4),
    "grokking": Recipe(weight_decay=5e-3, init_scale=4, grokfast=GrokfastEma()),
}
DESIGN = design_between(RECIPES, "standard", "grokking")._asdict()
NAMES = ("task", "recipe", "n", "seed")


def study(effect, seeds=9, noise=0.0, tasks=("camelyon17",), rng=None, probed=True) -> dict[str, pd.DataFrame]:
    """Tables whose every outcome is `effect(high factors)` plus the seed's level and noise, in units of its own."""
    rng = rng or np.random.default_rng(0)
    tables = {table: [] for table in FACTORIAL_INPUTS}
    for task, seed in itertools.product(tasks, range(seeds)):
        level = rng.normal()
        for recipe, high in DESIGN["recipes"].items():
            run = dict(zip(NAMES, (task, recipe, 300, seed), strict=True))

            def value(high=high, level=level):
                return effect(high) + level + noise * rng.normal()

            tables["outcomes"].append(
                run | {"peak_accuracy": value(), "final_accuracy": 0.1 * value(), "decline": value()}
            )
            if not probed:
                continue
            for epoch, group, factor in ((0, "total", 5), (8, "head", 7), (8, "total", 10)):
                tables["dynamics"].append(run | {"epoch": epoch, "group": group, "weight_norm": factor * value()})
            for epoch, split in ((0, "id_val"), (8, "train"), (8, "id_val")):
                rank = value() if (epoch, split) == (8, "id_val") else 99
                tables["geometry"].append(run | {"epoch": epoch, "split": split, "effective_rank": rank})
            for measure in ("inlp_area", "between_participation", "head_angle"):
                tables["concentration"].append(run | {"epoch": 8, "measure": measure, "value": value()})
            for method, split, flips in (
                ("rendered", "ood_val", value()),
                ("rendered", "ood_test", value()),
                ("macenko", "ood_test", 99),
                ("rendered", "id_val", 99),
            ):
                tables["counterfactual"].append(
                    run
                    | {"epoch": 8, "method": method, "split": split, "moved": 3, "flip_fraction": flips}
                    | {"logit_shift": 1.0, "margin_sd": 1.0}
                )
            for stage, alpha in itertools.product(("stem", "layer4", "pooled"), (-3, 0, 3)):
                for direction, repeat in (("hospital", 0), ("permuted", 0), ("permuted", 1), ("matched", 0)):
                    flips = {"hospital": value() + 5, "permuted": 4 + 2 * repeat, "matched": 99}[direction]
                    tables["steering"].append(
                        run
                        | {"epoch": 8, "stage": stage, "alpha": alpha, "direction": direction, "repeat": repeat}
                        | {"split": "ood_test", "flip_fraction": flips if alpha else 0}
                    )
    return {table: pd.DataFrame(rows) for table, rows in tables.items()}


def planted(high) -> float:
    """The init scale works by 2 alone, and by 1 more together with Grokfast."""
    return 2.0 * ("init_scale" in high) + 1.0 * ({"init_scale", "grokfast"} <= set(high))


EXPECTED = {"weight_decay": 0, "init_scale": 2.5, "grokfast": 0.5, "init_scale:grokfast": 0.5}
OUTCOMES = {
    "peak_accuracy": 1,
    "final_accuracy": 0.1,
    "decline": 1,
    "weight_norm": 10,
    "effective_rank": 1,
    "inlp_area": 1,
    "between_participation": 1,
    "reliance": 1,
    "steering": 1,
    "steering_pooled": 1,
}


def test_planted_effects_are_found_in_every_outcome():
    effects = estimate_factorial(study(planted), **DESIGN)
    assert list(effects.columns) == list(COLUMNS["factorial"])
    assert dict.fromkeys(effects["outcome"]) == dict.fromkeys(OUTCOMES)
    for outcome, rows in effects.groupby("outcome"):
        found = rows.set_index("term")["estimate"]
        expected = {term: EXPECTED.get(term, 0) * OUTCOMES[outcome] for term in found.index}
        assert found.to_dict() == pytest.approx(expected, abs=1e-9), outcome
        assert len(found) == 7


def test_an_effect_survives_holm_and_nothing_else_does():
    tables = study(planted, noise=0.1, rng=np.random.default_rng(3))
    effects = estimate_factorial({"outcomes": tables["outcomes"]}, **DESIGN)
    peak = effects[effects["outcome"] == "peak_accuracy"].set_index("term")
    assert set(peak.index[peak["rejected"]]) == set(EXPECTED) - {"weight_decay"}
    assert peak["smallest_p"].unique() == [2 / 2**9]
    assert peak["p_holm"].min() == pytest.approx(7 * 2 / 2**9)
    assert peak["smallest_p_holm"].to_numpy() == pytest.approx(np.full(7, 7 * 2 / 2**9))
    assert peak.loc["init_scale", "levels"] == "1 to 4"
    assert peak.loc["grokfast", "levels"] == "off to decay 0.98, amplification 2"
    assert peak["levels"].notna().sum() == 3


def test_without_an_effect_hardly_any_family_rejects():
    """At most 5 % of the families, within what the binomial distribution of 45 allows in 99.9 of 100 cases."""
    tables = study(
        lambda high: 0, noise=1, tasks=[f"task{i}" for i in range(15)], rng=np.random.default_rng(5), probed=False
    )
    effects = estimate_factorial({"outcomes": tables["outcomes"]}, **DESIGN)
    rejected = effects.groupby(["task", "outcome"])["rejected"].any()
    assert len(rejected) == 45
    assert rejected.sum() <= stats.binom.ppf(0.999, 45, 0.05)
    covered = (effects["low"] <= 0) & (effects["high"] >= 0)
    assert covered.mean() == pytest.approx(0.95, abs=0.04)


def test_a_diverged_run_takes_its_seed_out_of_every_outcome():
    tables = study(planted)
    runs = tables["outcomes"]
    runs.loc[(runs["seed"] == 4) & (runs["recipe"] == "grokking"), "final_accuracy"] = np.nan
    effects = estimate_factorial(tables, **DESIGN)
    assert effects["seeds"].unique() == [8]
    assert effects["left_out"].unique() == [1]
    assert effects.loc[effects["term"] == "init_scale", "p"].unique() == [2 / 2**8]


def test_an_outcome_that_one_run_lacks_is_left_out_there_only():
    tables = study(planted)
    runs = tables["outcomes"]
    runs.loc[(runs["seed"] == 0) & (runs["recipe"] == "standard"), "decline"] = np.nan
    left_out = estimate_factorial(tables, **DESIGN).groupby("outcome")["left_out"].max()
    assert left_out[left_out > 0].to_dict() == {"decline": 1}


def test_where_no_seed_is_complete_the_effects_are_missing():
    tables = study(planted, seeds=2)
    tables["outcomes"].loc[tables["outcomes"]["recipe"] == "grokking", "decline"] = np.nan
    effects = estimate_factorial({"outcomes": tables["outcomes"]}, **DESIGN).groupby("outcome")
    decline, peak = effects.get_group("decline"), effects.get_group("peak_accuracy")
    assert decline["estimate"].isna().all() and not decline["rejected"].any()
    assert (decline["left_out"] == 2).all() and (decline["seeds"] == 0).all()
    assert decline["term"].tolist() == peak["term"].tolist()


def test_runs_of_other_recipes_are_not_looked_at():
    tables = study(planted, seeds=3)
    other = tables["outcomes"].iloc[:3].assign(recipe="sgd", peak_accuracy=99.0)
    plain = estimate_factorial({"outcomes": tables["outcomes"]}, **DESIGN)
    more = estimate_factorial({"outcomes": pd.concat([tables["outcomes"], other])}, **DESIGN)
    pd.testing.assert_frame_equal(plain, more)


def test_every_run_has_one_row_of_outcomes():
    outcomes = run_outcomes(study(planted, seeds=2))
    assert len(outcomes) == 16
    assert not outcomes.isna().any(axis=None)
