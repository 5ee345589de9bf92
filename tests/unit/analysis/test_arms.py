"""Arms of known fate are told in one row each."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from causalgrok.analysis.arms import summarise_arms
from causalgrok.analysis.dynamics import summarise_outcomes
from causalgrok.analysis.settings import DetectorSettings, Judgement
from causalgrok.columns import COLUMNS, RUN

STEPS = np.arange(0, 2001, 20)
JUDGEMENTS = {"sums": Judgement(0.1, DetectorSettings()), "hospital": Judgement(0.5, DetectorSettings())}


def run(task, seed, *, jump, split="test", start=0.1, train=100):
    """Metrics and dynamics of a run that memorises at a step and generalises at another, whose norm halves."""
    identity = dict(zip(RUN, (task, "decay", 50, seed), strict=True))
    at = {"epoch": STEPS, "step": STEPS, "auroc": np.nan}
    train = pd.DataFrame(at | {"split": "train", "accuracy": np.where(train <= STEPS, 1.0, 0.2)})
    test = pd.DataFrame(at | {"split": split, "accuracy": np.where(jump <= STEPS, 0.95, start)})
    norm = {"weight_norm": np.linspace(10 + seed, (10 + seed) / 2, len(STEPS)), "group": "total"}
    head = {"weight_norm": 1.0, "group": "head"}
    dynamics = pd.concat([pd.DataFrame(at | group) for group in (norm, head)])
    return pd.concat([train, test]).assign(**identity), dynamics.assign(**identity)


def arms(*runs):
    metrics, dynamics = (pd.concat(frames) for frames in zip(*runs, strict=True))
    table = summarise_arms(summarise_outcomes(metrics, JUDGEMENTS), metrics, dynamics, JUDGEMENTS)
    assert list(table.columns) == list(COLUMNS["arms"])
    return table.set_index("task")


def test_what_became_of_each_arm():
    never = 9999
    sums = [run("sums", seed, jump=jump, start=0.1 + 0.01 * seed) for seed, jump in enumerate((600, 800, never))]
    hospital = [run("hospital", 0, jump=0, split="ood_test", start=0.5, train=never)]
    table = arms(*sums, *hospital)
    row = table.loc["sums"]
    assert (row["seeds"], row["memorised"], row["grokked"], row["steps"], row["chance"]) == (3, 3, 2, 2000, 0.1)
    assert row["memorised_step"] == pytest.approx(100, abs=20) and row["grokked_step"] == pytest.approx(700, abs=20)
    interval = stats.t.interval(0.95, 2, 0.11, stats.sem([0.1, 0.11, 0.12]))
    np.testing.assert_allclose(row[["start", "start_low", "start_high"]].astype(float), [0.11, *interval])
    np.testing.assert_allclose(row[["norm_ratio", "norm_ratio_low", "norm_ratio_high"]].astype(float), 0.5)
    assert row["end"] == pytest.approx((0.95 + 0.95 + 0.12) / 3, abs=1e-6)
    row = table.loc["hospital"]
    assert (row["split"], row["memorised"], row["grokked"], row["seeds"]) == ("ood_test", 0, 0, 1)
    assert np.isnan(row["memorised_step"]) and np.isnan(row["grokked_step"]) and np.isnan(row["start_low"])


def test_a_diverged_run_is_counted_and_left_out_of_means():
    metrics, dynamics = run("sums", 1, jump=600)
    dynamics.loc[dynamics["step"] == 2000, "weight_norm"] = np.inf
    metrics.loc[metrics["step"] > 1000, "accuracy"] = np.nan
    row = arms(run("sums", 0, jump=600), (metrics, dynamics)).loc["sums"]
    assert (row["seeds"], row["grokked"]) == (2, 1)
    assert row["norm_ratio"] == pytest.approx(0.5)
