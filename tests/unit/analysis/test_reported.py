"""Ours against published figures: read at the right step, averaged over seeds, judged by the tolerance that was set."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from causalgrok.analysis.reported import QUANTITIES, as_markdown, compare_reported
from causalgrok.reported_file import QUANTITIES as KNOWN

STEPS = [0, 10, 1000, 1990, 5000]


def tables(seeds=(0, 1, 2), level=0.5):
    """Accuracy rises by .0001 a step, .01 apart between seeds; the norm falls."""
    keys = {"task": "a", "recipe": "r", "n": 8}
    metrics = [
        keys | {"seed": seed, "step": step, "split": split, "accuracy": level + 1e-4 * step + 0.01 * seed + shift}
        for seed in seeds
        for step in STEPS
        for split, shift in (("train", 0.2), ("test", 0.0), ("validation", -0.1))
    ]
    dynamics = [
        keys | {"seed": seed, "step": step, "group": group, "weight_norm": 10.0, "summed_norm": 100 - 0.01 * step}
        for seed in seeds
        for step in STEPS
        for group in ("hidden", "total")
    ]
    return pd.DataFrame(metrics), pd.DataFrame(dynamics)


def figure(**changes):
    base = {"source": "s3", "task": "a", "step": 1000, "quantity": "test_accuracy", "reported": 0.6, "tolerance": 0.02}
    return base | changes


def only(found):
    assert len(found) == 1
    return found.iloc[0]


def test_the_mean_over_seeds_and_its_interval():
    row = only(compare_reported(*tables(), [figure()]))
    assert row["mean"] == pytest.approx(0.61) and row["runs"] == 3
    low, high = stats.t.interval(0.95, 2, 0.61, stats.sem([0.60, 0.61, 0.62]))
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    assert row["difference"] == pytest.approx(0.01) and row["verdict"] == "within"
    one = only(compare_reported(*tables(seeds=(1,)), [figure()]))
    assert one["mean"] == pytest.approx(0.61) and np.isnan(one["low"])


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("train_accuracy", 0.8),
        ("validation_accuracy", 0.5),
        ("test_accuracy", 0.6),
        ("weight_norm", 10),
        ("summed_norm", 90),
    ],
)
def test_each_quantity_is_read_from_its_own_rows(quantity, expected):
    assert set(KNOWN) == set(QUANTITIES)
    row = only(compare_reported(*tables(seeds=(0,)), [figure(quantity=quantity)]))
    assert row["mean"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("step", "runs"),
    [(1990, 3), (2000, 3), (3000, 0), (6000, 0)],
    ids=["the step", "half a per cent off", "between evaluations", "beyond the end"],
)
def test_an_evaluation_counts_near_its_step_alone(step, runs):
    row = only(compare_reported(*tables(), [figure(step=step, reported=0.709)]))
    assert row["runs"] == runs
    assert row["verdict"] == ("within" if runs else "not_reached")


def test_outside_is_beyond_the_tolerance_on_either_side():
    figures = [figure(reported=value) for value in (0.585, 0.595, 0.625, 0.635)]
    verdicts = compare_reported(*tables(), figures)["verdict"].tolist()
    assert verdicts == ["outside", "within", "within", "outside"]


def test_what_was_trained_in_two_ways_has_two_rows():
    metrics, dynamics = tables()
    twice = [pd.concat([table, table.assign(n=16)]) for table in (metrics, dynamics)]
    assert compare_reported(*twice, [figure()])["n"].tolist() == [8, 16]
    assert compare_reported(*tables(), [figure(task="b")]).empty


def test_markdown_has_ours_first_and_what_is_outside_in_bold():
    figures = [
        figure(step=step, quantity=quantity, reported=value, tolerance=value / 10)
        for step in (1000, 5000, 9000)
        for quantity, value in (("test_accuracy", 0.6), ("summed_norm", 90))
    ]
    lines = as_markdown(compare_reported(*tables(), figures)).splitlines()
    assert lines[0] == "| task | step | test accuracy | summed norm |"
    assert lines[2] == "| a | 1,000 | 0.610 / 0.600 | 90.0 / 90.0 |"
    assert lines[3] == "| a | 5,000 | **1.010 / 0.600** | **50.0 / 90.0** |"
    assert lines[4] == "| a | 9,000 | - | - |"
