"""Rows of the tables that say how often tests and detector err, with the shapes of real ones."""

import itertools

from causalgrok.analysis.detector import LABELS

THRESHOLDS = {"delta": (0.1, 0.2), "rho": (3.0, 10.0), "train_converged": (0.99,), "plateau": (0.1, 0.25)}


def calibration_tables():
    return {"calibration": list(calibration()), "confusion": list(confusion()), "statistics": list(statistics())}


def calibration():
    kinds = {"met": (0.047, 0.05), "asymptotic": (0.06, 0.05), "broken": (0.9, 0.05)}
    for test, design, (assumption, (rate, level)) in itertools.product(
        ("permutation", "log-rank"), ("3 vs 3", "10 vs 10"), kinds.items()
    ):
        rate, level = (0.0, 0.0) if design == "3 vs 3" else (rate, level)
        yield {"test": test, "design": design, "condition": f"normal, {assumption}", "assumption": assumption} | {
            **{"alpha": 0.05, "repeats": 2000, "rejected": round(2000 * rate), "rate": rate, "attainable": level},
            **{"low": max(0.0, rate - 0.02), "high": min(1.0, rate + 0.02), "bound": False, "inside": rate < 0.5},
        }


def confusion():
    for scatter, true, detected in itertools.product(("ordinary", "strong"), LABELS, LABELS):
        count = 180 if true == detected else 20 if (true, detected) == ("semi_grokked", "plateau") else 0
        counted = {"runs": 200, "count": count, "rate": count / 200, "low": 0.0, "high": 1.0}
        yield {"scatter": scatter, "true": true, "detected": detected} | counted


def sensitivity(favoured):
    for values in itertools.product(*THRESHOLDS.values()):
        varied = dict(zip(THRESHOLDS, values, strict=True))
        label = "grokked" if favoured and varied["delta"] < 0.2 else "plateau"
        own = varied == {"delta": 0.1, "rho": 3.0, "train_converged": 0.99, "plateau": 0.25}
        yield varied | {"configured": own, "label": label, "alpha_0": 90.0, "alpha_1": 900.0, "delta_S": 0.15}


def statistics():
    """Two recipes compared at one size: a found difference, one that is not, and times to grok."""
    for measure, (difference, rejected) in {"peak_accuracy": (-0.05, True), "decline": (0.01, False)}.items():
        yield (
            comparison(measure)
            | {"difference": difference, "rejected": rejected, "margin": 0.03}
            | {
                **{"low": difference - 0.02, "high": difference + 0.02, "p": 0.01 if rejected else 0.6},
                "p_holm": 0.02 if rejected else 0.6,
            }
        )
    yield comparison("time") | {"p": 0.25, "p_holm": 0.25}


def comparison(measure):
    named = {"task": "camelyon17", "n": 1000, "a": "standard", "b": "grokking", "measure": measure}
    return named | {"smallest_p": 0.002, "level": 0.95, "rejected": False}
