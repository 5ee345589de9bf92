"""The figures: what is drawn is what the tables say."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from figure_parts import BLUE, RED, bands, legend, lines, overlapping, panel, rows
from matplotlib.colors import to_hex
from scipy import stats
from synthetic_interventions import CHECKPOINTS
from synthetic_study import study_tables

from causalgrok.interventions.features import STAGES
from causalgrok.plotting import FIGURES, draw, style

EACH = pytest.mark.parametrize("name", list(FIGURES))


@EACH
def test_no_text_is_cut_or_runs_into_another(name, drawn):
    assert overlapping(drawn(name)) == []


@EACH
def test_one_run_is_drawn_and_leaves_its_tables_and_the_settings_alone(name, small):
    before, settings = {table: frame.copy() for table, frame in small.items()}, dict(mpl.rcParams)
    assert overlapping(draw(name, small)) == []
    assert dict(mpl.rcParams) == settings
    for table, frame in small.items():
        pd.testing.assert_frame_equal(frame, before[table])


@pytest.mark.parametrize("name", ["peak_accuracy", "interventions_per_run", "neurons", "neurons_per_seed"])
def test_a_factorial_of_eight_recipes_is_drawn(name, factorial):
    assert overlapping(draw(name, factorial)) == []


def test_bands_of_many_recipes_are_left_out(factorial, small):
    assert any("2.5 to 97.5 %" in label for label in legend(draw("steering", small)))
    figure = draw("steering", factorial)
    assert not any("2.5 to 97.5 %" in label for label in legend(figure))
    assert not any(bands(axes) for axes in figure.axes)


@pytest.mark.parametrize("name", ["peak_accuracy", "steering", "interventions_per_run", "neurons", "probing"])
def test_unequal_studies_are_drawn(name, unequal):
    assert all(axes.has_data() for axes in draw(name, unequal).axes)


@EACH
def test_somebody_elses_networks_are_drawn(name, inspected):
    """Of one checkpoint, without a held-out hospital, and under any name."""
    assert overlapping(draw(name, inspected)) == []


@pytest.fixture(scope="module")
def inspected():
    study = study_tables(recipes=("resnet18_their_name",), seeds=(0,))
    evaluated = {
        table: frame for table, frame in study.items() if "split" in frame and table not in ("outcomes", "arms")
    }
    study |= {table: frame[frame["split"] == "id_val"] for table, frame in evaluated.items()}
    return {table: frame[frame["epoch"] == 3000] if "epoch" in frame else frame for table, frame in study.items()}


@pytest.fixture(scope="module")
def factorial():
    recipes = ("standard", "decay", "init", "grokfast", "decay_init", "decay_grokfast", "init_grokfast", "grokking")
    study = study_tables(recipes=recipes, seeds=(0,))
    return {table: frame[frame["split"] == "ood_test"] if "split" in frame else frame for table, frame in study.items()}


@pytest.fixture(scope="module")
def unequal(tables):
    """As in the source, one recipe at one size only and in fewer seeds."""
    return {
        table: frame[~((frame["recipe"] == "standard") & ((frame["n"] == 300) | (frame["seed"] == 2)))]
        for table, frame in tables.items()
        if "seed" in frame
    }


def digest(folder: Path) -> str:
    """Hash of the files of the figures that are soonest drawn."""
    study, total = study_tables(recipes=("grokking",), seeds=(0,)), hashlib.sha256()
    for name in ("neurons_per_seed", "probing"):
        style.save_figure(draw(name, study), folder / f"{name}.pdf", folder / f"{name}.svg")
        total.update((folder / f"{name}.pdf").read_bytes() + (folder / f"{name}.svg").read_bytes())
    return total.hexdigest()


def test_equal_tables_give_equal_bytes_in_any_process(tmp_path):
    code = "import sys; from pathlib import Path; from test_figures import digest; print(digest(Path(sys.argv[1])))"
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parent)}
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == digest(tmp_path)


# Curves over training


def test_trajectories_show_every_run_and_the_mean_with_scipys_interval(tables, drawn):
    figure = drawn("trajectories")
    assert len(figure.axes) == 4
    axes = panel(figure, "OOD test hospital, n = 1000")
    assert len(lines(axes, style.THIN)) == 6
    (mean,) = lines(axes, style.THICK, RED)
    values = rows(tables["metrics"], recipe="grokking", n=1000, split="ood_test").pivot(
        index="epoch", columns="seed", values="accuracy"
    )
    np.testing.assert_array_equal(mean.get_xdata(), CHECKPOINTS)
    np.testing.assert_allclose(mean.get_ydata(), values.mean(axis=1))
    low, high = stats.t.interval(0.95, 2, values.mean(axis=1), values.sem(axis=1))
    ends = np.vstack(bands(axes))
    for epoch, least, most in zip(CHECKPOINTS, low, high, strict=True):
        at = ends[ends[:, 0] == epoch, 1]
        assert np.isclose(at, least).any() and np.isclose(at, most).any()


def test_trajectories_show_the_training_set_dashed(tables, drawn):
    axes = panel(drawn("trajectories"), "OOD validation hospital, n = 300")
    dashed = [line for line in lines(axes) if line.get_linestyle() == "--"]
    train = rows(tables["metrics"], n=300, split="train").groupby(["recipe", "epoch"])["accuracy"].mean()
    assert len(dashed) == 2
    for line in dashed:
        recipe = {RED: "grokking", BLUE: "standard"}[to_hex(line.get_color())]
        np.testing.assert_allclose(line.get_ydata(), train[recipe])


def levels(axes):
    return [line.get_ydata()[0] for line in axes.lines if list(line.get_xdata()) == [0, 1]]


def test_trajectories_without_hospitals_show_the_test_set(small):
    metrics = small["metrics"].replace({"split": {"ood_test": "test"}})
    figure = draw("trajectories", {"metrics": metrics[metrics["split"].isin(("train", "test"))]})
    assert [axes.get_title("left") for axes in figure.axes] == ["test set, n = 1000"]


@pytest.mark.parametrize("name", ["trajectories", "domain_gap", "peak_accuracy"])
def test_chance_is_that_of_the_task_and_left_out_where_it_is_unknown(name, tables):
    (task,) = tables["metrics"]["task"].unique()
    threshold = [0.9] if name == "peak_accuracy" else []
    figure = draw(name, tables, chance={task: 1 / 31, "another": 0.5})
    assert all(levels(axes) == [*threshold, 1 / 31] for axes in figure.axes) and "chance" in legend(figure)
    figure = draw(name, tables, chance={"another": 0.5})
    assert all(levels(axes) == threshold for axes in figure.axes) and "chance" not in legend(figure)


def test_one_run_has_no_interval(small):
    figure = draw("trajectories", small)
    assert all(np.isnan(band).any() or len(band) == 0 for axes in figure.axes for band in bands(axes))
    assert legend(figure) == ["grokking (1 run)", "training set, mean"]


def test_weight_norm_has_a_panel_a_group(tables, drawn):
    figure = drawn("weight_norm")
    assert len(figure.axes) == 8
    axes = panel(figure, "convolution (scale-invariant), n = 300")
    assert len(lines(axes, style.THIN)) == 6
    (mean,) = lines(axes, style.THICK, BLUE)
    expected = rows(tables["dynamics"], recipe="standard", n=300, group="convolution").groupby("epoch")["weight_norm"]
    np.testing.assert_allclose(mean.get_ydata(), expected.mean())


def test_effective_rank_shows_the_training_hospitals_and_both_held_out_ones(tables, drawn):
    figure = drawn("effective_rank")
    assert len(figure.axes) == 6
    axes = panel(figure, "ID validation n = 1000")
    (mean,) = lines(axes, style.THICK, RED)
    expected = rows(tables["geometry"], recipe="grokking", n=1000, split="id_val").groupby("epoch")["effective_rank"]
    np.testing.assert_allclose(mean.get_ydata(), expected.mean())


def test_effective_rank_falls_back_on_the_training_set(small):
    geometry = small["geometry"]
    figure = draw("effective_rank", {"geometry": geometry[geometry["split"] != "id_val"]})
    assert panel(figure, "training set n = 1000")


# Peak accuracy


def test_peak_accuracy_shows_runs_means_and_threshold(tables):
    figure = draw("peak_accuracy", tables, threshold=0.85)
    for axes, measure in zip(figure.axes, ("peak_accuracy", "final_accuracy"), strict=True):
        assert levels(axes) == [0.85]
        points = [line for line in axes.lines if line.get_marker() == "o"]
        assert sorted(np.concatenate([line.get_ydata() for line in points])) == sorted(tables["outcomes"][measure])
        means = {to_hex(line.get_color()): line.get_ydata() for line in axes.lines if line.get_marker() == "_"}
        expected = tables["outcomes"].groupby(["recipe", "n"])[measure].mean()
        np.testing.assert_allclose(means[RED], expected["grokking"])
        np.testing.assert_allclose(means[BLUE], expected["standard"])
    assert "oracle" in figure.axes[0].get_title("left")


# Probing


def test_probing_maps_accuracy_minus_chance_from_stem_to_pooled(tables, drawn):
    figure = drawn("probing")
    assert len(figure.axes) == 4 * 3 + 1
    assert [axes.get_title("left") for axes in figure.axes[:3]] == ["hospital", "tumour", "hospital, permuted by slide"]
    assert figure.axes[0].get_ylabel() == "grokking (3 runs)\nn = 300"
    cells = rows(tables["probing"], recipe="grokking", n=300, target="tumour", control="none")
    above = (cells["accuracy"] - cells["chance"]).groupby([cells["stage"], cells["epoch"]]).mean().unstack()
    drawn = figure.axes[1].collections[0].get_array().reshape(len(STAGES), len(CHECKPOINTS))
    np.testing.assert_allclose(drawn, above.loc[list(reversed(STAGES))])
    # The lowest row of a heatmap is its last, so the stem lies at the bottom.
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1]
    limits = {axes.collections[0].get_clim() for axes in figure.axes[:12]}
    assert len(limits) == 1


def test_probing_without_the_permuted_control_has_two_columns(small):
    probing = small["probing"]
    figure = draw("probing", {"probing": probing[probing["control"] == "none"]})
    assert len(figure.axes) == 2 + 1


def test_domain_gap_averages_the_last_quarter_of_each_run(tables):
    figure = draw("domain_gap", tables)
    metrics = tables["metrics"].query("recipe == 'standard' and split == 'ood_test'")
    late = metrics[metrics["epoch"] >= 0.75 * metrics["epoch"].max()]
    panel = next(axes for axes in figure.axes if axes.get_title("left").startswith("standard"))
    dots = [line.get_ydata() for line in panel.lines if line.get_marker() == "o"]
    sizes = sorted(metrics["n"].unique())
    assert len(dots) == 3 * len(sizes), "one mark a training set and split"
    for place, n in enumerate(sizes):
        expected = late[late["n"] == n].groupby("seed")["accuracy"].mean()
        np.testing.assert_allclose(dots[3 * place + 2], expected)
