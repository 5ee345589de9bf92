"""The figures: what is drawn is what the tables say."""

import hashlib
import itertools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy import stats
from synthetic_study import CHECKPOINTS, study_tables

from causalgrok.interventions.features import STAGES
from causalgrok.interventions.steering import UNDEFINED_COSINE
from causalgrok.plotting import FIGURES, draw, style
from causalgrok.plotting.interventions import interventions_per_run

EACH = pytest.mark.parametrize("name", list(FIGURES))
BLUE, RED = "#0072b2", "#d55e00"


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def panel(figure: Figure, title: str):
    """The panel whose title holds every word of `title`."""
    found = [axes for axes in figure.axes if all(word in axes.get_title("left") for word in title.split())]
    assert len(found) == 1, [axes.get_title("left") for axes in figure.axes]
    return found[0]


def lines(axes, width=None, colour=None):
    return [
        line
        for line in axes.lines
        if len(line.get_xdata()) > 2
        and (width is None or line.get_linewidth() == width)
        and (colour is None or to_hex(line.get_color()) == colour)
    ]


def bands(axes):
    """Bands drawn in a panel: {(x, low, high), ...} each."""
    return [band.get_paths()[0].vertices for band in axes.collections if band.get_paths()]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def rows(frame: pd.DataFrame, **values) -> pd.DataFrame:
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return frame


def overlapping(figure: Figure) -> list[str]:
    """Pairs of texts that run into each other, and texts that leave the figure."""
    with mpl.rc_context(style.CONTEXT):
        figure.draw_without_rendering()
        axes = [axes for axes in figure.axes if axes.get_visible()]
        texts = [axes._left_title for axes in axes] + [text for key in figure.legends for text in key.get_texts()]
        for axis in (axis for panel in axes for axis in (panel.xaxis, panel.yaxis)):
            # The ticks that are drawn; get_ticklabels also has those beyond the limits.
            texts += [axis.label, *(tick.label1 for tick in axis._update_ticks() if axis is axis.axes.xaxis)]
        boxes = [
            (text.get_text(), text.get_window_extent()) for text in texts if text.get_visible() and text.get_text()
        ]
    bad = [
        f"{one} | {two}"
        for (one, box), (two, other) in itertools.combinations(boxes, 2)
        if min(box.x1, other.x1) - max(box.x0, other.x0) > 1 and min(box.y1, other.y1) - max(box.y0, other.y0) > 1
    ]
    edge = figure.bbox
    return bad + [
        text for text, box in boxes if box.x0 < -1 or box.y0 < -1 or box.x1 > edge.x1 + 1 or box.y1 > edge.y1 + 1
    ]


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


@pytest.mark.parametrize("name", ["peak_accuracy", "steering", "interventions_per_run", "neurons", "probing"])
def test_unequal_studies_are_drawn(name, unequal):
    assert all(axes.has_data() for axes in draw(name, unequal).axes)


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


def test_trajectories_without_hospitals_show_the_test_set_and_no_chance(small):
    metrics = small["metrics"].replace({"split": {"ood_test": "test"}})
    figure = draw("trajectories", {"metrics": metrics[metrics["split"].isin(("train", "test"))]})
    assert [axes.get_title("left") for axes in figure.axes] == ["test set, n = 1000"]
    assert "chance" not in legend(figure)


def test_one_run_has_no_interval(small):
    figure = draw("trajectories", small)
    assert all(np.isnan(band).any() or len(band) == 0 for axes in figure.axes for band in bands(axes))
    assert legend(figure) == ["grokking (1 run)", "training set, mean", "chance"]


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


