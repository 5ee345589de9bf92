"""Stopping without test labels: a run that still moves is waited for, one that has settled is stopped."""

import numpy as np
import pandas as pd
import pytest

from causalgrok.analysis.stopping import CRITERIA, compare_stopping, settled_epochs, stopping_epochs
from causalgrok.columns import COLUMNS, RUN

EPOCHS = np.unique(np.concatenate([[0], np.geomspace(1, 10_000, 120).round()])).astype(int)
CHECKPOINTS = EPOCHS[::4]
SETTINGS = {"patience": 2.0, "tolerance": 0.02, "evaluations": 10}


def rise(middle: float, width: float = 0.05, epochs=EPOCHS) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.log10(np.maximum(epochs, 0.5)) - np.log10(middle)) / width))


def run(test, norm, rank, loss, *, seed=0, validation=None, split="ood_test", noise=0.004):
    """One run's tables: train accuracy saturates near epoch 100."""
    rng = np.random.default_rng(seed)
    key = dict(zip(RUN, ("task", "grokking", 300, seed), strict=True))
    accuracies = {"train": rise(80), split: test, **({} if validation is None else {"id_val": validation})}
    metrics = [
        key | {"epoch": epoch, "split": name, "accuracy": accuracy, "loss": loss[place] if name == "train" else 1.0}
        for name, curve in accuracies.items()
        for place, (epoch, accuracy) in enumerate(
            zip(EPOCHS, curve + noise * rng.normal(size=len(curve)) * (name != "train"), strict=True)
        )
    ]
    dynamics = [
        key | {"epoch": epoch, "group": "total", "weight_norm": value}
        for epoch, value in zip(EPOCHS, norm, strict=True)
    ]
    dynamics += [row | {"group": "head", "weight_norm": row["epoch"]} for row in dynamics]
    geometry = [
        key | {"epoch": epoch, "split": name, "effective_rank": value if name == "train" else epoch}
        for epoch, value in zip(EPOCHS, rank, strict=True)
        if epoch in CHECKPOINTS
        for name in ("train", "id_val")
    ]
    return tuple(map(pd.DataFrame, (metrics, dynamics, geometry)))


LOSS = 0.69 * (1 - rise(60)) + 1e-4
FLAT = np.ones(len(EPOCHS))


def grokking(**options):
    """Held-out accuracy jumps at epoch 3000, while the norm falls towards its end from memorisation on."""
    falling = 100 - 60 * rise(1500, 0.3)
    test = 0.3 + 0.65 * rise(3000)
    return run(test, falling, 80 - 50 * rise(1500, 0.3), LOSS, validation=test, **options)


def plateau(**options):
    """Held-out accuracy ends with memorisation, and nothing moves after it."""
    test = 0.5 + 0.2 * rise(60)
    return run(test, 100 + 30 * rise(50), 90 - 20 * rise(50), LOSS, validation=test, **options)


def compared(*runs, **settings) -> pd.DataFrame:
    tables = [pd.concat(frames) for frames in zip(*runs, strict=True)]
    return compare_stopping(*tables, **SETTINGS | settings)


def test_a_run_whose_norm_still_falls_is_waited_for_and_a_plateau_is_stopped():
    table = compared(grokking(seed=0), plateau(seed=1))
    assert list(table.columns) == [*RUN, *COLUMNS["stopping"]]
    waited, stopped = (rows.set_index("criterion") for _, rows in table.groupby("seed"))
    assert list(waited.index) == list(CRITERIA)
    for criterion in ("weight_norm", "effective_rank", "norm_and_rank"):
        assert waited.loc[criterion, "stop_epoch"] > 3000, criterion
        assert waited.loc[criterion, "regret"] < 0.02, criterion
        assert stopped.loc[criterion, "stopped"], criterion
        assert stopped.loc[criterion, "compute"] < 0.06, criterion
        assert stopped.loc[criterion, "regret"] < 0.02, criterion
    assert (waited["late_gain"] > 0.5).all()
    assert (stopped["late_gain"] < 0.05).all()


def test_validation_with_a_fixed_patience_misses_what_comes_late():
    table = compared(grokking()).set_index("criterion")
    assert table.loc["validation", "stop_epoch"] < 3000
    assert table.loc["validation", "regret"] > 0.5
    assert table.loc["validation", "needed"] > 0.25


def test_norm_and_rank_wait_for_each_other():
    test = 0.3 + 0.65 * rise(3000)
    moving = run(test, 100 - 60 * rise(1500, 0.3), FLAT * 50, LOSS)
    table = compared(moving).set_index("criterion")
    assert table.loc["effective_rank", "stop_epoch"] < 400
    assert table.loc["norm_and_rank", "stop_epoch"] == table.loc["weight_norm", "stop_epoch"]


def test_without_validation_data_nothing_is_said_about_it():
    table = compared(run(0.3 + 0.6 * rise(90), FLAT, FLAT, LOSS, split="test"))
    assert set(table["criterion"]) == set(CRITERIA[:4])
    assert set(table["split"]) == {"test"}


def test_a_signal_that_never_settles_never_stops():
    table = compared(run(0.3 + 0.6 * rise(90), EPOCHS + 1.0, FLAT, LOSS)).set_index("criterion")
    assert not table.loc["weight_norm", "stopped"]
    assert (table.loc["weight_norm", "compute"], table.loc["weight_norm", "kept_epoch"]) == (1, EPOCHS[-1])


def test_settling_is_relative_to_size_and_counts_steps_by_factors():
    epochs = np.array([0, 100, 200, 300, 400, 500, 600, 700, 800])
    signal = pd.Series(np.where(epochs < 300, 1.0, 2.0) * 7, index=epochs)
    found = settled_epochs(signal, 50, 2, 0.02)
    assert found.index[found].tolist() == [100, 200, 600, 700, 800]
    scaled = settled_epochs(signal * 1000, 50, 2, 0.02)
    assert scaled.equals(found)
    assert settled_epochs(signal, 350, 2, 0.02).pipe(lambda found: found.index[found].tolist()) == [700, 800]
    assert not settled_epochs(signal, np.nan, 2, 0.02).any()
    assert not settled_epochs(signal * np.nan, 50, 2, 0.02).any()


def test_the_usual_early_stopping_counts_evaluations_and_keeps_the_best():
    validation = pd.Series([0.5, 0.6, 0.7, 0.65, 0.7, 0.69, 0.9], index=[0, 1, 2, 4, 8, 16, 32])
    quiet = pd.Series(1.0, index=[0, 32])
    signals = dict.fromkeys(("weight_norm", "effective_rank", "margin"), quiet)
    options = {"memorised": 1, "last": 32, "patience": 2, "tolerance": 0.02}
    assert stopping_epochs(signals, validation, evaluations=3, **options)["validation"] == (16, 2)
    stop, kept = stopping_epochs(signals, validation, evaluations=4, **options)["validation"]
    assert np.isnan(stop) and kept == 32


def test_a_diverged_run_has_no_rows():
    metrics, dynamics, geometry = plateau()
    metrics.loc[(metrics["split"] == "ood_test") & (metrics["epoch"] > 5000), "accuracy"] = np.nan
    assert compare_stopping(metrics, dynamics, geometry, **SETTINGS).empty


def test_scatter_of_evaluations_is_no_regret():
    """A maximum of noisy evaluations exceeds them by three standard deviations; of running medians by less."""
    table = compared(*(plateau(seed=seed, noise=0.02) for seed in range(5)))
    norm = table[table["criterion"] == "weight_norm"]
    assert norm["regret"].mean() < 0.04
    assert norm["accuracy"].mean() == pytest.approx(0.7, abs=0.02)
