import pandas as pd
import pytest

from causalgrok.paper.facts import figure_facts
from causalgrok.paper.wording import listed, number, runs_told, span
from causalgrok.plotting import FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_told_of_or_has_no_runs(study, name):
    told = figure_facts(name, study)
    of_runs = any({"task", "recipe", "n", "seed"} <= set(study.get(table, [])) for table in FIGURES[name].tables)
    assert told.startswith("Shown: ") == of_runs
    assert "nan" not in told.lower()


def test_runs_are_named_by_arm_until_they_are_too_many():
    runs = pd.DataFrame(
        [("t", recipe, n, seed) for recipe in "ab" for n in (10, 20) for seed in range(3)],
        columns=["task", "recipe", "n", "seed"],
    )
    assert runs_told(runs.query("n == 10")) == "3 runs of t / a (n\xa0=\xa010) and 3 runs of t / b (n\xa0=\xa010)"
    assert (
        runs_told(pd.concat([runs, runs.assign(task="u")]))
        == "24 runs in 8 arms (2 tasks and 2 recipes, n\xa0=\xa010 to 20)"
    )


def test_controls_tests_and_thresholds_are_those_of_the_tables():
    rows = {"control": ["permuted", "matched", "matched", "isotropic"], "controls": [39, 20, 200, 7]}
    verdicts = pd.DataFrame(
        rows | {"decisive": [True, True, True, False], "smallest_p": [0.025, 1 / 21, 1 / 201, 0.125]}
    )
    verdicts = verdicts.assign(task="t", recipe="r", n=1, seed=0)
    told = figure_facts("verdicts", {"verdicts": verdicts})
    assert "20 to 200 matched and 39 permuted; smallest p 0.00498 to 0.0476" in told and "isotropic" not in told
    compared = {
        "test": ["paired permutation", "log-rank"],
        "runs_a": [3, 3],
        "runs_b": [3, 4],
        "smallest_p": [0.25, 0.1],
    }
    compared |= {"smallest_p_holm": [0.25, 0.1], "margin": [0.03, None], "level": 0.95, "rejected": [False, True]}
    told = figure_facts("comparisons", {"statistics": pd.DataFrame(compared)})
    assert "paired permutation (1) and log-rank (1)" in told and "runs an arm 3 to 4" in told
    assert "margins 0.03" in told and "Rejected after Holm: 1 of 2" in told
    decline = pd.DataFrame({"task": "t", "recipe": "r", "n": 1, "seed": [0, 1], "slides": [10, 10]})
    assert "10 (9 degrees of freedom" in figure_facts("decline", {"decline": decline})


def test_a_figure_says_which_run_it_shows():
    outcomes = pd.DataFrame({"task": "t", "recipe": ["a", "b", "c"], "n": 1, "seed": 0})
    outcomes = outcomes.assign(label=["plateau", "grokked", "grokked"], delta_S=[0.9, 0.5, 0.3])
    assert "1 run of t / b" in figure_facts("annotated_run", {"metrics": outcomes, "outcomes": outcomes})


def test_nothing_is_told_of_tables_that_are_empty_or_not_there(study):
    assert figure_facts("verdicts", {}) == ""
    assert figure_facts("reliance", {"reliance": study["reliance"].head(0)}) == ""


def test_numbers_in_words():
    assert [number(value) for value in (0.25, -0.5, 1234.5, float("nan"))] == [
        "0.25",
        "\N{MINUS SIGN}0.5",
        "1,234",
        "\N{EN DASH}",
    ]
    assert (span([3, 1, None]), span([2, 2]), span([])) == ("1 to 3", "2", "\N{EN DASH}")
    assert (listed("a"), listed("abc"), listed([])) == ("a", "a, b and c", "\N{EN DASH}")