def test_peak_accuracy_shows_runs_means_threshold_and_chance(tables):
    figure = draw("peak_accuracy", tables, threshold=0.85)
    for axes, measure in zip(figure.axes, ("peak_accuracy", "final_accuracy"), strict=True):
        levels = [line.get_ydata()[0] for line in axes.lines if list(line.get_xdata()) == [0, 1]]
        assert levels == [0.85, 0.5]
        points = [line for line in axes.lines if line.get_marker() == "o"]
        assert sorted(np.concatenate([line.get_ydata() for line in points])) == sorted(tables["outcomes"][measure])
        means = {to_hex(line.get_color()): line.get_ydata() for line in axes.lines if line.get_marker() == "_"}
        expected = tables["outcomes"].groupby(["recipe", "n"])[measure].mean()
        np.testing.assert_allclose(means[RED], expected["grokking"])
        np.testing.assert_allclose(means[BLUE], expected["standard"])
    assert "oracle" in figure.axes[0].get_title("left")


# Interventions


def test_steering_averages_repeats_within_a_run_and_then_runs(tables, drawn):
    figure = drawn("steering")
    assert len(figure.axes) == 8
    axes = panel(figure, "Activation steering OOD test hospital, n = 1000")
    final = rows(tables["steering"], recipe="grokking", n=1000, split="ood_test", epoch=3000)
    (target,) = [line for line in lines(axes, colour=RED) if line.get_linestyle() == "-"]
    expected = rows(final, direction="hospital").groupby("alpha")["accuracy"].mean()
    np.testing.assert_allclose(target.get_ydata(), expected)
    (control,) = [line for line in lines(axes, colour=RED) if line.get_linestyle() == "--"]
    per_run = rows(final, direction="random").groupby(["alpha", "seed"])["accuracy"].mean().unstack()
    np.testing.assert_allclose(control.get_ydata(), per_run.mean(axis=1))
    low = stats.t.interval(0.95, 2, per_run.mean(axis=1), per_run.sem(axis=1))[0]
    ends = np.vstack(bands(axes))
    assert all(
        np.isclose(ends[ends[:, 0] == alpha, 1], end).any() for alpha, end in zip(per_run.index, low, strict=True)
    )


def test_steering_shows_ablation_at_full_rank(tables, drawn):
    axes = panel(drawn("steering"), "Subspace ablation OOD validation hospital, n = 300")
    final = rows(tables["subspace"], recipe="standard", n=300, split="ood_val", epoch=3000, rank=2, method="logistic")
    (target,) = [line for line in lines(axes, colour=BLUE) if line.get_linestyle() == "-"]
    np.testing.assert_allclose(target.get_ydata(), final.groupby("strength")["accuracy"].mean())


def test_full_rank_is_the_classifiers_not_the_controls(small):
    subspace = small["subspace"]
    more = subspace[(subspace["method"] == "random") & (subspace["rank"] == 2)].assign(rank=3, accuracy=0.0)
    figure = draw("steering", small | {"subspace": pd.concat([subspace, more])})
    assert min(line.get_ydata().min() for axes in figure.axes for line in lines(axes)) > 0.4


def test_per_run_has_a_line_a_run_coloured_by_seed(tables):
    one = {table: rows(frame, n=1000) for table, frame in tables.items()}
    figure = draw("interventions_per_run", one)
    assert [axes.get_title("left") for axes in figure.axes] == [
        "Subspace ablation\ngrokking (3 runs)",
        "Subspace ablation\nstandard (3 runs)",
        "Activation steering\ngrokking (3 runs)",
        "Activation steering\nstandard (3 runs)",
    ]
    for axes in figure.axes:
        coloured = lines(axes, 1.2)
        assert len(coloured) == len({line.get_color() for line in coloured}) == 3
        assert len(lines(axes, style.THIN)) == 3
    final = rows(one["steering"], recipe="standard", split="ood_test", epoch=3000, direction="hospital", seed=1)
    assert any(np.allclose(line.get_ydata(), final["accuracy"]) for line in lines(figure.axes[3], 1.2))
    assert legend(figure)[:3] == ["seed 0", "seed 1", "seed 2"]


def test_per_run_is_coloured_by_size_where_there_are_several(drawn):
    figure = drawn("interventions_per_run")
    assert legend(figure)[:2] == ["n = 300", "n = 1000"]
    coloured = lines(figure.axes[0], 1.2)
    assert len(coloured) == 6
    assert len({line.get_color() for line in coloured}) == 2
    assert "(6 runs)" in figure.axes[0].get_title("left")


