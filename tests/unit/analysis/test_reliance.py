import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from causalgrok.analysis.reliance import correlate_reliance, counterfactual_reliance, rank_agreement
from causalgrok.columns import COLUMNS, RUN

SEEDS = range(5)
RELIANCE = [0.1, 0.2, 0.3, 0.4, 0.5]
"""Of the five runs."""


def run(seed: int = 0) -> dict[str, object]:
    return {"task": "t", "recipe": "grokking", "n": 10, "seed": seed}


def table(name: str, rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame([run() | {"epoch": 5} | row for row in rows], columns=[*RUN, *COLUMNS[name]])


def checkpoints(names=("final",), epoch=5) -> pd.DataFrame:
    return pd.DataFrame([run(seed) | {"name": name, "epoch": epoch} for seed in SEEDS for name in names])


def moved(flips, *, seed=0, split="ood_test", target=0, method="rendered", **more) -> dict:
    row = {"flip_fraction": flips, "split": split, "target_hospital": target, "method": method, "moved": 100}
    return run(seed) | row | {"logit_shift": 1.0, "margin_sd": 2.0} | more


def counterfactual(reliance=RELIANCE) -> pd.DataFrame:
    return table("counterfactual", [moved(value, seed=seed) for seed, value in enumerate(reliance)])


def verdict(value, *, seed, probe="steering", stage="pooled", target="hospital", size=3, **more) -> dict:
    row = {"probe": probe, "stage": stage, "target": target, "size": size, "value": value, "checkpoint": "final"}
    return run(seed) | row | {"measure": "flip_fraction", "split": "ood_test", "control": "matched"} | more


def correlate(verdicts=(), probing=(), concentration=(), names=("final",), reliance=RELIANCE) -> pd.DataFrame:
    tables = {"verdicts": verdicts, "probing": probing, "concentration": concentration}
    frames = {name: table(name, list(rows)) for name, rows in tables.items()}
    return correlate_reliance(checkpoints=checkpoints(names), counterfactual=counterfactual(reliance), **frames)


def test_reliance_is_the_mean_over_ood_splits_and_target_hospitals():
    rows = [
        moved(0.2, split="ood_val", target=0, logit_shift=-1.0),
        moved(0.4, split="ood_val", target=2, logit_shift=3.0),
        moved(1.0, split="ood_val", target=1, moved=0, logit_shift=9.0),
        moved(0.9, split="ood_test", target=0, logit_shift=2.0, margin_sd=4.0),
        moved(1.0, split="id_val"),
        moved(1.0, method="macenko"),
        moved(1.0, epoch=4),
        moved(0.7, seed=1, method="reinhard"),
        moved(0.6, seed=1, method="macenko", margin_sd=0.0),
    ]
    frame = counterfactual_reliance(table("counterfactual", rows), checkpoints()).set_index("seed")
    assert list(frame["checkpoint"]) == ["final", "final"]
    assert frame["reliance"].to_dict() == pytest.approx({0: 0.5, 1: 0.6}), "seed 1 was never rendered"
    assert frame["margin_share"][0] == pytest.approx((1 / 2 + 3 / 2 + 2 / 4) / 3)
    assert np.isnan(frame["margin_share"][1])


def test_agreement_is_spearmans_with_an_exact_p_for_few_runs():
    first, second = np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 1, 3, 4, 5])
    agreement = rank_agreement(first, second)
    rho = spearmanr(first, second).statistic
    assert agreement["rho"] == pytest.approx(rho) == pytest.approx(0.9)
    others = [spearmanr(first, order).statistic for order in itertools.permutations(second)]
    assert agreement["p"] == pytest.approx(2 * np.mean(np.array(others) >= rho - 1e-12))
    assert agreement["smallest_p"] == pytest.approx(2 / 120)
    assert -1 <= agreement["low"] < 0.9 <= agreement["high"] <= 1


def test_the_smallest_p_is_reached_by_a_perfect_agreement():
    for runs in (4, 6, 12):
        agreement = rank_agreement(np.arange(runs) ** 2.0, np.arange(runs))
        assert agreement["rho"] == pytest.approx(1)
        assert agreement["p"] == pytest.approx(agreement["smallest_p"])
        assert np.isnan(agreement["low"]) and np.isnan(agreement["high"]), "an interval without width says nothing"
    assert agreement["smallest_p"] == pytest.approx(2 / 10_000)
    assert rank_agreement(np.arange(6.0), -np.arange(6.0))["p"] == pytest.approx(2 / 720)


