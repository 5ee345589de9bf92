"""The figures of factorials and critical sizes."""

import numpy as np
import pandas as pd
import pytest
from figure_parts import RED, legend, overlapping, panel
from matplotlib.colors import to_hex
from synthetic_designs import TERMS, critical_sizes, factorial
from synthetic_study import study_tables

from causalgrok.analysis.critical_size import plateaus
from causalgrok.columns import COLUMNS
from causalgrok.plotting import draw


def table(name, rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS[name]))


def effects(**options) -> pd.DataFrame:
    return table("factorial", factorial(np.random.default_rng(1), **options))


def points(axes) -> dict[tuple[float, int], bool]:
    """(estimate, row) -> whether its mark is filled."""
    return {
        (float(x), round(float(y))): line.get_markerfacecolor() != "white"
        for line in axes.lines
        if line.get_marker() == "o"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }


def test_effects_stand_in_their_rows_and_significant_ones_are_filled():
    shown = effects(settings=(("camelyon17", 300),))
    axes = panel(draw("factorial", {"factorial": shown}), "Weight norm")
    rows = shown[shown["outcome"] == "weight_norm"]
    expected = {(row.estimate, TERMS.index(row.term)): row.rejected for row in rows.itertuples()}
    assert points(axes) == expected
    assert axes.get_yticklabels()[1].get_text() in ("init scale", "")
    assert axes.get_xlabel() == "effect (L2), 10 seeds"


def test_both_intervals_are_drawn():
    shown = effects(settings=(("camelyon17", 300),))
    axes = panel(draw("factorial", {"factorial": shown}), "Weight norm")
    mixed, exact = (np.array([ends[:, 0] for ends in lines.get_segments()]) for lines in axes.collections[:2])
    rows = shown[shown["outcome"] == "weight_norm"]
    np.testing.assert_allclose(mixed, rows[["mixed_low", "mixed_high"]])
    np.testing.assert_allclose(exact, rows[["low", "high"]])


def test_every_setting_has_its_colour_and_its_place():
    settings = tuple((task, n) for task in ("camelyon17", "camelyon17_weak", "camelyon17_strong") for n in (300, 1000))
    figure = draw("factorial", {"factorial": effects(settings=settings)})
    assert overlapping(figure) == []
    assert sum("camelyon17" in label for label in legend(figure)) == 6
    assert any("smallest possible .014" in label for label in legend(figure))


def test_missing_effects_have_no_mark_and_a_table_without_any_says_so():
    shown = effects(settings=(("camelyon17", 300),))
    missing = shown["outcome"] == "decline"
    some = shown.assign(estimate=shown["estimate"].mask(missing))
    titles = [axes.get_title("left") for axes in draw("factorial", {"factorial": some}).axes]
    assert "Decline" not in titles and "Weight norm" in titles
    nothing = draw("factorial", {"factorial": shown.assign(estimate=np.nan)})
    assert nothing.texts[0].get_text() == "No seed has all runs of the factorial."


@pytest.mark.parametrize("tasks", [("camelyon17",), ("camelyon17", "modular")])
def test_a_critical_size_is_told_and_shown(tasks):
    recipes, sizes = ("standard", "grokking"), (100, 300, 1000)
    study = study_tables(recipes=recipes, sizes=sizes, tasks=tasks)
    study["critical_size"] = table("critical_size", critical_sizes(tasks, recipes, sizes))
    figure = draw("critical_size", study)
    assert overlapping(figure) == []
    words = legend(figure)
    assert any(word.endswith("standard: none crossed, at most 0.70 at n = 1000") for word in words)
    assert any(word.endswith("grokking: crossed above 100, by 1000") for word in words)
    axes = panel(figure, tasks[0])
    dots = [line for line in axes.lines if line.get_marker() == "o" and to_hex(line.get_color()) == RED]
    runs = plateaus(study["metrics"])
    runs = runs[(runs["task"] == tasks[0]) & (runs["recipe"] == "grokking")]
    assert sorted(dots[0].get_ydata()) == pytest.approx(sorted(runs["plateau"]))


def test_without_a_judged_split_the_figure_says_so():
    study = study_tables(recipes=("grokking",), seeds=(0,))
    study["critical_size"] = study["critical_size"].iloc[:0]
    assert "No task has a split" in draw("critical_size", study).texts[0].get_text()


def test_every_run_has_its_mark_filled_where_it_generalised_late(tables):
    figure = draw("stopping", tables)
    axes = panel(figure, "Usual early stopping")
    filled = {to_hex(line.get_color()): len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"
              and line.get_markerfacecolor() != "none" and len(line.get_xdata())}  # fmt: skip
    assert filled == {RED: 6}
    missed = tables["stopping"].query("criterion == 'validation' and recipe == 'grokking'")
    heights = [line.get_ydata() for line in axes.lines if line.get_marker() == "o" and to_hex(line.get_color()) == RED]
    assert sorted(np.concatenate(heights)) == pytest.approx(sorted(missed["regret"]))


def test_stopping_without_runs_says_so(tables):
    assert "No run" in draw("stopping", {"stopping": tables["stopping"].iloc[:0]}).texts[0].get_text()