def test_a_run_whose_steering_sign_is_undefined_is_dotted(small):
    steering = small["steering"]
    hospital = steering["direction"] == "hospital"
    for cosine, dotted in ((0.09, 1), (0.11, 0)):
        frame = steering.assign(cosine=steering["cosine"].where(~hospital, cosine))
        figure = draw("interventions_per_run", small | {"steering": frame})
        assert sum(line.is_dashed() for axes in figure.axes for line in lines(axes, 1.2)) == dotted
        assert any("undefined" in label for label in legend(figure)) == bool(dotted)


def test_runs_without_a_sign_are_left_out_of_the_mean_response():
    signed = study_tables(recipes=("standard",))
    tables = dict(signed)
    lost = (tables["steering"]["seed"] == 0) & (tables["steering"]["direction"] == "hospital")
    tables["steering"] = tables["steering"].assign(cosine=tables["steering"]["cosine"].mask(lost, 0.05))
    without = {name: frame[frame["seed"] != 0] for name, frame in signed.items()}

    def response(tables) -> np.ndarray:
        panel = draw("steering", tables).axes[1]
        return next(line.get_ydata() for line in panel.lines if line.get_linestyle() == "-")

    np.testing.assert_allclose(response(tables), response(without))
    assert not np.allclose(response(signed), response(without))


def test_the_sign_is_undefined_where_steering_says_so():
    assert interventions_per_run.__wrapped__.__kwdefaults__["undefined"] == UNDEFINED_COSINE


# Neurons


def test_neurons_draws_the_three_selections_over_k(tables, drawn):
    figure = drawn("neurons")
    assert len(figure.axes) == 8
    axes = panel(figure, "standard (3 runs) OOD test hospital, n = 300")
    curves = lines(axes, 1.2)
    final = rows(tables["neurons"], recipe="standard", n=300, split="ood_test", epoch=3000)
    expected = final.groupby(["selection", "k"])["accuracy"].mean()
    assert len(curves) == 3
    for selection in ("hospital", "random", "tumour"):
        assert any(np.allclose(line.get_ydata(), expected[selection]) for line in curves)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "4", "8", "16", "32", "64", "128", "256"]


def test_neurons_per_seed_is_the_extra_drop_over_random(tables, drawn):
    figure = drawn("neurons_per_seed")
    axes = panel(figure, "OOD test hospital, n = 1000")
    points = axes.collections[0].get_offsets()
    final = rows(tables["neurons"], n=1000, split="ood_test", epoch=3000, k=64)
    expected, spread = [], []
    for recipe in ("grokking", "standard"):
        for seed in (0, 1, 2):
            run = rows(final, recipe=recipe, seed=seed)
            random = rows(run, selection="random")["accuracy"].to_numpy()
            expected.append(random.mean() - rows(run, selection="hospital")["accuracy"].item())
            spread.append(np.percentile(random.mean() - random, [2.5, 97.5]))
    np.testing.assert_allclose(points[:, 1], expected)
    np.testing.assert_allclose(points[:, 0], [0, 1, 2, 4, 5, 6])
    bars = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches]
    np.testing.assert_allclose(bars, spread, atol=1e-12)


@pytest.mark.parametrize(("asked", "shown"), [(64, 64), (100, 128), (96, 128), (1000, 256), (1, 4)])
def test_neurons_per_seed_takes_the_nearest_k(small, asked, shown):
    figure = draw("neurons_per_seed", small, k=asked)
    assert f"K = {shown} " in figure.axes[0].get_ylabel()


def test_neurons_per_seed_takes_a_k_that_every_run_has(tables):
    neurons = tables["neurons"]
    narrow = neurons[(neurons["n"] == 1000) | (neurons["k"] <= 32)]
    assert "K = 32 " in draw("neurons_per_seed", {"neurons": narrow}).axes[0].get_ylabel()


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
