import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from causalgrok.analysis.statistics.factorial import factorial_effects, seed_contrasts
from causalgrok.analysis.statistics.permutation import permutation_test

FACTORS = {"weight_decay": (1e-4, 5e-3), "init_scale": (1, 4), "grokfast": (False, True)}


def study(seeds=10, noise=0.0, seed_spread=1.0, effect=lambda w, i, g: 0.3 * w + 0.1 * w * i, rng=None) -> pd.DataFrame:
    rng = rng or np.random.default_rng(0)
    rows = []
    for seed in range(seeds):
        level = seed_spread * rng.normal()
        for w, i, g in itertools.product((0, 1), repeat=3):
            cell = {name: levels[bit] for (name, levels), bit in zip(FACTORS.items(), (w, i, g), strict=True)}
            rows.append(cell | {"seed": seed, "accuracy": level + effect(w, i, g) + noise * rng.normal()})
    return pd.DataFrame(rows).sample(frac=1, random_state=1)


def test_planted_effects_are_found_without_noise():
    """0.3 w + 0.1 w i: w works by .3 + .05 on average, i by .05, and their interaction is half of .1."""
    found = factorial_effects(study(), FACTORS, "accuracy", mixed=False).set_index("term")
    expected = {
        "weight_decay": 0.35,
        "init_scale": 0.05,
        "grokfast": 0,
        "weight_decay:init_scale": 0.05,
        "weight_decay:grokfast": 0,
        "init_scale:grokfast": 0,
        "weight_decay:init_scale:grokfast": 0,
    }
    assert found["estimate"].to_dict() == pytest.approx(expected, abs=1e-12)
    assert found["order"].to_dict() == {term: term.count(":") + 1 for term in expected}
    assert found["smallest_p"].unique() == [2 / 2**10]
    assert found.loc["weight_decay", "p"] == 2 / 2**10


def test_every_seed_is_one_number():
    frame = study(seeds=6, noise=0.2)
    found = factorial_effects(frame, FACTORS, "accuracy", mixed=False).set_index("term").loc["init_scale"]
    contrasts = [
        runs.loc[runs["init_scale"] == 4, "accuracy"].mean() - runs.loc[runs["init_scale"] == 1, "accuracy"].mean()
        for _, runs in frame.groupby("seed")
    ]
    interval = stats.ttest_1samp(contrasts, 0).confidence_interval(0.95)
    assert (found["estimate"], found["low"], found["high"]) == pytest.approx((np.mean(contrasts), *interval))
    assert found["p"] == permutation_test(contrasts, np.zeros(6), paired=True).p
    points = seed_contrasts(frame, FACTORS, "accuracy")
    assert points.loc[points["term"] == "init_scale", "contrast"].to_numpy() == pytest.approx(contrasts)


def test_the_mixed_model_agrees_with_the_analysis_of_variance():
    """Balanced, with spread between seeds: REML is the ANOVA with the seeds taken out."""
    frame = study(seeds=8, noise=0.2)
    found = factorial_effects(frame, FACTORS, "accuracy").set_index("term")
    assert found["mixed_estimate"].to_numpy() == pytest.approx(found["estimate"].to_numpy(), abs=1e-8)
    values = frame.sort_values(["seed", *FACTORS])["accuracy"].to_numpy().reshape(8, 8)
    residual = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    error = 2 * np.sqrt((residual**2).sum() / (7 * 7) / values.size)
    half = (found["mixed_high"] - found["mixed_low"]).to_numpy() / 2
    assert half == pytest.approx(np.full(7, stats.norm.ppf(0.975) * error), rel=1e-3)
    assert found["mixed_p"].to_numpy() == pytest.approx(2 * stats.norm.sf(abs(found["estimate"]) / error), abs=1e-4)


def test_seed_levels_and_coding():
    frame = study(seeds=5, noise=0.2)
    plain = factorial_effects(frame, FACTORS, "accuracy", mixed=False)
    shifted = frame.assign(accuracy=frame["accuracy"] + 10 * frame["seed"])
    assert factorial_effects(shifted, FACTORS, "accuracy", mixed=False)["low"].to_numpy() == pytest.approx(
        plain["low"].to_numpy()
    )
    turned = factorial_effects(frame, FACTORS | {"grokfast": (True, False)}, "accuracy", mixed=False)
    flips = [-1 if "grokfast" in term else 1 for term in plain["term"]]
    assert turned["estimate"].to_numpy() == pytest.approx(flips * plain["estimate"].to_numpy())
    assert turned["p"].tolist() == plain["p"].tolist()


def test_the_mixed_model_may_be_left_out_or_impossible():
    columns = ["mixed_estimate", "mixed_low", "mixed_high", "mixed_p"]
    assert factorial_effects(study(seeds=3), FACTORS, "accuracy", mixed=False)[columns].isna().all(axis=None)
    single = factorial_effects(study(seeds=1, noise=0.1), FACTORS, "accuracy")
    assert single[columns].isna().all(axis=None)
    assert (single["p"] == 1).all()
    assert single["low"].isna().all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda frame: frame.iloc[1:], "has 0 runs with"),
        (lambda frame: pd.concat([frame, frame.iloc[:1]]), "has 2 runs with"),
        (lambda frame: frame.drop(columns="grokfast"), "no column 'grokfast'"),
        (lambda frame: frame.drop(columns="seed"), "no column 'seed'"),
        (lambda frame: frame.assign(init_scale=8), "factor 'init_scale' has values"),
        (lambda frame: frame.assign(accuracy=np.nan), "not finite"),
        (lambda frame: frame.iloc[:0], "no runs"),
    ],
)
def test_incomplete_designs_are_refused(spoil, message):
    with pytest.raises(ValueError, match=message):
        factorial_effects(spoil(study(seeds=3)), FACTORS, "accuracy")


def test_no_factors_are_refused():
    with pytest.raises(ValueError, match="factors is empty"):
        factorial_effects(study(seeds=3), {}, "accuracy")
