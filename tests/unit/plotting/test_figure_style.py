"""What the figures share: statistics against scipy, colours, labels and files."""

import math
import traceback

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from causalgrok.plotting import frames, style


def runs(recipe="standard", seeds=(0, 1, 2), n=1000, **columns):
    return pd.DataFrame([{"task": "t", "recipe": recipe, "n": n, "seed": seed} | columns for seed in seeds])


def test_the_interval_is_scipys():
    values = np.array([0.61, 0.58, 0.7, 0.66, 0.59])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert frames.t_interval(values) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("values", [[0.6], [0.6, 0.7]])
def test_fewer_than_three_runs_have_no_interval(values):
    assert all(math.isnan(end) for end in frames.t_interval(values))


def test_a_mean_covers_only_what_all_runs_of_the_recipe_have():
    long, short = runs(seeds=(0, 1), epoch=5), runs(seeds=(0,), epoch=9)
    other = runs("grokking", seeds=(0,), epoch=9)
    kept = frames.complete(pd.concat([long, short, other]), ["epoch"])
    assert set(zip(kept["recipe"], kept["epoch"], strict=True)) == {("standard", 5), ("grokking", 9)}


def test_the_last_checkpoint_is_each_runs_own():
    frame = pd.concat([runs(seeds=(0, 1), epoch=5), runs(seeds=(0,), epoch=9)])
    kept = frames.final(frame)
    assert dict(zip(kept["seed"], kept["epoch"], strict=True)) == {0: 9, 1: 5}


def test_select_keeps_only_named_rows_and_columns():
    frame = pd.concat([runs(split="train", loss=1.0, accuracy=0.9), runs(split="ood_test", loss=1.0, accuracy=0.6)])
    kept = frames.select(frame, "metrics", "accuracy", split=("ood_test",))
    assert list(kept) == ["task", "recipe", "n", "seed", "accuracy", "split"]
    assert set(kept["accuracy"]) == {0.6}
    with pytest.raises(ValueError, match="table metrics: no rows whose split is id_val or test"):
        frames.select(frame, "metrics", split=("id_val", "test"))


def test_standard_and_grokking_keep_their_colours_whatever_stands_beside_them():
    alone = style.colours(["grokking", "standard"])
    factorial = style.colours(["decay", "init", "grokfast", "a", "b", "c", "standard", "grokking"])
    assert alone.items() <= factorial.items()
    assert len(set(factorial.values())) == 8
    assert factorial == style.colours(reversed(list(factorial)))


@pytest.mark.parametrize("count", [1, 9, 30])
def test_colours_are_distinct(count):
    assert len(set(style.colours(map(str, range(count))).values())) == count
    assert len(set(style.shades(count, sequential=True))) == count
    assert len(set(style.shades(count, sequential=False))) == count


def test_labels_count_runs_per_training_set():
    frame = pd.concat([runs("grokking", range(5)), runs("grokking", range(3), n=300), runs("standard", [0])])
    assert style.counted(frame) == {"grokking": "grokking (3 to 5 runs)", "standard": "standard (1 run)"}


def test_settings_name_the_task_only_where_there_are_several():
    one, two = runs(n=300), runs().assign(task="u")
    assert list(frames.settings(one)) == ["n = 300"]
    assert list(frames.settings(pd.concat([one, two]))) == ["t, n = 300", "u, n = 1000"]


@pytest.mark.parametrize(("last", "ticks"), [(3000, [0, 1, 10, 100, 1000]), (20, [0, 1, 10])])
def test_the_epoch_axis_names_powers_of_ten_and_zero(last, ticks):
    axes = Figure().subplots()
    style.epoch_axis(axes, last)
    assert list(axes.get_xticks()) == ticks
    assert axes.get_xlim() == (0, last)


def test_a_wide_interval_does_not_flatten_the_data():
    axes = Figure().subplots()
    axes.fill_between([0, 1], [-9, -9], [9, 9])
    style.bound(axes, [0.5, 0.9, math.nan])
    assert axes.get_ylim() == pytest.approx((0.4, 1.0))


def test_files_hold_text_as_text_and_no_date(tmp_path):
    figure = Figure()
    figure.subplots().set_xlabel("accuracy of the hospital")
    style.save_figure(figure, tmp_path / "a.pdf", tmp_path / "a.svg")
    svg, pdf = (tmp_path / "a.svg").read_text(), (tmp_path / "a.pdf").read_bytes()
    assert ">accuracy of the hospital</text>" in svg
    assert "<dc:date>" not in svg
    assert b"/CreationDate" not in pdf
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf


def test_an_error_names_the_figure_in_its_last_line():
    with (
        pytest.raises(ValueError, match="figure steering: table steering"),
        style.named_in_errors("steering"),
    ):
        raise ValueError("table steering: no rows")
    with pytest.raises(KeyError) as caught, style.named_in_errors("steering"):
        raise KeyError("alpha")
    assert traceback.format_exception(caught.value)[-1] == "figure steering: KeyError('alpha')\n"
