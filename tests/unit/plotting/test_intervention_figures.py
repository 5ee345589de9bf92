"""The figures of interventions on pooled features: what is drawn is what the tables say."""

import numpy as np
import pandas as pd
import pytest
from figure_parts import BLUE, RED, bands, intervals, legend, lines, panel, rows
from matplotlib.colors import to_hex
from scipy import stats
from synthetic_study import study_tables

from causalgrok.interventions.features import STAGES
from causalgrok.interventions.steering import UNDEFINED_COSINE
from causalgrok.plotting import draw, style
from causalgrok.plotting.interventions import interventions_per_run


def test_steering_averages_repeats_within_a_run_and_then_runs(tables, drawn):
    figure = drawn("steering")
    assert len(figure.axes) == 8
    axes = panel(figure, "Activation steering OOD test hospital, n = 1000")
    final = rows(tables["steering"], recipe="grokking", n=1000, split="ood_test", epoch=3000, stage="pooled")
    (target,) = [line for line in lines(axes, colour=RED) if line.get_linestyle() == "-"]
    expected = rows(final, direction="hospital").groupby("alpha")["accuracy"].mean()
    np.testing.assert_allclose(target.get_ydata(), expected)
    for direction, line in (("matched", style.CONTROL), ("isotropic", style.SHOWN)):
        (control,) = lines(axes, line["linewidth"], RED)
        per_run = rows(final, direction=direction).groupby(["alpha", "seed"])["accuracy"].mean().unstack()
        np.testing.assert_allclose(control.get_ydata(), per_run.mean(axis=1))


def test_steering_has_the_t_interval_of_the_target_and_the_range_of_matched_draws_within_runs(tables, drawn):
    axes = panel(drawn("steering"), "Activation steering OOD test hospital, n = 1000")
    final = rows(tables["steering"], recipe="grokking", n=1000, split="ood_test", epoch=3000, stage="pooled", alpha=3)
    ends = np.vstack(bands(axes))
    for percent in (2.5, 97.5):
        draws = rows(final, direction="matched").groupby("seed")["accuracy"]
        expected = draws.apply(np.percentile, percent).mean()
        assert np.isclose(ends[ends[:, 0] == 3, 1], expected).any()
    accuracies = rows(final, direction="hospital")["accuracy"]
    interval = stats.t.interval(0.95, 2, accuracies.mean(), accuracies.sem())
    assert np.isclose(intervals(axes), [3, *interval]).all(axis=1).any()


def test_steering_shows_ablation_at_full_rank(tables, drawn):
    axes = panel(drawn("steering"), "Subspace ablation OOD validation hospital, n = 300")
    final = rows(tables["subspace"], recipe="standard", n=300, split="ood_val", epoch=3000, rank=2, method="logistic")
    final = rows(final, space="raw", centred=False)
    (target,) = [line for line in lines(axes, colour=BLUE) if line.get_linestyle() == "-"]
    np.testing.assert_allclose(target.get_ydata(), final.groupby("strength")["accuracy"].mean())


def test_full_rank_is_the_classifiers_not_the_controls(small):
    subspace = small["subspace"]
    more = subspace[(subspace["method"] == "matched") & (subspace["rank"] == 2)].assign(rank=3, accuracy=0.0)
    figure = draw("steering", small | {"subspace": pd.concat([subspace, more])})
    assert min(line.get_ydata().min() for axes in figure.axes for line in lines(axes)) > 0.4


def test_per_run_has_a_line_a_run_coloured_by_seed(tables):
    one = {table: rows(tables[table], n=1000) for table in ("subspace", "steering")}
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
        assert len(lines(axes, style.THIN)) == 6, "a matched and an isotropic control a run"
    final = rows(one["steering"], recipe="standard", split="ood_test", epoch=3000, direction="hospital", seed=1)
    final = rows(final, stage="pooled")
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
    without = {name: signed[name][signed[name]["seed"] != 0] for name in ("subspace", "steering")}

    def response(tables) -> np.ndarray:
        panel = draw("steering", tables).axes[1]
        return next(line.get_ydata() for line in lines(panel, style.THICK))

    np.testing.assert_allclose(response(tables), response(without))
    assert not np.allclose(response(signed), response(without))


