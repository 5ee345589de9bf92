"""The figures of planted truth."""

import numpy as np
import pandas as pd
import pytest
from figure_parts import legend, panel, rows
from scipy import stats
from synthetic_verdicts import CASES, PROBES, STRENGTHS

from causalgrok.plotting import draw


def dots(axes, marker="o"):
    """The marks of a panel, in the order of their colours: [(x, y), ...] each."""
    drawn = [line for line in axes.lines if line.get_marker() == marker]
    return [np.column_stack([line.get_xdata(), line.get_ydata()]) for line in drawn]


def segments(axes) -> set[tuple[float, float]]:
    """The ends of all horizontal lines of a panel."""
    return {(low, high) for bars in axes.collections for (low, _), (high, _) in bars.get_segments()}


def test_validation_has_a_row_a_probe_and_a_colour_a_case(tables, drawn):
    figure = drawn("validation")
    assert [axes.get_title("left").replace("\n", " ") for axes in figure.axes] == [
        *("Permuted by slide", "Matched", "Easy ones, never decisive", "Power: permuted by slide", "Power: matched")
    ]
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == [probe.replace("_", " ") for probe in PROBES]
    matched = rows(tables["validation"], control="matched", strength=0.0)
    marks = dots(figure.axes[1])
    assert len(marks) == len(CASES)
    for drawn_case, case in zip(marks, CASES, strict=True):
        of_case = rows(matched, case=case)
        np.testing.assert_allclose(drawn_case[:, 0], of_case["rate"])
        assert [names[round(place)] for place in drawn_case[:, 1]] == [
            name.replace("_", " ") for name in of_case["probe"]
        ]
    assert segments(figure.axes[1]) == set(matched[["low", "high"]].itertuples(index=False, name=None))
    assert legend(figure)[: len(CASES)] == list(CASES)


def test_validation_shows_all_easy_controls_in_one_column(tables, drawn):
    easy = tables["validation"][tables["validation"]["control"].isin(("isotropic", "random", "none"))]
    shown = np.concatenate(dots(drawn("validation").axes[2]))
    assert len(shown) == len(easy[easy["strength"] == 0])
    assert set(shown[:, 0]) == set(easy.loc[easy["strength"] == 0, "rate"])


def test_validation_shows_where_an_honest_rate_lies(drawn):
    axes = drawn("validation").axes[0]
    (band,) = axes.patches
    expected = np.array(stats.binom.interval(0.95, 400, 0.05)) / 400
    np.testing.assert_allclose((band.get_x(), band.get_x() + band.get_width()), expected)


def test_validation_shows_power_by_strength_and_what_the_head_does_not_use(tables, drawn):
    figure = drawn("validation")
    permuted = rows(tables["validation"], control="permuted")
    marks = dots(figure.axes[3])
    assert len(marks) == len(STRENGTHS)
    for drawn_strength, strength in zip(marks, STRENGTHS, strict=True):
        np.testing.assert_allclose(drawn_strength[:, 0], rows(permuted, case="planted", strength=strength)["rate"])
    (unused,) = dots(figure.axes[3], "x")
    np.testing.assert_allclose(unused[:, 0], rows(permuted, case="unused")["rate"])
    assert "power asked for, 0.95" in legend(figure)


@pytest.mark.parametrize("kept", ["planted", "null"])
def test_validation_is_drawn_with_one_half_only(tables, kept):
    table = tables["validation"]
    table = table[(table["case"] == "planted") == (kept == "planted")]
    figure = draw("validation", {"validation": table})
    assert "strong, but unused by the head" not in legend(figure) or kept == "null"
    assert len(figure.axes) == 5


def test_recovery_shows_angles_of_the_planted_case(tables, drawn):
    axes = panel(drawn("recovery"), "Direction")
    planted = rows(tables["recovery"], case="planted")
    for line, measure in zip(axes.lines, ("direction", "logistic", "mean_difference", "leace"), strict=True):
        np.testing.assert_allclose(line.get_ydata(), rows(planted, measure=f"{measure}_angle")["value"])
    demanded = [line for bars in axes.collections for line in bars.get_segments() if line[0, 1] == line[1, 1] == 10]
    assert len(demanded) == 1


def test_recovery_has_a_panel_a_question(drawn):
    assert [axes.get_title("left") for axes in drawn("recovery").axes] == [
        *("Direction", "Rank", "LEACE in sample", "Order of strengths", "Hospital left, held out")
    ]


def test_recovery_shows_the_rank_of_every_case(tables, drawn):
    marks = dots(panel(drawn("recovery"), "Rank"))
    ranks = rows(tables["recovery"], measure="rank")
    for shown, (_, of_case) in zip(marks, ranks.groupby("case", sort=False), strict=True):
        np.testing.assert_allclose(shown[:, 1], of_case["value"])


def test_recovery_shows_the_worst_cross_covariance(tables):
    table = tables["recovery"]
    worst = table["case"].eq("planted") & table["measure"].eq("leace_cross_covariance") & table["strength"].eq(0.5)
    figure = draw("recovery", {"recovery": table.assign(value=table["value"].mask(worst, 1e-10))})
    axes = panel(figure, "LEACE")
    names = [text.get_text() for text in axes.get_yticklabels()]
    shown = {names[int(place)]: value for ((value, place),) in dots(axes)}
    assert shown["planted"] == 1e-10
    assert shown["slides"] == 1e-15
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"] == [1e-9]


def test_recovery_shows_what_fresh_probes_still_find(tables, drawn):
    axes = panel(drawn("recovery"), "Hospital left")
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["none", "logistic", "mean difference", "leace", "inlp", "matched"]
    hollow = [line for line in axes.lines if line.get_marker() == "o" and line.get_markerfacecolor() == "white"]
    mlp = rows(tables["recovery"], case="planted")
    mlp = mlp[mlp["measure"].str.endswith("_mlp_accuracy")]
    np.testing.assert_allclose(hollow[0].get_xdata(), mlp["value"])
    assert len(hollow[0].get_xdata()) == 5, "no small network judges the matched subspaces"


def test_recovery_orders_strengths_by_probe(drawn):
    axes = panel(drawn("recovery"), "Order")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["steering spread", "decodability"]
    assert {value for marks in dots(axes) for value, _ in marks} == {0.97}


def test_recovery_is_drawn_from_a_part_of_its_measures(tables):
    table = rows(tables["recovery"], measure="rank")
    assert len(draw("recovery", {"recovery": table}).axes) == 1
    with pytest.raises(ValueError, match="table recovery: none of the measures that are drawn"):
        draw("recovery", {"recovery": table.assign(measure="tumour_angle")})


def test_recovery_does_without_values(tables):
    table = tables["recovery"]
    gone = table.assign(value=table["value"].mask(table["measure"] == "rank", np.nan))
    assert [axes.get_title("left") for axes in draw("recovery", {"recovery": pd.DataFrame(gone)}).axes][1] != "Rank"
