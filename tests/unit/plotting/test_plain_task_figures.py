"""Figures of tasks without hospitals: a training and a test split, and networks that were continued."""

import numpy as np
import pytest
from figure_parts import lines, overlapping, panel
from synthetic_study import study_tables

from causalgrok.plotting import draw, frames


@pytest.fixture(scope="module")
def plain():
    """A study of a task without hospitals, its network with embeddings."""
    tables = study_tables(tasks=("modular_small",))
    for table in ("metrics", "geometry"):
        frame = tables[table][~tables[table]["split"].isin(["id_val", "ood_val"])]
        tables[table] = frame.replace({"split": {"ood_test": "test"}})
    tables["dynamics"] = tables["dynamics"].replace({"group": {"convolution": "embedding", "normalisation": "hidden"}})
    return tables


@pytest.mark.parametrize("name", ["trajectories", "weight_norm", "effective_rank", "ungrokking"])
def test_figures_are_drawn_without_hospitals(plain, name):
    assert overlapping(draw(name, plain)) == []


def test_trajectories_show_train_and_test(plain):
    figure = draw("trajectories", plain)
    (axes,) = figure.axes
    assert "test set" in axes.get_title("left")
    assert len(lines(axes)) == 2 * (1 + 1 + 3), "each recipe: the mean on train, the mean on test, three runs"


def test_every_group_of_weights_has_a_panel(plain):
    titles = [axes.get_title("left").split(",")[0].split(" ")[0] for axes in draw("weight_norm", plain).axes]
    assert titles == ["total", "embedding", "hidden", "head"]


def test_effective_rank_is_shown_on_train_and_test(plain):
    figure = draw("effective_rank", plain)
    assert [axes.get_title("left").split(",")[0] for axes in figure.axes] == ["training set", "test set"]


def test_ends_of_continued_runs_stand_at_their_means(tables):
    frame = tables["ungrokking"]
    axes = panel(draw("ungrokking", tables), "camelyon17 continued from n = 2000")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["300", "1000"]
    groups = frame.groupby(["n", "recipe"])["end_accuracy"]
    ends = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 2 and len(set(line.get_xdata())) == 1]
    np.testing.assert_allclose(sorted(map(tuple, ends)), sorted(frames.t_interval(values) for _, values in groups))
    drawn = {round(float(line.get_ydata()[0]), 6) for line in axes.lines if line.get_marker() == "_"}
    assert drawn == {round(mean, 6) for mean in groups.mean()}


def test_where_nothing_had_grokked_it_says_so(tables):
    figure = draw("ungrokking", {"ungrokking": tables["ungrokking"].assign(label="not_grokked")})
    assert "had grokked" in figure.texts[0].get_text()


def test_published_figures_lie_in_the_panel_of_their_task(plain):
    figure = draw("reported", plain)
    for recipe in ("standard", "grokking"):
        axes = panel(figure, recipe)
        circles = [line for line in axes.lines if line.get_linestyle() == "None"]
        assert sorted(line.get_ydata().tolist() for line in circles) == [[0.7, 0.7], [1.0, 1.0]]
        runs = plain["metrics"].query(f"recipe == '{recipe}' and split == 'test'").groupby("step")["accuracy"].mean()
        assert any(np.array_equal(line.get_ydata(), runs) for line in lines(axes, width=1.2))
    norms = [axes for axes in figure.axes if axes.get_ylabel() == "summed weight norm"]
    assert len(norms) == 2 and all(axes.get_ylim()[0] == 0 for axes in norms)


def test_figures_that_no_run_has_got_to_are_told(plain):
    later = plain["reported"].assign(verdict="not_reached")
    assert "No run" in draw("reported", plain | {"reported": later}).texts[0].get_text()
