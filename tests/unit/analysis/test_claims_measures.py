import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from causalgrok.analysis.claims.measure_entries import (
    BeatsControls,
    Curve,
    MonotoneSteering,
    Rows,
    Value,
)
from causalgrok.analysis.claims.measures import measure
from causalgrok.columns import COLUMNS, RUN


def table(name: str, rows: list[dict], **defaults) -> pd.DataFrame:
    run = {"task": "t", "recipe": "r", "n": 10, "seed": 0}
    return pd.DataFrame([run | defaults | row for row in rows], columns=list(dict.fromkeys([*RUN, *COLUMNS[name]])))


def value_of(settings, **tables) -> float:
    return measure(settings, tables).values["value"].item()


CURVE = table(
    "metrics",
    [
        {"epoch": epoch, "step": 10 * epoch, "split": split, "accuracy": accuracy, "loss": 0.5}
        for split, curve in {"train": [0.5, 0.8, 1, 1, 0.98, 1], "ood_test": [0.5, 0.6, 0.9, 0.7, 0.6, 0.5]}.items()
        for epoch, accuracy in zip([0, 1, 10, 20, 30, 40], curve, strict=True)
    ],
)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("first", 0.5),
        ("last", 0.5),
        ("epoch 10", 0.9),
        ("epoch 12", 0.9),
        ("epoch 15", 0.9),
        ("step 290", 0.6),
        ("share 0.5", 0.7),
        ("from share 0.5", 0.6),
        (None, (0.5 + 0.6 + 0.9 + 0.7 + 0.6 + 0.5) / 6),
    ],
)
def test_a_column_at_a_place_in_training(at, expected):
    settings = Value(name="value", table="metrics", column="accuracy", where={"split": "ood_test"}, at=at)
    assert value_of(settings, metrics=CURVE) == pytest.approx(expected)


def test_a_run_that_ended_before_a_place_has_no_value():
    settings = Value(name="value", table="metrics", column="accuracy", where={"split": "train"}, at="step 401")
    assert measure(settings, {"metrics": CURVE}).values.empty


def test_a_named_checkpoint_is_the_runs_own():
    checkpoints = table("checkpoints", [{"seed": 0, "name": "memorised", "epoch": 20}])
    settings = Value(name="value", table="metrics", column="accuracy", where={"split": "ood_test"}, at="memorised")
    assert settings.tables == ("metrics", "checkpoints")
    assert value_of(settings, metrics=CURVE, checkpoints=checkpoints) == 0.7


def test_differences_ratios_and_logarithms():
    rows = {"name": "value", "table": "metrics", "column": "accuracy", "where": {"split": "ood_test"}, "at": "epoch 10"}
    before = {"against": Rows(at="first")}
    assert value_of(Value(**rows, **before), metrics=CURVE) == pytest.approx(0.4)
    assert value_of(Value(**rows, **before, ratio=True), metrics=CURVE) == pytest.approx(1.8)
    assert value_of(Value(**rows, **before, ratio=True, log=True), metrics=CURVE) == pytest.approx(np.log(1.8))
    elsewhere = {"against": Rows(where={"split": "train"})}
    assert value_of(Value(**rows, **elsewhere), metrics=CURVE) == pytest.approx(-0.1)
    assert value_of(Value(**rows, against_column="loss"), metrics=CURVE) == pytest.approx(0.4)


def test_a_division_by_zero_is_no_value():
    zero = CURVE.assign(loss=0.0)
    settings = Value(name="value", table="metrics", column="accuracy", against_column="loss", ratio=True)
    assert np.isnan(value_of(settings, metrics=zero))


def test_a_column_of_words_is_a_share():
    checkpoints = table("checkpoints", [{"name": name, "epoch": 1} for name in ("init", "final", "final", "final")])
    settings = Value(name="value", table="checkpoints", column="name", equals="final")
    assert value_of(settings, checkpoints=checkpoints) == 0.75
    settings = Value(name="value", table="outcomes", column="label", equals="grokked")
    labels = ["grokked", "plateau", None]  # the last run had too few evaluations
    outcomes = pd.concat([table("outcomes", [{"seed": seed, "label": label}]) for seed, label in enumerate(labels)])
    np.testing.assert_array_equal(measure(settings, {"outcomes": outcomes}).values["value"], [1, 0, np.nan])


