import numpy as np
import pandas as pd
import pytest

from causalgrok.analysis.detector import detect
from causalgrok.analysis.dynamics import early_and_late, memorised_epoch, summarise_outcomes
from causalgrok.analysis.sensitivity import summarise_sensitivity
from causalgrok.analysis.settings import DetectorSettings, Judgement, judgements_from
from causalgrok.columns import COLUMNS, RUN

JUDGEMENTS = {"t": Judgement(0.5, DetectorSettings())}

EPOCHS = [0, 1, 2, 4, 8, *range(10, 101, 10)]


def outcomes_of(table: pd.DataFrame) -> pd.DataFrame:
    return summarise_outcomes(table, JUDGEMENTS)


def metrics(test, train=None, **run) -> pd.DataFrame:
    train = train if train is not None else [0.5, 0.7, 0.9] + [1.0] * (len(EPOCHS) - 3)
    frames = [
        pd.DataFrame(
            {"epoch": EPOCHS, "step": 3 * np.array(EPOCHS), "split": split, "accuracy": values, "auroc": values}
        )
        for split, values in (("train", train), ("ood_test", test), ("ood_val", np.asarray(test) - 0.1))
    ]
    return pd.concat(frames).assign(**{"task": "t", "recipe": "standard", "n": 10, "seed": 0} | run)


def test_a_planted_decline_is_measured():
    epochs = np.array(EPOCHS)
    test = np.where(epochs <= 30, 0.8, 0.6)
    test[epochs == 20] = 0.85
    outcome = outcomes_of(metrics(test)).iloc[0]
    assert outcome["split"] == "ood_test"
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
    drawn = (0.7 + 0.03 * rng.standard_normal((400, len(EPOCHS)))).clip(0, 1)
    frames = [metrics(curve, n=run // 10, seed=run % 10) for run, curve in enumerate(drawn)]
    outcomes = outcomes_of(pd.concat(frames))
    assert outcomes["decline"].mean() == pytest.approx(0, abs=4 * 0.03 / 400**0.5)
    assert (outcomes["peak_accuracy"] - outcomes["final_accuracy"]).mean() > 0.03, "which the oracle's peak cannot say"


def test_runs_are_kept_apart():
    frame = pd.concat([metrics([0.6] * len(EPOCHS), seed=1), metrics([0.9] * len(EPOCHS), recipe="grokking")])
    outcomes = outcomes_of(frame)
    assert outcomes[["recipe", "seed", "final_accuracy"]].values.tolist() == [
        ["standard", 1, 0.6],
        ["grokking", 0, 0.9],
    ]


def test_a_late_spike_is_reported_and_moves_nothing():
    train = [0.5, 0.7, 0.9] + [1.0] * (len(EPOCHS) - 3)
    train[-2] = 0.9
    steady, spiked = (outcomes_of(metrics([0.6] * len(EPOCHS), values)).iloc[0] for values in (None, train))
    assert spiked["memorised_epoch"] == steady["memorised_epoch"] == 4
    assert steady["memorised_share"] == 1
    assert spiked["memorised_share"] == pytest.approx(11 / 12)
    assert spiked["decline"] == steady["decline"] == 0


def test_a_run_that_never_memorises_has_no_decline():
    outcome = outcomes_of(metrics([0.6] * len(EPOCHS), [0.9] * len(EPOCHS))).iloc[0]
    assert np.isnan(outcome[["memorised_epoch", "memorised_share", "decline"]].astype(float)).all()
    assert np.isnan(memorised_epoch(pd.Series([0.5, 0.98])))
    assert np.isnan(early_and_late(pd.Series([0.5] * 5), np.nan)[0])


def test_somebody_elses_networks_have_no_train_split_and_an_outcome():
    frame = metrics([0.6] * (len(EPOCHS) - 1) + [0.5])
    outcome = outcomes_of(frame[frame["split"] == "ood_test"]).iloc[0]
    assert (outcome["peak_accuracy"], outcome["final_accuracy"]) == (0.6, 0.5)
    missing = ["memorised_epoch", "decline", "decline_auroc", "final_accuracy_ood_val"]
    assert outcome[missing].isna().all()


def test_a_run_that_groks_is_labelled_in_steps_and_its_thresholds_are_varied():
    epochs = np.array(EPOCHS)
    frame = metrics(np.where(epochs < 30, 0.5, 0.95))
    outcome = outcomes_of(frame).iloc[0]
    assert (outcome["label"], outcome["censored"], outcome["time"]) == ("grokked", False, 90)
    found = detect(
        3 * epochs,
        frame["accuracy"][: len(epochs)],
        frame["accuracy"][len(epochs) :][: len(epochs)],
        0.5,
        DetectorSettings(),
    )
    assert outcome["sigma_E"] == found.sigma_E
    table = summarise_sensitivity(frame, JUDGEMENTS)
    assert list(table.columns) == [*RUN, *COLUMNS["sensitivity"]]
    (own,) = table[table["configured"]].to_dict("records")
    assert (own["label"], own["delta"], own["rho"]) == ("grokked", 0.1, 3.0)
    assert set(table.loc[table["rho"] == 10, "label"]) == {"plateau"}, "memorised at 4, generalised at 30"
    other = judgements_from({"t": {"chance": 0.5, "detector": {"rho": 20.0}}})
    assert summarise_outcomes(frame, other).iloc[0]["label"] == "plateau"


def test_tasks_without_hospitals_are_judged_on_their_test_split():
    frame = metrics([0.6] * (len(EPOCHS) - 1) + [0.7])
    frame = frame[frame["split"] != "ood_val"].replace({"split": {"ood_test": "test"}})
    outcome = outcomes_of(frame).iloc[0]
    assert (outcome["final_accuracy"], outcome["label"]) == (0.7, "plateau")


def test_the_epoch_of_the_other_seeds_is_not_the_runs_own_peak():
    curves = {seed: np.full(len(EPOCHS), 0.6) for seed in range(3)}
    for seed, epoch in enumerate((20, 50, 50)):
        curves[seed][EPOCHS.index(epoch)] = 0.8
    outcomes = outcomes_of(pd.concat([metrics(curve, seed=seed) for seed, curve in curves.items()])).set_index("seed")
    assert outcomes["selected_epoch"].tolist() == [50, 20, 20]
    assert outcomes["selected_accuracy"].tolist() == [0.6, 0.6, 0.6]
    assert outcomes["decline_selected"].abs().max() == 0
    assert outcomes_of(metrics(curves[0])).loc[0, ["selected_epoch", "decline_selected"]].isna().all()


def test_too_few_evaluations_have_no_label_and_no_sensitivity():
    frame = metrics([0.6] * len(EPOCHS))
    few = frame[frame["epoch"] <= 20]
    assert pd.isna(outcomes_of(few).iloc[0]["label"])
    assert summarise_sensitivity(few, JUDGEMENTS).empty
