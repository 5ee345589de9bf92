"""The figures of the tests and the detector on trial."""

import numpy as np
import pytest
from figure_parts import legend, rows
from synthetic_calibration import THRESHOLDS

from causalgrok.analysis.detector import LABELS
from causalgrok.plotting import draw


def test_calibration_has_a_row_a_case_with_its_rate_and_level(tables, drawn):
    figure = drawn("calibration")
    table = tables["calibration"]
    names = [text.get_text() for axes in figure.axes for text in axes.get_yticklabels()]
    assert names == list(table["test"] + ", " + table["design"] + ", " + table["condition"])
    marks = [
        line for axes in figure.axes for line in axes.lines if line.get_marker() in "osD" and len(line.get_xdata())
    ]
    assert sorted(np.concatenate([line.get_xdata() for line in marks])) == sorted(table["rate"])
    strokes = [line.get_xdata()[0] for axes in figure.axes for line in axes.lines if line.get_marker() == "None"]
    assert strokes == list(table["attainable"])
    assert "assumptions broken" in legend(figure)


def test_confusion_writes_every_rate(tables, drawn):
    figure = drawn("confusion")
    for axes, scatter in zip(figure.axes, ("ordinary", "strong"), strict=True):
        written = np.array([float(text.get_text()) for text in axes.texts]).reshape(5, 5)
        of_scatter = rows(tables["confusion"], scatter=scatter).pivot(index="true", columns="detected", values="rate")
        np.testing.assert_allclose(written, of_scatter.reindex(index=LABELS, columns=LABELS), atol=1e-3)


def test_sensitivity_shows_shares_of_labels_and_the_configs_own(tables, drawn):
    (axes,) = drawn("sensitivity").axes
    runs = tables["sensitivity"].groupby(["task", "n", "recipe", "seed"])
    shares = {run: (rows["label"] == "grokked").mean() for run, rows in runs}
    lengths = np.array([bar.get_width() for bar in axes.patches]).reshape(len(shares), 5)
    assert lengths.sum(axis=1) == pytest.approx(1)
    np.testing.assert_allclose(lengths[:, 0], list(shares.values()))
    assert {text.get_text() for text in axes.texts} == {"grokked", "plateau"}
    assert np.prod([len(values) for values in THRESHOLDS.values()]) == len(next(iter(runs))[1])


def test_without_anything_to_detect_a_sentence_says_so(tables):
    (sentence,) = draw("sensitivity", {"sensitivity": tables["sensitivity"][:0]}).texts
    assert sentence.get_text().startswith("No run has")


def test_comparisons_show_differences_and_write_every_p(tables, drawn):
    (axes,) = drawn("comparisons").axes
    assert axes.get_title("left") == "standard minus grokking: camelyon17, n = 1000"
    marks = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in marks] == [-0.05, 0.01]
    assert [line.get_markerfacecolor() for line in marks] == ["black", "white"]
    written = [text.get_text() for text in axes.texts]
    assert written[2] == "p = 0.250, Holm 0.250, smallest 0.002", "times have no difference, and a p"
    margins = [bar for bar in axes.patches if bar.get_width() > 0]
    assert [(bar.get_x(), bar.get_width()) for bar in margins] == [(-0.03, 0.06)] * 2


def test_one_recipe_has_nothing_to_be_compared_with(tables):
    (sentence,) = draw("comparisons", {"statistics": tables["statistics"][:0]}).texts
    assert sentence.get_text() == "There are no two recipes to compare."


def test_decline_has_a_row_a_run_and_a_panel_a_held_out_hospital(tables, drawn):
    figure = drawn("decline")
    assert [axes.get_title("left") for axes in figure.axes] == [
        "OOD validation hospital, 10 slides",
        "OOD test hospital, 10 slides",
    ]
    for axes, split in zip(figure.axes, ("ood_val", "ood_test"), strict=True):
        of_split = rows(tables["decline"], split=split)
        marks = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
        assert sorted(marks) == pytest.approx(sorted(of_split["decline"]))
    assert len(figure.axes[0].get_yticklabels()) == 12


def test_runs_without_a_decline_are_said_to_have_none(tables):
    (sentence,) = draw("decline", {"decline": tables["decline"][:0]}).texts
    assert sentence.get_text().startswith("No run has two checkpoints")