def test_the_sign_is_undefined_where_steering_says_so():
    assert interventions_per_run.__wrapped__.__kwdefaults__["undefined"] == UNDEFINED_COSINE


# Neurons


def test_neurons_draws_the_four_selections_over_k(tables, drawn):
    figure = drawn("neurons")
    assert len(figure.axes) == 8
    axes = panel(figure, "standard (3 runs) OOD test hospital, n = 300")
    curves = lines(axes)
    final = rows(tables["neurons"], recipe="standard", n=300, split="ood_test", epoch=3000, mode="zero")
    expected = final.groupby(["selection", "k"])["accuracy"].mean()
    assert len(curves) == 4
    for selection in ("hospital", "matched", "random", "tumour"):
        wanted = expected[selection]
        assert any(len(line.get_ydata()) == len(wanted) and np.allclose(line.get_ydata(), wanted) for line in curves), (
            selection
        )
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "4", "8", "16", "32", "64", "128", "256"]


def test_neurons_per_seed_is_the_extra_drop_over_matched_channels(tables, drawn):
    figure = drawn("neurons_per_seed")
    axes = panel(figure, "OOD test hospital, n = 1000")
    points = axes.collections[0].get_offsets()
    final = rows(tables["neurons"], n=1000, split="ood_test", epoch=3000, k=64, mode="zero")
    expected, spread, dashes = [], [], []
    for recipe in ("grokking", "standard"):
        for seed in (0, 1, 2):
            run = rows(final, recipe=recipe, seed=seed)
            matched = rows(run, selection="matched")["accuracy"].to_numpy()
            expected.append(matched.mean() - rows(run, selection="hospital")["accuracy"].item())
            spread.append(np.percentile(matched.mean() - matched, [2.5, 97.5]))
            dashes.append(matched.mean() - rows(run, selection="random")["accuracy"].mean())
    np.testing.assert_allclose(points[:, 1], expected)
    np.testing.assert_allclose(points[:, 0], [0, 1, 2, 4, 5, 6])
    bars = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches]
    np.testing.assert_allclose(bars, spread, atol=1e-12)
    (random,) = [line for line in axes.lines if line.get_marker() == "_"]
    np.testing.assert_allclose(random.get_ydata(), dashes)


@pytest.mark.parametrize(("asked", "shown"), [(64, 64), (100, 128), (96, 128), (1000, 128), (1, 4)])
def test_neurons_per_seed_takes_the_nearest_k(small, asked, shown):
    figure = draw("neurons_per_seed", small, k=asked)
    assert f"K = {shown} " in figure.axes[0].get_ylabel()


def test_neurons_per_seed_takes_a_k_that_every_run_has(tables):
    neurons = tables["neurons"]
    narrow = neurons[(neurons["n"] == 1000) | (neurons["k"] <= 32)]
    assert "K = 32 " in draw("neurons_per_seed", {"neurons": narrow}).axes[0].get_ylabel()


def test_neurons_without_matched_channels_are_drawn_but_not_compared(small):
    neurons = small["neurons"]
    few = neurons[neurons["selection"] != "matched"]
    assert not any("matched" in label for label in legend(draw("neurons", {"neurons": few})))
    (sentence,) = draw("neurons_per_seed", {"neurons": few}).texts
    assert sentence.get_text() == "No channels were matched to the hospital's in every run."


def test_neurons_per_seed_does_without_random_channels(small):
    neurons = small["neurons"]
    figure = draw("neurons_per_seed", {"neurons": neurons[neurons["selection"] != "random"]})
    assert not any("random" in label for label in legend(figure))


# Stage by stage