def test_agreement_with_ties_and_many_runs():
    rng = np.random.default_rng(0)
    first = rng.integers(4, size=12).astype(float)
    second = first + rng.integers(4, size=12)
    expected = spearmanr(first, second)
    agreement = rank_agreement(first, second)
    assert agreement["rho"] == pytest.approx(expected.statistic)
    assert agreement["p"] == pytest.approx(expected.pvalue, abs=0.02)
    assert agreement["low"] < agreement["rho"] < agreement["high"]
    assert rank_agreement(first, second) == agreement


def test_a_constant_has_no_agreement():
    agreement = rank_agreement(np.ones(5), np.arange(5.0))
    assert all(np.isnan(agreement[name]) for name in ("rho", "low", "high", "p"))
    assert agreement["smallest_p"] == pytest.approx(2 / 120)


def test_every_probe_is_correlated():
    up, down, mixed = [0.1, 0.2, 0.3, 0.4, 0.5], [0.5, 0.4, 0.3, 0.2, 0.1], [0.2, 0.1, 0.3, 0.4, 0.5]
    rows = []
    for seed in SEEDS:
        rows.append(verdict(down[seed], seed=seed, split="ood_val"))
        rows += [verdict(up[seed], seed=seed, control=control) for control in ("matched", "permuted", "isotropic")]
        rows.append(verdict(down[seed], seed=seed, stage="layer2"))
        rows.append(verdict(9.0, seed=seed, measure="monotone"))
        rows.append(verdict(mixed[seed], seed=seed, probe="subspace", target="leace", size=2, measure="auroc_drop"))
        for k, values in ((4, mixed), (8, up), (16, down)):
            rows.append(verdict(values[seed], seed=seed, probe="neurons", target="hospital, zero", size=k))
        rows.append(verdict(down[seed], seed=seed, probe="neurons", target="hospital, mean", size=8))
    probing = [
        run(seed) | {"stage": stage, "target": target, "control": control, "accuracy": value[seed]}
        for seed in SEEDS
        for stage, target, control, value in (
            ("pooled", "hospital", "none", down),
            ("pooled", "hospital", "permuted", up),
            ("pooled", "tumour", "none", up),
            ("stem", "hospital", "none", up),
        )
    ]
    concentration = [
        run(seed) | {"measure": measure, "value": value[seed]}
        for seed in SEEDS
        for measure, value in (("inlp_area", mixed), ("head_angle", down), ("inlp_half_rank", up))
    ]
    frame = correlate(rows, probing, concentration)
    assert list(frame.columns) == list(COLUMNS["reliance"])
    assert frame.set_index(["probe", "measure"])["rho"].to_dict() == pytest.approx(
        {
            ("steering, pooled", "flip_fraction"): 1,
            ("steering, layer2", "flip_fraction"): -1,
            ("subspace, leace", "auroc_drop"): 0.9,
            ("neurons, hospital, K = 8", "flip_fraction"): 1,
            ("probing, hospital", "accuracy"): -1,
            ("concentration", "inlp_area"): 0.9,
            ("concentration", "head_angle"): -1,
        }
    )
    assert set(frame["runs"]) == {5} and set(frame["checkpoint"]) == {"final"}


def test_runs_without_a_value_are_dropped_and_three_are_too_few():
    values = [0.1, 0.2, np.nan, 0.4, 0.5]
    frame = correlate([verdict(value, seed=seed) for seed, value in enumerate(values)])
    assert frame.iloc[0]["runs"] == 4 and frame.iloc[0]["smallest_p"] == pytest.approx(2 / 24)
    values[0] = np.nan
    assert correlate([verdict(value, seed=seed) for seed, value in enumerate(values)]).empty
    missing = correlate([verdict(0.1 * seed, seed=seed) for seed in SEEDS], reliance=[np.nan, *RELIANCE[1:]])
    assert missing.iloc[0]["runs"] == 4


def test_checkpoints_are_correlated_by_themselves_and_init_never():
    rows = [
        verdict(sign * value, seed=seed, checkpoint=name)
        for name, sign in (("init", 1), ("selected", -1), ("final", 1))
        for seed, value in enumerate(RELIANCE)
    ]
    frame = correlate(rows, names=("init", "selected", "final")).set_index("checkpoint")
    assert frame["rho"].to_dict() == pytest.approx({"selected": -1, "final": 1})


def test_a_single_neuron_count_is_taken_as_it_is():
    rows = [verdict(RELIANCE[seed], seed=seed, probe="neurons", target="hospital, zero", size=16) for seed in SEEDS]
    rows += [one | {"target": "hospital, shrunken"} for one in rows]
    assert list(correlate(rows)["probe"]) == ["neurons, hospital, K = 16", "neurons, shrunken, K = 16"]


def test_nothing_measured_gives_an_empty_table():
    frame = correlate()
    assert frame.empty and list(frame.columns) == list(COLUMNS["reliance"])
