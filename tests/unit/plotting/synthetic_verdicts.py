"""Rows of the tables that say what the probes are worth, with the shapes and rough sizes of real ones."""

import itertools

import numpy as np
from scipy import stats

from causalgrok.interventions.features import STAGES

CASES = ("isotropic", "anisotropic", "slides", "aligned", "mixed")
"""Null cases of the planted truth."""
STRENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
PROBES = {
    "steering_flip_fraction": ("permuted", "matched", "isotropic"),
    "logistic_auroc_drop": ("permuted", "matched", "isotropic"),
    "neurons_flip_fraction": ("matched", "random"),
    "decodability": ("permuted",),
    "monotone": ("none",),
}
"""Probe -> the controls that it is compared with."""


def verdicts(random, favoured):
    asked = [("steering", stage, "hospital", 3.0) for stage in STAGES]
    asked += [("subspace", "pooled", method, 2.0) for method in ("logistic", "shrunken_mean", "leace", "inlp")]
    asked += [
        ("neurons", "pooled", f"{selection}, {mode}", float(k))
        for selection in ("hospital", "hospital_f", "hospital_auroc")
        for mode in ("zero", "mean", "shrunken")
        for k in (16, 64)
    ]
    checkpoints = {"memorised": 16, "final": 3000}
    for (checkpoint, epoch), case, split in itertools.product(
        checkpoints.items(), asked, ("id_val", "ood_val", "ood_test")
    ):
        probe, stage, target, size = case
        measures = ["flip_fraction", "auroc_drop"] + (["monotone"] if (probe, stage) == ("steering", "pooled") else [])
        easy = "random" if probe == "neurons" else "isotropic"
        for measure, control in itertools.product(measures, ("permuted", "matched", easy)):
            controls = {"permuted": 39, "matched": 50}.get(control, 20)
            # At the pooled stage nothing can move the AUROC, so that all controls tie.
            tied = (probe, stage, measure) == ("steering", "pooled", "auroc_drop")
            below = controls if control == easy else int(controls * random.beta(5 if favoured else 2, 1))
            yield {
                "checkpoint": checkpoint,
                "epoch": epoch,
                "probe": probe,
                "stage": stage,
                "target": target,
                "size": size,
                "split": split,
                "measure": measure,
                "value": 0.0 if tied else random.uniform(0, 0.3),
                "control": control,
                "controls": controls,
                "control_median": 0.0 if tied else 0.05,
                "percentile": 0.5 if tied else below / controls,
                "p": 1.0 if tied else (1 + controls - below) / (1 + controls),
                "smallest_p": 1 / (1 + controls),
                "decisive": control in ("permuted", "matched"),
            }


def reliance(random, runs):
    measures = [(f"steering, {stage}", "flip_fraction") for stage in STAGES]
    measures += [("subspace, shrunken_mean", name) for name in ("flip_fraction", "accuracy_drop", "auroc_drop")]
    measures += [("neurons, hospital, K = 64", "flip_fraction"), ("probing, hospital", "accuracy")]
    measures += [("concentration", name) for name in ("inlp_area", "head_angle")]
    # A correlation takes four runs.
    for checkpoint, (probe, measure) in itertools.product(("memorised", "final"), measures if runs > 3 else ()):
        # Of a measure that is the same in all runs there is none.
        rho = random.uniform(-0.3, 0.9) if measure != "accuracy_drop" else np.nan
        yield {
            "checkpoint": checkpoint,
            "probe": probe,
            "measure": measure,
            "runs": runs,
            "rho": rho,
            "low": max(rho - 0.4, -1),
            "high": min(rho + 0.3, 1),
            "p": np.nan if np.isnan(rho) else random.uniform(0.003, 0.8),
            "smallest_p": 0.0014,
        }


def planted_tables():
    return {"validation": list(validation(np.random.default_rng(1))), "recovery": list(recovery())}


def validation(random):
    cases = [(case, 0.0) for case in CASES] + [("planted", strength) for strength in STRENGTHS] + [("unused", 4.0)]
    for (case, strength), (probe, controls) in itertools.product(cases, PROBES.items()):
        for control in controls:
            repeats = 400 if strength == 0 else 100
            unread = case == "unused" and probe != "decodability"
            rate = 0.05 if strength == 0 or unread else 0.05 + 0.95 * (1 - np.exp(-(strength**2)))
            if control not in ("permuted", "matched"):
                rate = max(rate, 0.4) if case != "isotropic" else 0.06
            found = random.binomial(repeats, rate)
            interval = stats.binomtest(found, repeats).proportion_ci(0.95)
            low, high = stats.binom.ppf([0.025, 0.975], repeats, 0.05)
            yield {
                "case": case,
                "strength": strength,
                "probe": probe,
                "control": control,
                "repeats": repeats,
                "found": found,
                "rate": found / repeats,
                "low": interval.low,
                "high": interval.high,
                "inside": low <= found <= high,
            }


def recovery():
    for case in CASES:
        yield planted_row(case, 0.0, "rank", 0.95, 0.03)
        yield planted_row(case, 0.0, "leace_cross_covariance", 1e-15, 5e-16, 1e-9)
        yield planted_row(case, 0.0, "direction_angle", 80.0, 8.0)
    for case, strength in itertools.product(("planted", "plane"), STRENGTHS):
        yield planted_row(case, strength, "rank", 1 - np.exp(-(strength**2)), 0.05, 1.0 if strength == 4 else np.nan)
        yield planted_row(case, strength, "leace_cross_covariance", 1e-15, 5e-16, 1e-9)
        for name, angle in {"direction": 20, "logistic": 60, "mean_difference": 30, "leace": 30}.items():
            expected = 10.0 if (name, strength) == ("direction", 4.0) else np.nan
            yield planted_row(case, strength, f"{name}_angle", min(angle / strength, 80), 4.0, expected)
        # Where hospitals cannot be told apart, there is nothing to be concentrated.
        area = np.nan if strength < 0.5 else 0.3
        yield planted_row(case, strength, "inlp_area", area, 0.1)
    left = {"none": 0.98, "logistic": 0.5, "mean_difference": 0.34, "leace": 0.34, "inlp": 0.33, "matched": 0.9}
    for case, (method, accuracy) in itertools.product(("planted", "plane", "iid"), left.items()):
        expected = 1 / 3 if (case, method) == ("iid", "leace") else np.nan
        yield planted_row(case, 4.0, f"{method}_heldout_accuracy", accuracy, 0.02, expected)
        if method != "matched":
            yield planted_row(case, 4.0, f"{method}_mlp_accuracy", accuracy + 0.02, 0.02)
    for case, probe in itertools.product(("planted", "plane"), ("steering_spread", "decodability")):
        yield planted_row(case, np.nan, f"strength_order_{probe}", 0.97, 0.03)


def planted_row(case, strength, measure, value, room, expected=np.nan):
    high = min(value + room, 1.0) if measure == "rank" else value + room
    return {
        "case": case,
        "strength": strength,
        "measure": measure,
        "repeats": 400,
        "value": value,
        "low": value - room,
        "high": high,
        "expected": expected,
    }
