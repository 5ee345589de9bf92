"""The figures of planted truth."""

import numpy as np
import pandas as pd
import pytest
from figure_parts import legend, lines, rows
from matplotlib.colors import to_hex
from scipy import stats
from synthetic_verdicts import CASES, PROBES, STRENGTHS

from causalgrok.plotting import draw


def test_validation_shows_false_positives_with_their_intervals(tables, drawn):
    figure = drawn("validation")
    assert [axes.get_title("left") for axes in figure.axes[:3]] == [
        *("Permuted by slide", "Matched", "Isotropic, never decisive")
    ]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [case.replace("_", " ") for case in CASES]
    matched = rows(tables["validation"], control="matched", strength=0.0)
    marks = [line for line in figure.axes[1].lines if len(line.get_xdata()) == len(CASES)]
    assert len(marks) == len(PROBES) == len({to_hex(line.get_color()) for line in marks})
    for line, probe in zip(marks, PROBES, strict=True):
        of_probe = rows(matched, probe=probe)
        np.testing.assert_allclose(line.get_xdata(), of_probe["rate"])
        segments = [one for bars in figure.axes[1].collections for one in bars.get_segments()]
        assert {(low, high) for (low, _), (high, _) in segments} >= set(
            of_probe[["low", "high"]].itertuples(index=False, name=None)
        )


def test_validation_shows_where_an_honest_rate_lies(drawn):
    axes = drawn("validation").axes[0]
    (band,) = axes.patches
    expected = np.array(stats.binom.interval(0.95, 400, 0.05)) / 400
    np.testing.assert_allclose((band.get_x(), band.get_x() + band.get_width()), expected)


def test_validation_shows_power_against_strength(tables):
    figure = draw("validation", tables, asked=0.9)
    permuted = rows(tables["validation"], control="permuted", case="planted")
    curves = lines(figure.axes[3])
    for probe in PROBES:
        rates = rows(permuted, probe=probe)["rate"]
        assert any(np.allclose(line.get_ydata(), rates) for line in curves)
    assert all(list(line.get_xdata()) == list(STRENGTHS) for line in curves)
    assert "power asked for, 0.9" in legend(figure)


@pytest.mark.parametrize("kept", ["planted", "null"])
def test_validation_is_drawn_with_one_half_only(tables, kept):
    table = tables["validation"]
    table = table[(table["case"] == "planted") == (kept == "planted")]
    assert len(draw("validation", {"validation": table}).axes) == 6


def test_validation_names_probes_that_it_does_not_know(tables):
    table = tables["validation"].replace({"probe": {"steering": "mean_difference"}})
    assert legend(draw("validation", {"validation": table}))[:3] == ["mean difference", "subspace", "neurons"]


def test_recovery_has_a_panel_a_measure(tables, drawn):
    figure = drawn("recovery")
    assert [axes.get_title("left") for axes in figure.axes] == [
        *("Recovered direction", "Recovered rank", "Order of strengths", "LEACE, in sample", "LEACE, held out")
    ]
    angles = rows(tables["recovery"], measure="direction_angle")
    value, demanded = figure.axes[0].lines
    np.testing.assert_allclose(value.get_ydata(), angles["value"])
    np.testing.assert_array_equal(demanded.get_ydata(), angles["expected"])
    assert figure.axes[2].get_xlabel() == "all strengths"


def test_recovery_draws_measures_that_it_does_not_know(tables):
    table = rows(tables["recovery"], measure="rank").assign(measure="tumour_angle")
    assert draw("recovery", {"recovery": table}).axes[0].get_title("left") == "Tumour angle"


def test_recovery_has_a_colour_a_case(tables):
    rank = rows(tables["recovery"], measure="rank")
    both = rank.assign(case="loud_direction", value=0.1)
    figure = draw("recovery", {"recovery": pd.concat([rank, both])})
    assert legend(figure)[:2] == ["planted", "loud direction"]
    assert len({line.get_color() for line in figure.axes[0].lines}) == 2
