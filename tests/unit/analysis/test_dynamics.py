import numpy as np
import pandas as pd
import pytest

from causalgrok.analysis.dynamics import early_and_late, memorised_epoch, summarise_outcomes

EPOCHS = [0, 1, 2, 4, 8, *range(10, 101, 10)]


def metrics(test, train=None, **run) -> pd.DataFrame:
    train = train if train is not None else [0.5, 0.7, 0.9] + [1.0] * (len(EPOCHS) - 3)
    frames = [
        pd.DataFrame({"epoch": EPOCHS, "split": split, "accuracy": values, "auroc": values})
        for split, values in (("train", train), ("ood_test", test), ("ood_val", np.asarray(test) - 0.1))
    ]
    return pd.concat(frames).assign(**{"task": "t", "recipe": "standard", "n": 10, "seed": 0} | run)


def test_a_planted_decline_is_measured():
    epochs = np.array(EPOCHS)
    test = np.where(epochs <= 30, 0.8, 0.6)
    test[epochs == 20] = 0.85
    outcome = summarise_outcomes(metrics(test)).iloc[0]
    assert outcome["memorised_epoch"] == 4
    assert outcome["peak_epoch"] == 20
    assert outcome["peak_accuracy"] == 0.85
    assert outcome["final_accuracy"] == 0.6
    assert outcome["early_accuracy"] == pytest.approx((0.8 + 0.85) / 2)
    assert outcome["decline"] == outcome["decline_auroc"] == pytest.approx(0.225)
    assert outcome["decline_ood_val"] == pytest.approx(0.225)
    assert outcome["final_accuracy_ood_val"] == pytest.approx(0.5)


def test_noise_without_a_decline_averages_to_none():
    rng = np.random.default_rng(0)
    frames = [metrics(0.7 + 0.03 * rng.standard_normal(len(EPOCHS)), seed=seed) for seed in range(400)]
    outcomes = summarise_outcomes(pd.concat(frames))
    assert outcomes["decline"].mean() == pytest.approx(0, abs=4 * 0.03 / 400**0.5)
    assert (outcomes["peak_accuracy"] - outcomes["final_accuracy"]).mean() > 0.03, "which the oracle's peak cannot say"


def test_runs_are_kept_apart():
    frame = pd.concat([metrics([0.6] * len(EPOCHS), seed=1), metrics([0.9] * len(EPOCHS), recipe="grokking")])
    outcomes = summarise_outcomes(frame)
    assert outcomes[["recipe", "seed", "final_accuracy"]].values.tolist() == [
        ["standard", 1, 0.6],
        ["grokking", 0, 0.9],
    ]


def test_a_late_spike_is_reported_and_moves_nothing():
    train = [0.5, 0.7, 0.9] + [1.0] * (len(EPOCHS) - 3)
    train[-2] = 0.9
    steady, spiked = (summarise_outcomes(metrics([0.6] * len(EPOCHS), values)).iloc[0] for values in (None, train))
    assert spiked["memorised_epoch"] == steady["memorised_epoch"] == 4
    assert steady["memorised_share"] == 1
    assert spiked["memorised_share"] == pytest.approx(11 / 12)
    assert spiked["decline"] == steady["decline"] == 0


def test_a_run_that_never_memorises_has_no_decline():
    outcome = summarise_outcomes(metrics([0.6] * len(EPOCHS), [0.9] * len(EPOCHS))).iloc[0]
    assert np.isnan(outcome[["memorised_epoch", "memorised_share", "decline"]].astype(float)).all()
    assert np.isnan(memorised_epoch(pd.Series([0.5, 0.98])))
    assert np.isnan(early_and_late(pd.Series([0.5] * 5), np.nan)[0])


def test_somebody_elses_networks_have_no_train_split_and_an_outcome():
    frame = metrics([0.6] * (len(EPOCHS) - 1) + [0.5])
    outcome = summarise_outcomes(frame[frame["split"] == "ood_test"]).iloc[0]
    assert (outcome["peak_accuracy"], outcome["final_accuracy"]) == (0.6, 0.5)
    missing = ["memorised_epoch", "decline", "decline_auroc", "final_accuracy_ood_val"]
    assert outcome[missing].isna().all()
