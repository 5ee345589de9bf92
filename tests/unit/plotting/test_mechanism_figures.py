"""Norms, angles, margins and Grokfast: what is drawn is what the tables say."""

import numpy as np
import pytest
from figure_parts import BLUE, RED, legend, lines, overlapping, panel, rows
from matplotlib.colors import to_hex
from synthetic_study import study_tables

from causalgrok.analysis.white_gradients import decayed_norm, diffusion_norm, grokfast_persistence, step_rms
from causalgrok.plotting import draw, style
from causalgrok.plotting.mechanism import _DECAY, _NULL

FIGURES = ("norm_growth", "angle_per_step", "logit_margin", "grokfast_alignment")


def dashed(axes, line, colour):
    """The line of this dash pattern and colour."""
    pattern = line["linestyle"][1]
    found = [
        drawn
        for drawn in axes.lines
        if to_hex(drawn.get_color()) == colour
        and len(drawn.get_xdata()) > 2
        and drawn._unscaled_dash_pattern[1] is not None
        and tuple(drawn._unscaled_dash_pattern[1]) == pattern
    ]
    assert len(found) == 1
    return found[0]


def test_norms_stand_beside_noise_and_decay(tables, drawn):
    figure = drawn("norm_growth")
    assert len(figure.axes) == 6
    axes = panel(figure, "scale-invariant convolution n = 1000")
    runs = rows(tables["dynamics"], recipe="grokking", n=1000, group="convolution")
    (mean,) = lines(axes, style.THICK, RED)
    np.testing.assert_allclose(mean.get_ydata(), runs.groupby("epoch")["weight_norm"].mean())
    rate = {"learning_rate": 1e-3, "weight_decay": 5e-3}
    start, steps = runs["weight_norm"].iloc[0], runs["step"].unique()
    noise = {"parameters": 1000, "persistence": grokfast_persistence(decay=0.98, amplification=2)}
    np.testing.assert_allclose(dashed(axes, _NULL, RED).get_ydata(), diffusion_norm(start, steps, **rate, **noise))
    np.testing.assert_allclose(dashed(axes, _DECAY, RED).get_ydata(), decayed_norm(start, steps, **rate))
    assert axes.get_ylim()[0] == 0
    assert legend(figure)[-2:] == ["if gradients were white noise", "if weight decay acted alone"]


def test_angles_stand_beside_adams(tables, drawn):
    axes = panel(drawn("angle_per_step"), "head n = 300")
    runs = rows(tables["dynamics"], recipe="standard", n=300, group="head")
    runs = runs[runs["epoch"] > 0]
    (mean,) = lines(axes, style.THICK, BLUE)
    np.testing.assert_allclose(mean.get_ydata(), 1e3 * runs.groupby("epoch")["angle_per_step"].mean())
    expected = 1e3 * 1e-3 * step_rms(momentum=0.9) * np.sqrt(1000) / runs["weight_norm"]
    np.testing.assert_allclose(
        dashed(axes, _NULL, BLUE).get_ydata(), expected.groupby(runs["epoch"]).mean().to_numpy(), rtol=1e-9
    )
    assert axes.get_yscale() == "log"


def test_margins_of_training_and_held_out_set(tables, drawn):
    figure = drawn("logit_margin")
    assert len(figure.axes) == 6
    metrics = rows(tables["metrics"], recipe="grokking", n=1000)
    for title, column in (("margin", "margin"), ("losses exactly zero", "zero_loss_fraction")):
        axes = panel(figure, f"{title} n = 1000")
        (mean,) = lines(axes, style.THICK, RED)
        expected = rows(metrics, split="train").groupby("epoch")[column].mean()
        np.testing.assert_allclose(mean.get_ydata(), expected)
    assert len([line for line in panel(figure, "margin n = 1000").lines if line.get_linestyle() == "--"]) == 2
    assert not [line for line in panel(figure, "zero n = 1000").lines if line.get_linestyle() == "--"]