def test_the_share_of_the_largest_is_the_runs_own():
    verdicts = table("verdicts", [{"size": size, "value": size, "control": "random"} for size in (4, 8, 16, 32)])
    verdicts = pd.concat([verdicts, verdicts.assign(seed=1, size=verdicts["size"] * 8, value=verdicts["value"] * 8)])
    settings = Value(name="value", table="verdicts", column="value", where={"size": {"share_of_largest": 0.25}})
    assert measure(settings, {"verdicts": verdicts}).values["value"].tolist() == [8, 64]


def test_the_rows_are_told_so_that_pandas_finds_them_again():
    where = {"split": ["ood_test", "train"], "epoch": 10}
    measured = measure(Value(name="value", table="metrics", column="accuracy", where=where), {"metrics": CURVE})
    name, _, query = measured.rows.partition(" where ")
    assert name == "metrics.accuracy"
    assert CURVE.query(query)["accuracy"].mean() == measured.values["value"].item()


def test_statistics_of_a_curve():
    curve = {"name": "curve", "split": "train"}
    assert value_of(Curve(**curve, statistic="min"), metrics=CURVE) == 0.5
    assert value_of(Curve(**curve, statistic="min", after_memorised=True), metrics=CURVE) == 0.98
    assert value_of(Curve(name="curve", split="ood_test", statistic="max"), metrics=CURVE) == 0.9


def test_the_peak_is_looked_for_on_the_equally_spaced_evaluations():
    early = CURVE.copy()
    early.loc[early["epoch"] == 1, "accuracy"] = 1.0
    settings = Curve(name="curve", split="ood_test", statistic="peak_time")
    assert value_of(settings, metrics=CURVE) == value_of(settings, metrics=early) == 0.25


@pytest.mark.parametrize(
    ("p", "controls", "value", "chance"), [(0.04, 49, 1, 0.04), (0.05, 19, 1, 0.05), (0.1, 9, 0, 0)]
)
def test_beating_controls_has_the_chance_that_their_number_allows(p, controls, value, chance):
    verdicts = table("verdicts", [{"probe": "neurons", "p": p, "controls": controls}])
    values = measure(BeatsControls(name="beats_controls", where={"probe": "neurons"}), {"verdicts": verdicts}).values
    assert (values["value"].item(), values["chance"].item()) == (value, pytest.approx(chance))


def test_beating_controls_takes_one_row_a_run():
    verdicts = table("verdicts", [{"probe": "neurons", "p": 0.1, "controls": 9}] * 2)
    with pytest.raises(ValueError, match=r"2 rows of run .*: narrow `where` to one"):
        measure(BeatsControls(name="beats_controls", where={"probe": "neurons"}), {"verdicts": verdicts})


def steered(direction, repeat, accuracies, cosine=0.5):
    alphas = np.arange(-3.0, 4.0)
    return [
        {"direction": direction, "repeat": repeat, "alpha": alpha, "accuracy": accuracy, "cosine": cosine}
        for alpha, accuracy in zip(alphas, accuracies, strict=True)
    ]


def test_monotone_steering_is_held_against_the_runs_own_controls():
    up, bump = np.linspace(0.4, 0.7, 7), [0.4, 0.5, 0.6, 0.7, 0.6, 0.5, 0.4]
    rows = [*steered("hospital", 0, up), *steered("permuted", 0, up)]
    rows += [row for repeat in range(9) for row in steered("matched", repeat, up if repeat < 2 else bump)]
    tables = {
        "steering": table("steering", rows, epoch=5, stage="pooled", split="ood_test"),
        "checkpoints": table("checkpoints", [{"name": "final", "epoch": 5}]),
    }
    values = measure(MonotoneSteering(name="monotone_steering"), tables).values
    assert (values["value"].item(), values["chance"].item()) == (1, pytest.approx(3 / 10))
    unsigned = [row | ({"cosine": 0.01} if row["direction"] == "hospital" else {}) for row in rows]
    tables["steering"] = table("steering", unsigned, epoch=5, stage="pooled", split="ood_test")
    assert np.isnan(measure(MonotoneSteering(name="monotone_steering"), tables).values["value"].item())


@pytest.mark.parametrize("at", ["epoch", "epoc 5", "share 2", "step -1", "final "])
def test_places_that_there_are_not_are_refused(at):
    with pytest.raises(ValidationError, match="expected one of first, last"):
        Rows(at=at)
