"""What is left after the hospital subspace is removed: hospital and tumour, as fresh probes find them on other slides.

Removed is the whole subspace (strength 1) in each of the ways of `subspace`, INLP at the rank of every iteration, and
controls of the same rank. Fresh probes are fitted on the fitting slides of the probe pool and judged on its others:

    linear  logistic regression. It reads every linear function of the erased features and no other (`Design.without`)
    mlp     one hidden layer of 64 rectified units, fitted for a fixed time: for what a linear probe does not see

Choices. Probes have the C of the intact features' probe of the same target. Cross-validation on erased features is
misled: the eraser has seen the left-out slides and has equalised hospitals over all folds together, so that a left-out
fold deviates in the direction opposite to the others, and every C looks worse than chance. Inputs are standardised as
the intact features are: standardised anew, channels that hold nothing but the rounding of what was removed would grow
to the size of the others. Examples are weighted such that hospitals are balanced by label and labels by hospital.

One centring each (raw features not centred, LEACE and scaled ones centred): a constant that is added to all features
changes neither probe.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS, RUN
from causalgrok.interventions.erasers import Eraser
from causalgrok.interventions.estimates import (
    Estimates,
    balancing_weights,
    control_erasers,
    estimate,
    hospital_erasers,
)
from causalgrok.interventions.features import Features
from causalgrok.interventions.logistic import fit_logistic, fit_validated
from causalgrok.interventions.settings import Measurement

_REPEATS = 5
"""Controls of each kind, at most: they remove next to nothing, and more of them say no more."""

_HIDDEN = 64
_EPOCHS = 60
_LEARNING_RATE = 5e-3
"""Of the small network: fitted to its end in a second, and on real features as good on other slides as if fitted for
longer or with more decay."""


def measure_erasure(features: Features, named_epochs: Mapping[str, int], settings: Measurement) -> pd.DataFrame:
    """Judge what every removal leaves, at the named checkpoints.

    Args:
        features: the run's features.
        named_epochs: name -> epoch; an epoch with several names is measured once.
        settings: grids and repeats.

    Returns:
        The columns of the table `erasure`. The linear probe judges everything; the small network judges the intact
        features, the four ways in raw features, and of INLP the last rank.

    Raises:
        ValueError: a hospital has only one slide, hospitals cannot be permuted by slide, or a feature is not finite.
    """
    rows = []
    for epoch in sorted(set(named_epochs.values())):
        estimates = estimate(features, epoch, settings)
        targets = _targets(estimates, settings)
        for method, repeat, eraser, judged_by in _removals(estimates, settings):
            described = {
                "epoch": epoch,
                "method": method,
                "space": eraser.space if eraser else "raw",
                "centred": eraser.centred if eraser else False,
                "rank": eraser.rank if eraser else 0,
                "repeat": repeat,
                "n_fit": len(estimates.fitting.labels),
                "n_test": len(estimates.judging.labels),
            }
            for probe in judged_by:
                judge = {"linear": _judge_linear, "mlp": _judge_mlp}[probe]
                for target, accuracy in zip(targets, judge(estimates, eraser, targets, settings.seed), strict=True):
                    judged = {"target": target.name, "probe": probe, "accuracy": accuracy, "chance": target.chance}
                    rows.append(described | judged)
    return pd.DataFrame(rows, columns=list(COLUMNS["erasure"]))


def damage_per_information(subspace: pd.DataFrame, erasure: pd.DataFrame, *, least: float = 0.05) -> pd.DataFrame:
    """What the head loses for each unit of hospital information that a removal takes out.

    Information is the accuracy of the fresh linear hospital probe above chance, and the unit is all of it, so that a
    removal of half the information that costs .1 of accuracy has .2. Both centrings of `subspace` have the information
    of the one that `erasure` measured: a linear probe does not see centring.

    Args:
        subspace: the table of one or several runs; its rows of strength 0 say what is lost.
        erasure: the table of the same runs.
        least: fraction of the information below which nothing worth the name was removed.

    Returns:
        A row for each row of `subspace` at strength 1 with a counterpart in `erasure`, with the columns that describe
        it and information_removed (fraction), accuracy_drop, auroc_drop, and accuracy_drop_per_information and
        auroc_drop_per_information; the last two are missing where less than `least` was removed.
    """
    run = [column for column in RUN if column in subspace]
    linear = erasure[(erasure["target"] == "hospital") & (erasure["probe"] == "linear")]
    information = linear.assign(left=(linear["accuracy"] - linear["chance"]).clip(lower=0))
    intact = information[information["method"] == "none"].set_index([*run, "epoch"])["left"].rename("intact")
    information = information.join(intact, on=[*run, "epoch"])
    information["information_removed"] = 1 - information["left"] / information["intact"].where(
        information["intact"] > 0
    )

    same = [*run, "epoch", "method", "space", "rank", "repeat"]
    unaltered = subspace[subspace["strength"] == 0].groupby([*run, "epoch", "split"])[["accuracy", "auroc"]].first()
    unaltered = unaltered.add_suffix("_before")
    damage = subspace[subspace["strength"] == 1].merge(information[[*same, "information_removed"]], on=same)
    damage = damage.join(unaltered, on=[*run, "epoch", "split"])
    removed = damage["information_removed"].where(damage["information_removed"] >= least)
    for score in ("accuracy", "auroc"):
        damage[f"{score}_drop"] = damage[f"{score}_before"] - damage[score]
        damage[f"{score}_drop_per_information"] = damage[f"{score}_drop"] / removed
    drops = [f"{score}_drop{unit}" for unit in ("", "_per_information") for score in ("accuracy", "auroc")]
    return damage[[*run, "epoch", *same[len(run) + 1 :], "centred", "split", "information_removed", *drops]]


@dataclass(frozen=True)
class _Target:
    """One thing that fresh probes decode."""

    name: str
    labels: np.ndarray
    weights: np.ndarray
    C: float
    truth: np.ndarray

    @property
    def chance(self) -> float:
        """Share of the most frequent class on the judging slides."""
        return np.unique(self.truth, return_counts=True)[1].max() / len(self.truth)


def _targets(estimates: Estimates, settings: Measurement) -> list[_Target]:
    fitting, judging = estimates.fitting, estimates.judging
    weights = balancing_weights(fitting.labels, fitting.hospitals)
    grid = settings.inverse_regularisation
    tumour = fit_validated(estimates.design, fitting.labels, estimates.folds, grid, weights=weights)
    by_label = balancing_weights(fitting.hospitals, fitting.labels)
    return [
        _Target("hospital", fitting.hospitals, by_label, estimates.probe.C, judging.hospitals),
        _Target("tumour", fitting.labels, weights, tumour.C, judging.labels),
    ]


def _judge_linear(estimates: Estimates, eraser: Eraser | None, targets: list[_Target], seed: int) -> Iterator[float]:
    """Accuracy of a linear probe of what is left, for every target."""
    design = estimates.design.without(eraser.right.T) if eraser else estimates.design
    for target in targets:
        probe = fit_logistic(design, target.labels, C=target.C, weights=target.weights)
        # Weights that read nothing of what was removed classify the erased and the intact features alike.
        yield np.mean(probe.predict(estimates.judging.features) == target.truth)


def _judge_mlp(estimates: Estimates, eraser: Eraser | None, targets: list[_Target], seed: int) -> Iterator[float]:
    """Accuracy of a small network of what is left, for every target."""
    fitting, judging = (
        ((eraser.erase(patches.features) if eraser else patches.features) - estimates.design.mean)
        / estimates.design.scale
        for patches in (estimates.fitting, estimates.judging)
    )
    for target in targets:
        predicted = predict_mlp(fitting, target.labels, judging, weights=target.weights, seed=seed)
        yield np.mean(predicted == target.truth)


def predict_mlp(
    fitting: np.ndarray, labels: np.ndarray, judging: np.ndarray, *, weights: np.ndarray, seed: int
) -> np.ndarray:
    """Labels (m,) that a small network, fitted on standardised features (n, d) and labels (n,), gives to others (m, d).

    Args:
        fitting: (n, d) features, which are rounded to float32.
        labels: (n,) their labels.
        judging: (m, d) features.
        weights: (n,) weights of the fitting examples.
        seed: of the initialisation and the order of the examples.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(
        hidden_layer_sizes=(_HIDDEN,),
        learning_rate_init=_LEARNING_RATE,
        max_iter=_EPOCHS,
        n_iter_no_change=_EPOCHS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed time, on purpose
        network.fit(fitting.astype(np.float32), labels, sample_weight=weights)
        return network.predict(judging.astype(np.float32))


def _removals(estimates: Estimates, settings: Measurement) -> Iterator[tuple[str, int, Eraser | None, tuple[str, ...]]]:
    """Every removal: method, repeat, eraser, and the probes that judge it."""
    yield "none", 0, None, ("linear", "mlp")
    seen, rank = set(), 0
    for method, eraser in hospital_erasers(estimates):
        if (method, eraser.space) in seen:
            continue
        seen.add((method, eraser.space))
        rank = eraser.rank if method == "logistic" else rank
        for removed in estimates.inlp.ranks[1:-1] if method == "inlp" else ():
            yield method, 0, eraser.leading(removed), ("linear",)
        yield method, 0, eraser, ("linear", "mlp") if eraser.space == "raw" else ("linear",)
    if rank:
        repeats, refits = min(_REPEATS, settings.repeats), min(_REPEATS, settings.refits)
        for method, repeat, eraser in control_erasers(estimates, rank=rank, repeats=repeats, refits=refits):
            if method not in ("permuted_mean", "permuted_leace"):
                yield method, repeat, eraser, ("linear",)
