"""Fresh probes find what was left, and nothing of what went."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from causalgrok.columns import COLUMNS
from causalgrok.interventions import erasure
from causalgrok.interventions.ablation import ablate_features
from causalgrok.interventions.erasure import damage_per_information, measure_erasure, predict_mlp
from causalgrok.interventions.estimates import balancing_weights, estimate, hospital_erasers
from causalgrok.interventions.features import PROBE
from causalgrok.interventions.logistic import fit_logistic
from causalgrok.interventions.settings import Measurement

SETTINGS = Measurement(strengths=[1.0], repeats=2, refits=3, inlp_iterations=3, inverse_regularisation=[1e-2, 1e-1])


@pytest.fixture
def no_network(monkeypatch):
    """Leave the small network out where it is not what is tested."""
    monkeypatch.setattr(erasure, "predict_mlp", lambda fitting, labels, judging, **_: np.full(len(judging), labels[0]))


def test_every_way_removes_the_plane_and_nothing_else(planted_features):
    # 720 fitting patches of 10 channels, without slide effects: LEACE is at chance on other slides too.
    planted = planted_features(epochs=(0,), d=10, patches=80, slide=0.0, hospital=0.6, tumour=3.0)
    frame = measure_erasure(planted.features, {"init": 0, "final": 0}, SETTINGS)
    assert list(frame.columns) == list(COLUMNS["erasure"])
    assert set(frame["n_fit"]) == {720} and set(frame["n_test"]) == {480} and set(frame["epoch"]) == {0}
    assert not frame.duplicated(["method", "space", "rank", "repeat", "target", "probe"]).any()
    left = frame.groupby(["method", "space", "rank", "target", "probe"])["accuracy"].mean()
    assert left["none", "raw", 0, "hospital"].min() > 0.8
    assert (frame.loc[frame["target"] == "hospital", "chance"] == 1 / 3).all()
    for probe in ("linear", "mlp"):
        for method in ("logistic", "mean_difference", "leace"):
            assert left[method, "raw", 2, "hospital", probe] < 0.45
        assert left["inlp", "raw", 6, "hospital", probe] < 0.45
    assert left["leace", "raw", 2, "hospital", "linear"] < 0.4
    assert left["mean_difference", "scaled", 2, "hospital", "linear"] == pytest.approx(
        left["mean_difference", "raw", 2, "hospital", "linear"], abs=0.01
    )
    assert left["isotropic", "raw", 2, "hospital", "linear"] > 0.75
    assert left["permuted", "raw", 2, "hospital", "linear"] > 0.75
    tumour = left.xs("tumour", level="target")
    assert tumour.drop(["matched", "inlp"]).min() > tumour["none"].min() - 0.04
    inlp = left["inlp", "raw"].xs("linear", level="probe").xs("hospital", level="target")
    assert inlp.index.tolist() == [2, 4, 6]
    assert (np.diff([left["none", "raw", 0, "hospital", "linear"], *inlp]) < 0.04).all()


@pytest.mark.usefixtures("no_network")
def test_linear_probe_is_that_of_sklearn_on_erased_features(planted_features):
    planted = planted_features(epochs=(0,), slide=0.5, patches=40)
    settings = SETTINGS.model_copy(update={"inverse_regularisation": [0.1]})
    frame = measure_erasure(planted.features, {"final": 0}, settings)
    frame = frame[(frame["probe"] == "linear") & (frame["rank"] == 2)].set_index(["method", "space", "target"])
    estimates = estimate(planted.features, 0, settings)
    fitting, judging = estimates.fitting, estimates.judging
    mean, scale = fitting.features.mean(axis=0), fitting.features.std(axis=0)
    for method, eraser in hospital_erasers(estimates):
        if (method, eraser.space) not in {("logistic", "raw"), ("logistic", "scaled"), ("leace", "raw")}:
            continue
        fitted, judged = ((eraser.erase(part.features) - mean) / scale for part in (fitting, judging))
        for target, nuisance in (("hospitals", "labels"), ("labels", "hospitals")):
            labels = getattr(fitting, target)
            weights = balancing_weights(labels, getattr(fitting, nuisance))
            reference = LogisticRegression(C=0.1, tol=1e-6, max_iter=5000).fit(fitted, labels, weights)
            expected = np.mean(reference.predict(judged) == getattr(judging, target))
            name = {"hospitals": "hospital", "labels": "tumour"}[target]
            # In standardised space the penalty is the same; elsewhere nearly so.
            atol = 0.006 if eraser.space == "scaled" else 0.03
            assert frame["accuracy"][method, eraser.space, name] == pytest.approx(expected, abs=atol)


def test_small_network_finds_what_a_linear_probe_misses(planted_features):
    planted = planted_features(epochs=(0,), d=8, patches=120, slide=0.0, hospital=0.4, rotate=False)
    rng = np.random.default_rng(0)
    hospitals = planted.features.domains(PROBE)
    radius = np.array([0.5, 2.0, 4.0])[np.searchsorted([0, 3, 4], hospitals)]
    angle = rng.uniform(0, 2 * np.pi, len(hospitals))
    # Besides the planted plane, a ring about the same centre in another one.
    planted.arrays["0/probe/pooled"][:, 5:7] += (radius * np.stack([np.cos(angle), np.sin(angle)])).T
    estimates = estimate(planted.features, 0, SETTINGS)
    fitting, judging, design = estimates.fitting, estimates.judging, estimates.design
    eraser = dict(hospital_erasers(estimates))["leace"]
    linear = fit_logistic(design.without(eraser.right.T), fitting.hospitals, C=0.1)
    assert np.mean(estimates.probe.predict(judging.features) == judging.hospitals) > 0.6
    assert np.mean(linear.predict(judging.features) == judging.hospitals) < 0.45
    erased = [(eraser.erase(part.features) - design.mean) / design.scale for part in (fitting, judging)]
    predicted = predict_mlp(erased[0], fitting.hospitals, erased[1], weights=np.ones(len(erased[0])), seed=0)
    assert np.mean(predicted == judging.hospitals) > 0.75


def test_small_network_is_reproducible_and_heeds_weights():
    rng = np.random.default_rng(0)
    values, labels = rng.standard_normal((200, 4)), rng.integers(0, 2, 200)
    options = {"weights": np.ones(200), "seed": 3}
    first = predict_mlp(values, labels, values, **options)
    np.testing.assert_array_equal(first, predict_mlp(values, labels, values, **options))
    heavy = predict_mlp(values, labels, values, weights=np.where(labels == 1, 100.0, 0.01), seed=3)
    assert heavy.mean() > 0.95 > first.mean()


def test_no_named_checkpoint_is_an_empty_table(planted_features):
    assert measure_erasure(planted_features(epochs=(0,)).features, {}, SETTINGS).empty


def run_tables():
    """A run in which 2 dimensions take half of the hospital information and .1 of accuracy, and others nothing."""
    case = {"epoch": 7, "space": "raw", "rank": 2, "repeat": 0}
    subspace = [
        {"method": method, "centred": centred, "strength": strength, "split": "ood_test", "accuracy": a, "auroc": b}
        for method, centred, strength, a, b in [
            ("logistic", False, 0.0, 0.8, 0.9),
            ("logistic", False, 1.0, 0.7, 0.85),
            ("logistic", True, 1.0, 0.75, 0.85),
            ("isotropic", False, 1.0, 0.79, 0.9),
            ("permuted_mean", False, 1.0, 0.5, 0.5),
        ]
    ]
    erased = [
        {"method": method, "target": target, "probe": probe, "accuracy": accuracy, "chance": 0.4, "centred": False}
        for method, target, probe, accuracy in [
            ("none", "hospital", "linear", 0.8),
            ("logistic", "hospital", "linear", 0.6),
            ("logistic", "hospital", "mlp", 0.8),
            ("logistic", "tumour", "linear", 0.9),
            ("isotropic", "hospital", "linear", 0.79),
        ]
    ]
    return pd.DataFrame([case | row for row in subspace]), pd.DataFrame([case | row for row in erased])


def test_damage_is_divided_by_the_information_that_went():
    subspace, erased = run_tables()
    damage = damage_per_information(subspace, erased).set_index(["method", "centred"])
    assert damage.index.tolist() == [("logistic", False), ("logistic", True), ("isotropic", False)]
    expected = {"information_removed": 0.5, "accuracy_drop": 0.1, "auroc_drop": 0.05}
    expected |= {"accuracy_drop_per_information": 0.2, "auroc_drop_per_information": 0.1}
    for column, value in expected.items():
        assert damage.loc[("logistic", False), column] == pytest.approx(value)
    assert damage.loc[("logistic", True), "accuracy_drop_per_information"] == pytest.approx(0.1)
    assert damage.loc[("isotropic", False), "information_removed"] == pytest.approx(0.025)
    assert np.isnan(damage.loc[("isotropic", False), "accuracy_drop_per_information"])
    some = damage_per_information(subspace, erased, least=0.01).set_index(["method", "centred"])
    assert some.loc[("isotropic", False), "accuracy_drop_per_information"] == pytest.approx(0.4)


def test_damage_keeps_runs_apart_and_is_undefined_without_information():
    subspace, erased = run_tables()
    runs = [{"task": "a", "recipe": recipe, "n": 10, "seed": 0} for recipe in ("one", "two")]
    none = erased.assign(accuracy=erased["accuracy"].where(erased["method"] != "none", 0.4))
    both = damage_per_information(
        pd.concat([subspace.assign(**run) for run in runs]),
        pd.concat([erased.assign(**runs[0]), none.assign(**runs[1])]),
    )
    one, two = (both[both["recipe"] == recipe] for recipe in ("one", "two"))
    assert one["accuracy_drop_per_information"].notna().sum() == 2
    assert two["information_removed"].isna().all() and two["accuracy_drop_per_information"].isna().all()
    assert two["accuracy_drop"].notna().all()


@pytest.mark.usefixtures("no_network")
def test_measured_tables_fit_together(planted_features):
    planted = planted_features(reads="both", offset=0.0, slide=0.0, patches=40)
    subspace = ablate_features(planted.features, SETTINGS, ("subspace",))["subspace"]
    damage = damage_per_information(subspace, measure_erasure(planted.features, {"final": 10}, SETTINGS))
    full = damage[(damage["split"] == "ood_test") & (damage["method"] != "inlp")]
    assert set(full["method"]) == {"logistic", "mean_difference", "leace", "matched", "permuted", "isotropic"}
    assert set(damage["epoch"]) == {10} and not damage.duplicated().any()
    removed = full.groupby("method")["information_removed"].mean()
    assert removed[["mean_difference", "leace"]].min() > 0.8 and removed["logistic"] > 0.4
    assert removed[["permuted", "isotropic"]].abs().max() < 0.15
