"""Recipes between two recipes: generated from their settings, with the ends as they are."""

import copy
from pathlib import Path

import pytest
import yaml

from causalgrok.factorials import design_between, expand, factors_between
from causalgrok.training.recipe import GrokfastEma, Recipe
from causalgrok.validation import ConfigError, check_config

ROOT = Path(__file__).parents[2]
RAW = yaml.safe_load((ROOT / "config.yaml").read_text())
THREE = ("weight_decay", "init_scale", "grokfast")


def mine(recipes=None, **runs) -> dict:
    """The config with a study of a factorial, and other recipes."""
    raw = copy.deepcopy(RAW)
    raw["recipes"] |= recipes or {}
    part = {"task": "tissue", "between": ["standard", "grokking"], "n": [96], "seeds": [0, 1]} | runs
    raw["studies"] = {"mine": {"description": "Mine.", "runs": [part]}}
    raw["build"] = ["mine"]
    return raw


def test_eight_recipes_lie_between_the_two_of_the_source():
    config = check_config(RAW)
    runs = config.studies["factorial"].all_runs
    assert len(runs) == len(set(runs)) == 8 * 10 * 2 * 3
    levels, recipes = design_between(config.recipes, "standard", "grokking")
    assert tuple(levels) == THREE
    assert recipes["standard"] == () and recipes["grokking"] == THREE
    assert {run.recipe for run in runs} == set(recipes)
    for name, high in recipes.items():
        for factor in Recipe.model_fields:
            end = config.recipes["grokking" if factor in high else "standard"]
            assert getattr(config.recipes[name], factor) == getattr(end, factor), (name, factor)


def test_the_ends_are_shared_with_the_paper_study():
    config = check_config(RAW)
    assert set(config.studies["camelyon17"].all_runs) <= set(config.studies["factorial"].all_runs)


def test_an_edit_of_an_end_changes_every_recipe_that_has_its_setting():
    raw = copy.deepcopy(RAW)
    raw["recipes"]["grokking"]["weight_decay"] = 6e-3
    recipes = check_config(raw).recipes
    decays = {name: recipe.weight_decay for name, recipe in recipes.items()}
    assert decays["standard_weight_decay"] == decays["standard_weight_decay_grokfast"] == 6e-3
    assert decays["standard_init_scale"] == 1e-4


def test_levels_are_named_by_their_settings():
    low, high = Recipe(weight_decay=1e-4), Recipe(weight_decay=1e-4, grokfast=GrokfastEma(), batch_size=64)
    assert factors_between(low, high) == ["grokfast", "batch_size"]
    levels = design_between({"low": low, "high": high}, "low", "high").levels
    assert levels == {"grokfast": ("off", "decay 0.98, amplification 2"), "batch_size": ("32", "64")}


def test_a_config_written_out_is_read_as_the_same():
    """The report hands what was read to a second Snakemake."""
    config = check_config(RAW)
    assert check_config(config.model_dump(mode="json")) == config
    assert expand(config) == config


def test_only_studies_with_a_factorial_have_its_table_and_figure():
    studies = check_config(RAW).studies
    drawn = {name: study.drawn(hospitals=True) for name, study in studies.items()}
    assert "factorial" in studies["factorial"].all_tables and "factorial" in drawn["factorial"]
    assert "factorial" not in studies["demo"].all_tables and "factorial" not in drawn["demo"]
    assert "critical_size" in drawn["critical_size"] and "critical_size" not in drawn["demo"]


OTHER = {"task": "tissue", "between": ["grokking", "standard"], "n": [96], "seeds": [0]}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (mine(between=["standard", "groking"]), "studies.mine.runs[0].between[1]: 'groking' is not one of recipes: "),
        (mine(between=["standard"]), "studies.mine.runs[0].between: "),
        (mine(between=None), "studies.mine.runs[0]: names no recipe: give recipes, or between two of them"),
        (mine(recipes_="x"), "studies.mine.runs[0].recipes_: unknown key"),
        (
            mine(recipes={"twin": {"weight_decay": 5e-3}}, between=["standard", "twin"]),
            "studies.mine.runs[0].between: standard and twin differ in fewer than 2 settings",
        ),
        (
            mine(recipes={"standard_init_scale": {"weight_decay": 1e-4, "init_scale": 3}}),
            "studies.mine.runs[0].between: 'standard_init_scale', which it generates, is a recipe with other settings",
        ),
        (mine() | {"studies": {"mine": {"description": "", "runs": [mine()["studies"]["mine"]["runs"][0], OTHER]}}},
         "studies.mine.runs[1].between: a study has one factorial, and another run set has standard to grokking"),
    ],
    ids=["unknown", "one-end", "nothing", "key", "one-factor", "taken-name", "two-factorials"],
)  # fmt: skip
def test_each_problem_is_one_line_that_names_it(raw, expected):
    with pytest.raises(ConfigError) as error:
        check_config(raw)
    assert str(error.value).splitlines()[0].startswith(f"config: {expected}")


def test_recipes_beside_between_are_refused():
    raw = mine()
    raw["studies"]["mine"]["runs"][0]["recipes"] = ["standard"]
    with pytest.raises(ConfigError, match="its recipes are generated"):
        check_config(raw)


def test_a_factorial_needs_metrics():
    raw = mine()
    raw["studies"]["mine"]["tables"] = ["dynamics"]
    with pytest.raises(ConfigError, match=r"studies.mine.tables: a factorial needs the table metrics"):
        check_config(raw)


def test_a_critical_size_needs_two_sizes():
    raw = copy.deepcopy(RAW)
    raw["studies"]["demo"]["critical_size"] = {"threshold": 0.9}
    with pytest.raises(ConfigError, match=r"studies.demo.critical_size: task tissue has one n with recipe standard; a"):
        check_config(raw)


def test_the_rotation_holds_every_hospital_out_twice():
    config = check_config(RAW)
    datasets = {config.tasks[run.task].dataset for run in config.studies["camelyon17_rotation"].all_runs}
    pairs = {(config.datasets[name].ood_val_hospital, config.datasets[name].ood_test_hospital) for name in datasets}
    assert pairs == {(i, (i + 1) % 5) for i in range(5)}
    cut = [config.datasets[name].model_dump(exclude={"ood_val_hospital", "ood_test_hospital"}) for name in datasets]
    assert all(one == cut[0] for one in cut)