def test_stage_steering_averages_both_signs_and_measures_from_the_network_itself(tables, drawn):
    figure = drawn("stage_steering")
    assert len(figure.axes) == 4 * 4
    assert [axes.get_title("left") for axes in figure.axes[:2]] == ["Images whose\nclass flips", "Change of\nAUROC"]
    assert figure.axes[0].get_ylabel().startswith("grokking (3 runs)\nn = 300")
    assert [text.get_text() for text in figure.axes[12].get_xticklabels()] == list(STAGES)
    final = rows(tables["steering"], recipe="grokking", n=300, split="ood_test", epoch=3000, stage="layer2")
    hospital = rows(final, direction="hospital").set_index(["seed", "alpha"])
    for axes, measure in zip(
        figure.axes, ("flip_fraction", "auroc", "accuracy", "accuracy_recalibrated"), strict=False
    ):
        value = hospital[measure].unstack()
        change = value[[-3, 3]].mean(axis=1) - (0 if measure == "flip_fraction" else value[0])
        means = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o" and len(line.get_ydata()) == 1]
        assert np.isclose(means[STAGES.index("layer2")], change.mean())


def test_stage_steering_has_the_range_of_permuted_and_matched_controls(tables, drawn):
    axes = drawn("stage_steering").axes[0]
    final = rows(tables["steering"], recipe="grokking", n=300, split="ood_test", epoch=3000, stage="layer1")
    ranges = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches]
    assert len(ranges) == 2 * len(STAGES)
    for direction in ("permuted", "matched"):
        strong = rows(final, direction=direction)
        strong = strong[strong["alpha"].abs() == 3].groupby(["seed", "repeat"])["flip_fraction"].mean()
        ends = [strong.groupby("seed").quantile(q).mean() for q in (0.025, 0.975)]
        assert np.isclose(ranges, ends).all(axis=1).any(), direction


def test_stage_steering_takes_the_last_checkpoint_with_stages_before_pooling(small):
    steering = small["steering"]
    early = steering[(steering["stage"] == "pooled") | (steering["epoch"] == 16)]
    only = rows(steering, epoch=16)
    late, wanted = (
        [line.get_ydata()[0] for line in draw("stage_steering", {"steering": frame}).axes[0].lines]
        for frame in (early, only)
    )
    np.testing.assert_array_equal(late, wanted)


def test_stage_steering_leaves_out_a_measure_that_no_run_has(small):
    steering = small["steering"].assign(accuracy_recalibrated=np.nan)
    left, whole = (
        [axes.get_title("left") for axes in draw("stage_steering", tables).axes]
        for tables in ({"steering": steering}, small)
    )
    assert left == whole[:3] and len(whole) == 4


def test_stage_steering_needs_the_network_itself(small):
    steering = small["steering"]
    with pytest.raises(ValueError, match="table steering: no rows of the hospital direction at alpha 0"):
        draw("stage_steering", {"steering": steering[steering["alpha"] != 0]})


# Erasure


def test_erasure_shows_every_method_with_both_probes(tables, drawn):
    figure = drawn("erasure")
    assert len(figure.axes) == 2 * 3
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == [
        *("nothing removed", "logistic rows", "mean differences", "LEACE", "INLP"),
        *("permuted by slide", "matched", "isotropic"),
    ]
    final = rows(tables["erasure"], recipe="grokking", n=300, epoch=3000, target="hospital", rank=2)
    marks = {
        (line.get_marker(), line.get_markerfacecolor() == "white"): line.get_xdata()[0]
        for line in figure.axes[0].lines
        if line.get_marker() not in ("None", None) and to_hex(line.get_color()) == RED
    }
    for method, marker in {"leace": "D", "inlp": "s", "matched": "X"}.items():
        for probe in ("linear", "mlp"):
            expected = rows(final, method=method, probe=probe).groupby("seed")["accuracy"].mean().mean()
            assert np.isclose(marks[marker, probe == "mlp"], expected), (method, probe)


