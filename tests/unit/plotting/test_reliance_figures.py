"""The figures of how much networks rely on stain, and of what the probes say about it."""

import numpy as np
import pandas as pd
import pytest
from figure_parts import BLUE, RED, legend, lines, overlapping, panel, rows
from matplotlib.colors import to_hex
from scipy import stats
from synthetic_study import study_tables

from causalgrok.plotting import draw, style

# Counterfactual


def test_counterfactual_averages_unseen_splits_and_foreign_hospitals(tables, drawn):
    figure = drawn("counterfactual")
    assert len(figure.axes) == 2 * 3
    axes = panel(figure, "Reliance on stain n = 300")
    assert len(lines(axes, style.THIN)) == 6
    runs = rows(tables["counterfactual"], recipe="grokking", n=300, method="macenko")
    unseen = runs[runs["split"].isin(("ood_val", "ood_test"))]
    flips = unseen.dropna(subset="flip_fraction").groupby(["epoch", "seed"])["flip_fraction"].mean().unstack()
    (mean,) = lines(axes, style.THICK, RED)
    np.testing.assert_allclose(mean.get_ydata(), flips.mean(axis=1))


def test_counterfactual_shows_the_same_tissue_as_every_hospital_at_the_end(tables, drawn):
    axes = drawn("counterfactual").axes[2]
    assert axes.get_title("left") == "OOD test hospital\nre-stained, Macenko"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "2\nown", "3", "4"]
    final = rows(tables["counterfactual"], recipe="standard", n=300, method="macenko", epoch=3000, split="ood_test")
    means = final.groupby("target_hospital")["accuracy"].mean()
    drawn = [line for line in axes.lines if line.get_marker() == "_" and to_hex(line.get_color()) == BLUE]
    np.testing.assert_allclose([line.get_ydata()[0] for line in drawn], means)
    dots = [line for line in axes.lines if line.get_marker() == "o" and to_hex(line.get_color()) == BLUE]
    np.testing.assert_allclose(dots[4].get_ydata(), rows(final, target_hospital=4)["accuracy"])


@pytest.mark.parametrize(
    ("methods", "title"),
    [
        (("reinhard", "macenko"), "re-stained, Macenko"),
        (("macenko", "rendered"), "rendered anew"),
        (("reinhard",), "re-stained, Reinhard"),
    ],
)
def test_counterfactual_draws_one_method(small, methods, title):
    table = rows(small["counterfactual"], method="macenko")
    shown = pd.concat([table.assign(method=method, accuracy=0.1 * i) for i, method in enumerate(methods)])
    figure = draw("counterfactual", {"counterfactual": shown})
    assert figure.axes[1].get_title("left") == f"ID validation\n{title}"
    assert len({line.get_ydata()[0] for line in figure.axes[1].lines if line.get_marker() == "_"}) == 1


def test_counterfactual_of_tasks_with_different_methods():
    table = study_tables(tasks=("generated", "photographed"), seeds=(0,), recipes=("standard",))["counterfactual"]
    table = table[(table["task"] == "photographed") | (table["method"] == "macenko")]
    table = table.assign(method=table["method"].mask(table["task"] == "generated", "rendered"))
    titles = [axes.get_title("left") for axes in draw("counterfactual", {"counterfactual": table}).axes]
    assert titles[1::3] == ["ID validation\nrendered anew", "ID validation\nre-stained, Macenko"]


def test_counterfactual_without_held_out_hospitals_shows_id_validation(small):
    table = rows(small["counterfactual"], split="id_val")
    assert len(draw("counterfactual", {"counterfactual": table}).axes) == 2


# Renormalisation


def test_renormalisation_pairs_runs(tables, drawn):
    axes = panel(drawn("renormalisation"), "OOD test hospital, n = 300")
    final = rows(tables["renormalisation"], recipe="grokking", n=300, epoch=3000, split="ood_test")
    pairs = final.pivot(index="seed", columns="statistics", values="accuracy")[["stored", "reestimated"]]
    joined = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 2 and to_hex(line.get_color()) == RED]
    for pair in (*pairs.to_numpy(), pairs.mean()):
        assert any(np.allclose(line, pair) for line in joined)
    low, high = stats.t.interval(0.95, 2, pairs["stored"].mean(), pairs["stored"].sem())
    assert any(np.allclose(line, (low, high)) for line in joined)


def test_renormalisation_needs_a_pair(small):
    table = rows(small["renormalisation"], statistics="stored")
    with pytest.raises(ValueError, match="table renormalisation: no run has stored and reestimated"):
        draw("renormalisation", {"renormalisation": table})


# Verdicts


