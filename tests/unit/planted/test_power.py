"""The study of power finds a strong plant, keeps the level where nothing is planted, and counts as scipy does."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from causalgrok.columns import COLUMNS
from causalgrok.interventions.features import PROBE
from causalgrok.planted import CASES, power
from causalgrok.planted.cases import MODELS, NULL_CASES, STRENGTHS, STRONG, strengths_of
from causalgrok.planted.power import judge, monotone_answers, power_of_case, rate
from causalgrok.planted.trials import hospital_spreads, plant, try_probes


@pytest.fixture(scope="module")
def strong():
    planted = [plant("planted", STRONG, repeat, seed=0) for repeat in range(3)]
    return [try_probes(one.features, settings, index) for index, (one, settings) in enumerate(planted)]


def steering_table(accuracies):
    """One trial a curve, over alphas -3 .. 3, of the hospital direction."""
    rows = [
        {"seed": trial, "direction": "hospital", "repeat": 0, "alpha": alpha, "accuracy": accuracy}
        for trial, curve in enumerate(accuracies)
        for alpha, accuracy in zip(range(-3, 4), curve, strict=True)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("found", "repeats"), [(0, 40), (3, 40), (40, 40), (17, 200)])
def test_interval_is_clopper_and_pearsons(found, repeats):
    row = rate(np.arange(repeats) < found, np.zeros(0, dtype=bool))
    low = stats.beta.ppf(0.025, found, repeats - found + 1) if found else 0.0
    high = stats.beta.ppf(0.975, found + 1, repeats - found) if found < repeats else 1.0
    assert (row["found"], row["repeats"], row["rate"]) == (found, repeats, found / repeats)
    assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))


def test_inside_is_the_central_part_of_the_binomial_distribution():
    none = np.zeros(200, dtype=bool)
    inside = [number for number in range(40) if rate(none, np.arange(200) < number)["inside"]]
    assert inside == list(range(4, 17))
    assert stats.binom.cdf(3, 200, 0.05) <= 0.025 < stats.binom.cdf(4, 200, 0.05)
    assert stats.binom.sf(16, 200, 0.05) <= 0.025 < stats.binom.sf(15, 200, 0.05)


@pytest.mark.parametrize("case", ["aligned", "mixed"])
def test_permuting_by_slide_keeps_its_level(case):
    found = 0
    for repeat in range(80):
        planted, settings = plant(case, 0.0, repeat, seed=1)
        spreads = hospital_spreads(planted.features, settings)
        found += np.sum(spreads[1:] >= spreads[0]) <= 1
    low, high = stats.binom.ppf((0.0005, 0.9995), 80, 0.05)
    assert low <= found <= high


def test_spread_is_the_shift_of_the_margin_between_hospitals():
    planted, settings = plant("planted", STRONG, 0, seed=0)
    features, model = planted.features, MODELS["planted"]
    unit = np.sqrt(planted.truth.hospital_axes[:, 0] @ planted.truth.covariance @ planted.truth.hospital_axes[:, 0])
    spreads = hospital_spreads(features, settings)
    assert spreads.shape == (1 + settings.refits,)
    assert spreads[0] == pytest.approx(STRONG * unit * model.reliance, rel=0.15)
    assert spreads[0] > 2 * spreads[1:].max()


def test_a_strong_plant_is_found_and_every_control_is_there(strong):
    judged = judge(strong)
    assert set(judged["trial"]) == {0, 1, 2}
    p = judged.set_index(["probe", "control"])["p"]
    for probe in (
        *("steering_spread", "decodability", "logistic_flip_fraction", "shrunken_mean_flip_fraction"),
        "neurons_shrunken_flip_fraction",
    ):
        assert (p.loc[(probe, "permuted")] <= 0.05).all(), probe
    controls = judged.groupby("probe")["control"].agg(set)
    assert controls["steering_logit_shift"] == {"permuted", "matched", "isotropic"}
    assert controls["shrunken_mean_flip_fraction"] == {"permuted", "matched", "isotropic"}
    assert controls["neurons_flip_fraction"] == {"permuted", "matched", "random"}
    assert controls["neurons_shrunken_flip_fraction"] == {"permuted"}


def test_ties_are_broken_at_random_and_nothing_else(strong):
    judged = judge(strong)
    values = judged[judged["probe"].eq("decodability")]
    orders = np.array([judge(strong, seed)["untied_p"] for seed in range(10)])
    assert (orders <= judged["p"].to_numpy() + 1e-12).all(), "a place among equals is never behind them all"
    moved = np.ptp(orders, axis=0) > 0
    np.testing.assert_allclose(orders[:, ~moved], np.tile(judged["p"][~moved], (10, 1)))
    controls = strong[0].refitted["decodability"][1:]
    assert moved[values.index[0]] == (strong[0].refitted["decodability"][0] in controls)
    assert moved.any() and not moved[judged["probe"].eq("steering_spread")].any(), "which does not tie"


def test_a_probe_that_ties_always_has_its_level_once_ties_are_broken():
    value, controls = np.zeros((4000, 1)), np.zeros((4000, 39))
    judged = power._judged("any", "permuted", value, controls)
    assert (judged["p"] == 1).all()
    found = power._untied(judged, np.random.default_rng(0)) <= 0.05
    assert rate(np.zeros(4000, dtype=bool), found)["inside"] and found.sum() > 100


def test_what_is_judged_is_what_the_tables_say(strong):
    steering = strong[1].tables["steering"]
    shifts = steering[steering["alpha"] == 3].set_index(["direction", "repeat"])["logit_shift"].abs()
    judged = judge(strong).set_index(["probe", "control", "trial"]).loc[("steering_logit_shift", "permuted", 1)]
    assert judged["value"] == pytest.approx(shifts["hospital", 0])
    assert judged["p"] == (1 + np.sum(shifts["permuted"] >= shifts["hospital", 0])) / 40


def test_equal_seeds_give_equal_trials(strong):
    planted, settings = plant("planted", STRONG, 1, seed=0)
    again = try_probes(planted.features, settings, 1)
    for name, table in strong[1].tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])
    for probe, values in strong[1].refitted.items():
        np.testing.assert_array_equal(values, again.refitted[probe])


def test_power_of_a_case_has_the_table():
    first = power_of_case("iid", repeats=20, seed=3)
    assert list(first) == list(COLUMNS["validation"])
    assert not first.duplicated(["strength", "probe", "control"]).any()
    assert set(first["repeats"]) == {5} and set(first["strength"]) == {STRONG}
    found = first.set_index(["probe", "control"])["found"]
    assert found["decodability", "permuted"] == found["steering_spread", "permuted"] == 5
    assert {"monotone", "random_monotone"} <= set(first.loc[first["control"] == "none", "probe"])


def test_monotone_answers_are_those_with_a_rank_correlation_of_95_hundredths():
    rising, falling = np.linspace(0.5, 0.8, 7), np.linspace(0.9, 0.6, 7)
    swapped = rising[[1, 0, 2, 3, 4, 5, 6]]  # Spearman 1 - 6 * 2 / (7 * 48) = .964
    peaked = np.array([0.5, 0.6, 0.7, 0.8, 0.7, 0.6, 0.5])
    table = steering_table([rising, falling, swapped, peaked, np.full(7, 0.5)])
    assert monotone_answers(table, "hospital").tolist() == [True, True, True, False, False]
    with pytest.raises(ValueError, match="isotropic"):
        monotone_answers(table, "isotropic")


def test_a_repeat_has_the_same_noise_at_all_strengths_and_its_own_controls():
    (weak, settings), (strong, same), (_, other) = (
        plant("planted", strength, repeat, seed=0) for strength, repeat in ((0.5, 0), (4.0, 0), (0.5, 1))
    )
    np.testing.assert_array_equal(weak.truth.covariance, strong.truth.covariance)
    assert settings == same and settings.seed != other.seed
    aligned, _ = plant("aligned", 0.0, 0, seed=0)
    mixed, _ = plant("mixed", 0.0, 0, seed=0)
    assert not np.allclose(aligned.truth.loud_axis, mixed.truth.loud_axis)
    assert weak.features.at(0, PROBE).shape == strong.features.at(0, PROBE).shape


def test_cases_are_null_or_planted():
    assert set(NULL_CASES) < set(CASES) and tuple(MODELS) == CASES
    assert {case: strengths_of(case) for case in NULL_CASES} == dict.fromkeys(NULL_CASES, (0.0,))
    assert strengths_of("planted") == STRENGTHS and STRENGTHS[-1] == STRONG
    with pytest.raises(ValueError, match="'plantd' is not one of isotropic"):
        strengths_of("plantd")


def test_too_few_repeats_are_refused():
    with pytest.raises(ValueError, match="repeats: 19"):
        power_of_case("slides", repeats=19, seed=0)