def test_only_recipes_with_grokfast_are_drawn(tables, drawn):
    figure = drawn("grokfast_alignment")
    assert len(figure.axes) == 2 * 2 * 2
    assert {to_hex(line.get_color()) for axes in figure.axes for line in lines(axes, style.THICK)} == {RED}
    alignment, growth = figure.axes[2:4]
    assert (alignment.get_title("left"), growth.get_title("left")) == ("head\nn = 300", "head\nn = 300")
    np.testing.assert_allclose(lines(alignment, style.THICK)[0].get_ydata(), 0.3)
    np.testing.assert_allclose(lines(growth, style.THICK)[0].get_ydata(), 0.2)
    np.testing.assert_allclose(dashed(growth, _NULL, RED).get_ydata(), 0.1)


@pytest.mark.parametrize(("span", "labels"), [(1.4, 2), (20, 3), (1e6, 3)])
def test_short_and_long_logarithmic_axes_have_ticks(span, labels):
    figure, axes = style.panels(1, 1)
    values = np.array([0.03, 0.03 * span, np.nan, 0])
    axes[0, 0].plot(values[:2])
    style.logarithmic(axes[0, 0], values)
    figure.draw_without_rendering()
    low, high = axes[0, 0].get_ylim()
    shown = [tick for tick in axes[0, 0].get_yticks() if low <= tick <= high]
    assert labels <= len(shown) <= 8
    style.logarithmic(axes[0, 0], np.array([np.nan, 0]))


def test_what_there_is_nothing_to_draw_of_is_said_in_words(small):
    plain = rows(study_tables(recipes=("standard",), seeds=(0,))["dynamics"])
    assert draw("grokfast_alignment", {"dynamics": plain}).texts[0].get_text().startswith("No run of this study uses")
    metrics = small["metrics"]
    figure = draw("logit_margin", {"metrics": metrics[metrics["split"] != "train"]})
    assert figure.texts[0].get_text() == "No training set is among the splits."
    dynamics = small["dynamics"]
    start = draw("angle_per_step", small | {"dynamics": dynamics[dynamics["epoch"] == 0]})
    assert start.texts[0].get_text().startswith("No step was measured")


_DIRECTIONS = ["weight_norm", "angle_per_step", "gradient_growth", "grokfast_alignment", "grokfast_growth"]
_SCORES = ["loss", "accuracy", "auroc", "margin", "logit_scale"]


def diverged(tables, seeds, epoch):
    """The study with runs of these seeds that are no longer finite from this epoch on."""
    broken = {table: tables[table].copy() for table in ("dynamics", "metrics", "mechanism")}
    for table, columns in (("dynamics", _DIRECTIONS), ("metrics", _SCORES)):
        lost = broken[table]["seed"].isin(seeds) & (broken[table]["epoch"] >= epoch)
        broken[table].loc[lost, columns] = np.nan
    broken["mechanism"].loc[broken["mechanism"]["seed"].isin(seeds), "diverged_epoch"] = epoch
    return broken


@pytest.mark.parametrize(("name", "evaluations"), [*zip(FIGURES, (4, 3, 4, 3), strict=True)])
def test_a_run_that_diverged_is_drawn_as_far_as_it_went(name, evaluations, tables):
    figure = draw(name, diverged(tables, (0,), 64))
    assert overlapping(figure) == []
    axes = next(axes for axes in figure.axes if lines(axes, style.THIN))
    assert min(len(line.get_xdata()) for line in lines(axes, style.THIN)) == evaluations


def test_where_a_run_diverged_is_marked(tables, drawn):
    figure = draw("norm_growth", diverged(tables, (0,), 64))
    axes = panel(figure, "head n = 1000")
    marked = [line for line in axes.lines if line.get_marker() == "x"]
    assert [line.get_xdata().tolist() for line in marked] == [[16], [16]]
    dynamics = rows(tables["dynamics"], n=1000, group="head", epoch=16, seed=0)
    heights = sorted(line.get_ydata()[0] for line in marked)
    assert heights == sorted(dynamics["weight_norm"])
    assert "run diverged" in legend(figure)
    assert "run diverged" not in legend(drawn("norm_growth"))


@pytest.mark.parametrize("name", FIGURES)
def test_every_run_may_have_diverged_at_once(name, tables):
    assert overlapping(draw(name, diverged(tables, (0, 1, 2), 1))) == []