def test_erasure_joins_what_is_left_with_the_heads_auroc(tables, drawn):
    axes = drawn("erasure").axes[1]
    left = rows(tables["erasure"], recipe="standard", n=300, epoch=3000, target="hospital", probe="linear", space="raw")
    heads = rows(tables["subspace"], recipe="standard", n=300, epoch=3000, split="ood_test", space="raw")
    for method, marker, centred in (("logistic", "o", False), ("leace", "D", True), ("none", "*", False)):
        of_method = rows(left, method=method, rank=0 if method == "none" else 2)
        removed = (
            rows(heads, strength=0.0)
            if method == "none"
            else rows(heads, method=method, rank=2, strength=1.0, centred=centred)
        )
        auroc = removed.groupby("seed")["auroc"].mean().mean()
        expected = ((of_method["accuracy"] - of_method["chance"]).mean(), auroc)
        points = [
            (line.get_xdata()[0], line.get_ydata()[0])
            for line in axes.lines
            if line.get_marker() == marker and len(line.get_xdata()) == 1 and to_hex(line.get_markeredgecolor()) == BLUE
        ]
        assert np.isclose(points, expected).all(axis=1).any(), method


def test_erasure_follows_inlp_from_nothing_removed(tables, drawn):
    axes = drawn("erasure").axes[2]
    (line,) = lines(axes, style.THICK, RED)
    assert list(line.get_xdata()) == [0, 2, 4, 8, 16]
    final = rows(tables["erasure"], recipe="grokking", n=300, epoch=3000, target="hospital", probe="linear")
    expected = final[final["method"].isin(("none", "inlp"))].groupby("rank")["accuracy"].mean()
    np.testing.assert_allclose(line.get_ydata(), expected)


def test_erasure_is_drawn_without_inlp_and_without_the_head(small):
    erasure, subspace = small["erasure"], small["subspace"]
    few = erasure[erasure["method"].isin(("logistic", "matched"))]
    figure = draw("erasure", {"erasure": few, "subspace": rows(subspace, method="leace")})
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["logistic rows", "matched"]


# Concentration


def test_concentration_shows_runs_mean_and_null(tables, drawn):
    figure = drawn("concentration")
    assert len(figure.axes) == 2 * 3
    axes = panel(figure, "Angle n = 300")
    assert len(lines(axes, style.THIN)) == 6
    runs = rows(tables["concentration"], recipe="standard", n=300, measure="head_angle").groupby("epoch")
    np.testing.assert_allclose(lines(axes, style.THICK, BLUE)[0].get_ydata(), runs["value"].mean())
    np.testing.assert_allclose(lines(axes, 1, BLUE)[0].get_ydata(), runs["null"].mean())
    assert not any("bootstrap" in label for label in legend(figure))


def test_concentration_of_one_run_has_its_bootstrap_interval(small):
    figure = draw("concentration", small)
    run = rows(small["concentration"], measure="inlp_area")
    ends = np.vstack(bands(figure.axes[0]))
    for column in ("low", "high"):
        assert all(np.isclose(ends, point).all(axis=1).any() for point in run[["epoch", column]].to_numpy())
    assert "95 % bootstrap interval of a run" in legend(figure)


def test_concentration_of_one_checkpoint_is_seen(tables):
    """Somebody else's networks may have one."""
    for epoch in (0, 3000):
        figure = draw("concentration", {"concentration": rows(tables["concentration"], n=300, epoch=epoch)})
        axes = figure.axes[2]
        (mean,) = [
            line for line in axes.lines if line.get_linewidth() == style.THICK and to_hex(line.get_color()) == RED
        ]
        assert mean.get_marker() == "o"
        assert axes.get_xlim()[0] <= epoch <= axes.get_xlim()[1]
        assert len(intervals(axes)) == 2, "a recipe's interval is a bar"


def test_concentration_is_missing_where_hospitals_cannot_be_told_apart(small):
    table = small["concentration"]
    gone = table.assign(value=table["value"].mask(table["measure"] == "head_angle"))
    figure = draw("concentration", {"concentration": gone})
    assert not lines(figure.axes[2], style.THICK)


def test_concentration_does_without_measures_and_nulls(small):
    table = rows(small["concentration"], measure="head_angle").assign(null=np.nan)
    assert len(draw("concentration", {"concentration": table}).axes) == 1
