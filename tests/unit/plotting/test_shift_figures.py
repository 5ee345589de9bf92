"""Figures of distribution shift: tasks side by side, a run with what the detector sees, and subclasses."""

import numpy as np
import pandas as pd
import pytest
from figure_parts import legend, lines, overlapping, panel
from matplotlib.collections import PathCollection
from synthetic_study import study_tables

from causalgrok.analysis.shift import composition, measure_shift
from causalgrok.columns import RUN
from causalgrok.data.subclass_shift import SubclassShiftSettings
from causalgrok.data.subclass_shift import draw as draw_examples
from causalgrok.plotting import draw

TASKS = ("near_f0", "near_f20", "far_f0")


@pytest.fixture(scope="module")
def plain():
    """Three tasks of two families, in two sizes, without hospitals."""
    tables = study_tables(tasks=TASKS, recipes=("shift",), sizes=(100, 400))
    metrics = tables["metrics"]
    tables["metrics"] = metrics[~metrics["split"].isin(["id_val", "ood_val"])].replace({"split": {"ood_test": "test"}})
    distances = {"near_f0": 0.5, "near_f20": 0.33, "far_f0": 0.5}
    tables["shift"] = tables["shift"].assign(total_variation=tables["shift"]["task"].map(distances))
    return tables


def test_tasks_that_differ_after_the_last_underscore_share_panels(plain):
    figure = draw("shift_curves", plain)
    assert overlapping(figure) == []
    assert len(figure.axes) == 4, "a row for near and one for far, a panel for each n"
    assert len(lines(panel(figure, "near 400"))) == 2 * 2, "a mean on train and one on test for each task"
    assert len(lines(panel(figure, "far 100"))) == 2
    assert {"f0, distance 0.50", "f20, distance 0.33"} <= set(legend(figure))


def test_curves_are_means_over_runs(plain):
    axes = panel(draw("shift_curves", plain), "far 400")
    rows = plain["metrics"].query("task == 'far_f0' and n == 400 and split == 'test'")
    solid = [line for line in lines(axes) if line.get_linestyle() == "-"]
    assert len(solid) == 1
    np.testing.assert_allclose(solid[0].get_ydata(), rows.groupby("epoch")["accuracy"].mean())


def run(label="grokked", seed=0, rise=0.5):
    """A run that memorises at step 10 and rises between steps 100 and 200, and what the detector would say."""
    steps = np.arange(0, 1001, 10)
    test = np.interp(steps, [0, 100, 200, 1000], [0.25, 0.3, 0.3 + rise, 0.3 + rise])
    keys = dict(zip(RUN, ("t", "shift", 100, seed), strict=True))
    curves = {"train": np.where(steps < 10, 0.25, 1.0), "test": test}
    metrics = [
        keys | {"step": step, "epoch": step, "split": split, "accuracy": value}
        for split, values in curves.items()
        for step, value in zip(steps, values, strict=True)
    ]
    outcome = keys | {"alpha_0": 10.0, "alpha_1": 190.0, "sigma_S": 0.3, "sigma_E": 0.3 + rise, "delta_S": rise}
    return metrics, outcome | {"delta_T": 0.7 - rise, "support": 810.0, "label": label}


def tables_of(*runs):
    return {
        "metrics": pd.DataFrame([row for metrics, _ in runs for row in metrics]),
        "outcomes": pd.DataFrame([outcome for _, outcome in runs]),
    }


def test_the_run_that_grokked_most_is_annotated():
    figure = draw("annotated_run", tables_of(run("plateau", 0, 0.6), run("grokked", 1, 0.4), run("grokked", 2, 0.5)))
    (axes,) = figure.axes
    assert overlapping(figure) == []
    assert "seed 2" in axes.get_title("left") and "grokked" in axes.get_title("left")
    texts = " ".join(text.get_text() for text in axes.texts)
    assert "\\Delta_S$ = 0.50" in texts and "\\Delta_T$ = 0.20" in texts and "S = 810" in texts
    upright = {line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1}
    assert {10.0, 190.0} <= upright
    level = {
        line.get_ydata()[0] for line in axes.lines if len(line.get_xdata()) == 2 and len(set(line.get_ydata())) == 1
    }
    assert sorted(level) == pytest.approx([0.3, 0.8, 1.0])


def test_where_nothing_was_memorised_it_says_so():
    metrics, outcome = run()
    figure = draw("annotated_run", tables_of((metrics, outcome | {"alpha_0": np.nan})))
    assert "memorised" in figure.texts[0].get_text()


@pytest.fixture(scope="module")
def hierarchies():
    tables = []
    for hierarchy, fraction in (("equidistant", 0.2), ("equidistant", 0), ("equivariant", 0)):
        settings = SubclassShiftSettings(
            kind="subclass_shift", hierarchy=hierarchy, noise=0.1, reduced_fraction=fraction, test_examples=400
        )
        splits = draw_examples(settings, n=400, seed=0)
        counted = composition(
            {name: split.labels for name, split in splits.items()},
            {name: split.groups for name, split in splits.items()},
        )
        assert measure_shift(counted)["total_variation"] > 0.3
        keys = dict(zip(RUN, (f"{hierarchy}_f{round(100 * fraction)}", "shift", 400, 0), strict=True))
        tables.append(counted.assign(**keys))
    return pd.concat(tables)


def test_subclasses_are_joined_where_they_are_nearest(hierarchies):
    figure = draw("subclasses", {"composition": hierarchies})
    assert overlapping(figure) == []
    assert len(figure.axes) == 2, "one for each set of subclasses"
    alike, related = panel(figure, "equidistant_f0"), panel(figure, "equivariant_f0")
    assert len(alike.lines) == 8 * 7 // 2, "all as near as any"
    assert len(related.lines) == 4 * 9, "each neighbour to the middle of its class"
    assert "joined at a distance of 2; of other classes from 2" in alike.get_title("left")
    assert "joined at a distance of 1; of other classes from 4" in related.get_title("left")


def test_groups_that_are_no_subclasses_are_counted_not_drawn(hierarchies):
    run = hierarchies.iloc[:1].drop(columns=["group", "label", "train", "test"])
    each = pd.DataFrame({"group": np.arange(2000), "label": np.arange(2000) % 3 * 5, "train": 1, "test": 0})
    figure = draw("subclasses", {"composition": run.merge(each, how="cross")})
    assert "2000 groups" in figure.axes[0].get_title("left") and not figure.axes[0].collections


def test_classes_are_known_by_their_label(hierarchies):
    figure = draw("subclasses", {"composition": hierarchies.assign(label=hierarchies["label"] * 7 + 3)})
    assert {"class 3", "class 10"} <= set(legend(figure))


def test_subclasses_that_training_lacks_are_hollow(hierarchies):
    figure = draw("subclasses", {"composition": hierarchies})
    for axes, hollow in ((panel(figure, "equidistant_f0"), 4), (panel(figure, "equivariant_f0"), 20)):
        dots = [one for one in axes.collections if isinstance(one, PathCollection)]
        assert sum((dot.get_facecolor()[0, :3] == 1).all() for dot in dots) == hollow
        places = np.array([dot.get_offsets()[0] for dot in dots])
        apart = np.linalg.norm(places[:, None] - places[None], axis=2)[np.triu_indices(len(places), 1)]
        assert apart.min() > 0.1, "no dot hides another"
