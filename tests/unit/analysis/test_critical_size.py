"""The critical size: a planted threshold lies within its interval, and where there is none, none is said to be."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from causalgrok.analysis.critical_size import find_threshold, fit_critical_size, plateaus
from causalgrok.columns import COLUMNS

SIZES = np.array([100.0, 150, 220, 330, 500, 750, 1100])
SETTINGS = {"threshold": 0.9, "bootstraps": 200, "seed": 0}


def curves(rng, sizes=SIZES, *, middle=300.0, width=0.3, top=0.98, seeds=8, noise=0.02) -> np.ndarray:
    """Plateau accuracies (seeds, sizes): logistic in log n from chance to `top`, the seeds apart in level too."""
    rise = 1 / (1 + np.exp(-(np.log(sizes) - np.log(middle)) / width))
    level = 0.5 * noise * rng.normal(size=(seeds, 1))
    return 0.5 + (top - 0.5) * rise + level + noise * rng.normal(size=(seeds, len(sizes)))


def true_threshold(middle=300.0, width=0.3, top=0.98) -> float:
    """Where such a curve is at .9."""
    share = 0.4 / (top - 0.5)
    return float(middle * (share / (1 - share)) ** width)


def metrics(values: np.ndarray, sizes=SIZES, split="ood_test", recipe="grokking", task="camelyon17") -> pd.DataFrame:
    """A study table whose runs lie at `values` in the last quarter, and elsewhere do not."""
    rows = []
    for (seed, place), epoch in itertools.product(np.ndindex(values.shape), (0, 1, 2, 4, 8, 12, 13, 14, 15, 16)):
        run = {"task": task, "recipe": recipe, "n": int(sizes[place]), "seed": seed, "epoch": epoch}
        late = values[seed, place] + (0.01 if epoch % 2 else -0.01 * 2 / 3)
        rows.append(run | {"split": split, "accuracy": late if epoch >= 12 else 1.0})
        rows.append(run | {"split": "train", "accuracy": 1.0})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("width", [0.05, 0.3, 0.8])
def test_a_planted_threshold_lies_within_its_interval(width):
    """In at least 95 % of studies, whether the jump is sharper than the gaps between sizes or slow."""
    rng = np.random.default_rng(1)
    truth, within, errors = true_threshold(width=width), 0, []
    for _ in range(200):
        found = find_threshold(SIZES, curves(rng, width=width), 0.9, bootstraps=20, seed=0)
        within += found.low < truth <= found.high
        errors.append(np.log(found.fitted / truth) if 0 < found.fitted < np.inf else np.nan)
    assert within >= stats.binom.ppf(0.001, 200, 0.95)
    assert abs(np.nanmedian(errors)) < 0.2, "within a fifth of the truth, half a gap between sizes"


def test_the_bootstrap_interval_holds_a_threshold_of_a_slow_curve():
    rng = np.random.default_rng(2)
    truth, within = true_threshold(width=0.5), 0
    for _ in range(100):
        found = find_threshold(SIZES, curves(rng, width=0.5, seeds=10), 0.9, bootstraps=200, seed=0)
        within += found.fitted_low <= truth <= found.fitted_high
    assert within >= 85, "percentiles of ten seeds are somewhat narrow"


@pytest.mark.parametrize(("level", "crossed", "none"), [(0.9, 0.025, 0.025), (0.7, 0.0, 1.0)])
def test_flat_curves_are_judged_at_the_promised_rate(level, crossed, none):
    """Just at the threshold either verdict is an error, of 2.5 %; far below it, none is crossed."""
    rng = np.random.default_rng(3)
    repeats = 400
    flat = level + 0.03 * rng.normal(size=(repeats, 8, 2))
    frames = [metrics(values, SIZES[:2], task=f"task{i}") for i, values in enumerate(flat)]
    table = fit_critical_size(pd.concat(frames), threshold=0.9, bootstraps=1, seed=0)
    for verdict, rate in {"crossed": crossed, "none": none}.items():
        count = (table["verdict"] == verdict).sum()
        assert stats.binom.ppf(0.001, repeats, rate) <= count <= stats.binom.ppf(0.999, repeats, rate), verdict


def test_what_is_crossed_and_what_is_not():
    rng = np.random.default_rng(4)
    high, low = curves(rng), curves(rng, top=0.72)
    table = fit_critical_size(pd.concat([metrics(high), metrics(low, recipe="standard")]), **SETTINGS)
    assert list(table.columns) == list(COLUMNS["critical_size"])
    crossed, none = table.set_index("recipe").loc["grokking"], table.set_index("recipe").loc["standard"]
    assert (crossed["verdict"], crossed["crossed"]) == ("crossed", True)
    assert crossed["low"] < true_threshold() <= crossed["high"] < np.inf
    assert crossed["critical_n"] == pytest.approx(true_threshold(), rel=0.25)
    assert (none["verdict"], none["crossed"]) == ("none", False)
    assert np.isnan(none["critical_n"])
    assert (none["low"], none["high"], none["largest_n"]) == (1100, np.inf, 1100)
    interval = stats.ttest_1samp(low[:, -1], 0).confidence_interval(0.95)
    assert (none["accuracy_low"], none["accuracy_high"]) == pytest.approx(tuple(interval))


def test_the_slope_is_that_of_each_doubling():
    sizes = np.array([100, 200, 400])
    values = 0.6 + np.array([[0, 0.02, 0.04]]) + np.array([[0.0], [0.01], [0.05], [-0.02]])
    row = fit_critical_size(metrics(values, sizes), **SETTINGS).iloc[0]
    assert row["slope"] == pytest.approx(0.02)
    assert (row["p"], row["smallest_p"]) == (2 / 16, 2 / 16)


def test_the_smallest_size_may_already_be_enough():
    row = fit_critical_size(metrics(np.full((4, 7), 0.97)), **SETTINGS).iloc[0]
    assert (row["verdict"], row["critical_n"], row["low"], row["high"]) == ("crossed", 0, 0, 100)


def test_the_plateau_is_the_last_quarter_and_a_diverged_run_has_none():
    table = metrics(np.array([[0.6, 0.8]]), SIZES[:2])
    assert plateaus(table)["plateau"].to_numpy() == pytest.approx([0.6, 0.8])
    table.loc[(table["n"] == 150) & (table["epoch"] == 16), "accuracy"] = np.nan
    assert plateaus(table)["plateau"].isna().tolist() == [False, True]


def test_seeds_without_every_size_are_left_out():
    values = curves(np.random.default_rng(5))
    values[0, 3] = np.nan
    row = fit_critical_size(metrics(values), **SETTINGS).iloc[0]
    assert (row["seeds"], row["left_out"]) == (7, 1)
    alone = fit_critical_size(metrics(values[:2]), **SETTINGS).iloc[0]
    assert (alone["verdict"], alone["seeds"], alone["high"]) == ("inconclusive", 1, np.inf)


def test_tasks_without_hospitals_are_judged_on_their_test_set():
    table = fit_critical_size(metrics(curves(np.random.default_rng(6)), split="test"), **SETTINGS)
    assert table["split"].tolist() == ["test"]
    with pytest.raises(ValueError, match="task camelyon17: has the splits"):
        fit_critical_size(metrics(curves(np.random.default_rng(6)), split="probe"), **SETTINGS)


def test_one_size_is_refused():
    with pytest.raises(ValueError, match="has one n, 100; a critical size needs two"):
        fit_critical_size(metrics(np.full((3, 1), 0.9), SIZES[:1]), **SETTINGS)