def test_verdicts_take_the_hardest_decisive_control(tables, drawn):
    figure = drawn("verdicts")
    assert [axes.get_title("left") for axes in figure.axes[:3]] == ["Steering", "Ablation", "Neurons"]
    assert [text.get_text() for text in figure.axes[1].get_xticklabels()] == [
        *("logistic", "shrunken mean", "leace", "inlp")
    ]
    assert figure.axes[0].get_yticklabels()[0].get_text() == "grokking, n 300, seed 0"
    dots = figure.axes[1].collections[0]
    shown = {tuple(place): value for place, value in zip(dots.get_offsets().tolist(), dots.get_array(), strict=True)}
    assert len(shown) == 12 * 4
    final = rows(tables["verdicts"], checkpoint="final", split="ood_test", measure="flip_fraction", decisive=True)
    cell = rows(final, probe="subspace", target="leace", recipe="grokking", n=300, seed=1)
    assert len(cell) == 2
    assert shown[2.0, 1.0] == cell["percentile"].min()


def test_verdicts_leave_easy_controls_out(small):
    easy = small["verdicts"].assign(percentile=small["verdicts"]["percentile"].where(small["verdicts"]["decisive"], 0))
    hard, same = (draw("verdicts", {"verdicts": table}).axes[1].collections[0] for table in (small["verdicts"], easy))
    np.testing.assert_array_equal(same.get_array(), hard.get_array())


def test_verdicts_ring_what_no_decisive_control_explains(small):
    table = rows(small["verdicts"], probe="subspace", checkpoint="final", split="ood_test", measure="flip_fraction")
    hard = table["control"] == "matched"
    widths = {}
    for p in (0.05, 0.06):
        verdicts = table.assign(p=table["p"].mask(hard, p).mask(~hard, 0.01))
        widths[p] = set(draw("verdicts", {"verdicts": verdicts}).axes[0].collections[0].get_linewidths())
    assert min(widths[0.05]) > max(widths[0.06])


def test_verdicts_of_neurons_are_at_the_nearest_k(small):
    neurons = rows(small["verdicts"], probe="neurons")
    at_16, at_64 = (rows(neurons, size=float(size)) for size in (16, 64))

    def colours(table, **options):
        return draw("verdicts", {"verdicts": table}, **options).axes[0].collections[0].get_array()

    np.testing.assert_array_equal(colours(neurons), colours(at_64))
    np.testing.assert_array_equal(colours(neurons, k=20), colours(at_16))


def test_verdicts_fall_back_on_the_latest_checkpoint(small):
    early = rows(small["verdicts"], checkpoint="memorised")
    assert len(draw("verdicts", {"verdicts": early}).axes) == 4


def test_verdicts_cross_what_is_undefined(small):
    monotone = small["verdicts"]["measure"] == "monotone"
    gone = small["verdicts"].assign(**{name: small["verdicts"][name].mask(monotone) for name in ("percentile", "p")})
    figure = draw("verdicts", {"verdicts": gone})
    assert overlapping(figure) == []
    (crosses,) = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [figure.axes[0].get_xticklabels()[int(place)].get_text() for place in crosses.get_xdata()] == [
        "pooled, monotone"
    ]
    assert "undefined" in legend(figure)
    assert "undefined" not in legend(draw("verdicts", small))


def test_tables_that_had_nothing_to_say_are_said_to(small):
    """Runs may be too few for a correlation, and networks may have no checkpoint that is named."""
    figure = draw("reliance", small)
    assert small["reliance"].empty
    assert [text.get_text() for text in figure.texts] == ["Too few runs for a correlation with reliance."]
    figure = draw("verdicts", {"verdicts": small["verdicts"].iloc[:0]})
    assert [text.get_text() for text in figure.texts] == ["No probe has a control at a named checkpoint."]


# Reliance


def test_reliance_orders_probes_by_their_correlation(tables, drawn):
    axes = drawn("reliance").axes[0]
    final = rows(tables["reliance"], checkpoint="final").sort_values("rho", ascending=False)
    named = [f"{row.probe}: {row.measure}".replace("_", " ") for row in final.itertuples()]
    assert [text.get_text() for text in axes.get_yticklabels()] == named
    assert axes.get_title("left") == "Final checkpoint, 12 runs"
    (points,) = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(points.get_xdata(), final["rho"])
    assert [text.get_text() for text in axes.texts] == ["undefined"]


def test_reliance_shows_p_and_the_smallest_there_is(tables):
    table = rows(tables["reliance"], checkpoint="final", probe="probing, hospital")
    figure = draw("reliance", {"reliance": table.assign(rho=0.5, low=0.1, high=0.8, p=0.0004, smallest_p=0.0083)})
    beside = figure.axes[0].child_axes[0]
    assert [text.get_text() for text in beside.get_yticklabels()] == ["p < .001"]
    assert "smallest p possible = .008" in figure.axes[0].get_xlabel()
    drawn = figure.axes[0].collections[0].get_segments()
    np.testing.assert_allclose(drawn, [[[0.1, 0], [0.8, 0]]])
