"""Synthetic tables of a factorial and of critical sizes."""

import itertools

FACTORS = ("weight_decay", "init_scale", "grokfast")
TERMS = [":".join(term) for order in (1, 2, 3) for term in itertools.combinations(FACTORS, order)]
SCALES = {
    "peak_accuracy": 0.03,
    "final_accuracy": 0.03,
    "decline": 0.02,
    "weight_norm": 400,
    "effective_rank": 12,
    "inlp_area": 0.1,
    "between_participation": 0.2,
    "reliance": 0.1,
    "steering": 0.05,
    "steering_pooled": 0.05,
}


def factorial(random, settings=(("camelyon17", 300), ("camelyon17", 1000)), seeds=10):
    """Effects of noise, but for the init scale's, which is large."""
    for (task, n), (outcome, scale), term in itertools.product(settings, SCALES.items(), TERMS):
        estimate = scale * (2 * (term == "init_scale") + 0.5 * random.normal())
        found = abs(estimate) > scale
        yield {
            **{"task": task, "n": n, "outcome": outcome, "term": term, "order": term.count(":") + 1},
            **{"levels": "low to high" if ":" not in term else None, "exact": True, "seeds": seeds, "left_out": 0},
            **{"estimate": estimate, "low": estimate - scale, "high": estimate + scale},
            **{"p": 0.002 if found else 0.4, "smallest_p": 0.002, "p_holm": 0.014 if found else 1.0},
            **{"smallest_p_holm": 0.014, "rejected": found, "mean": 10 * scale},
            **{"mixed_estimate": estimate, "mixed_low": estimate - 0.8 * scale, "mixed_high": estimate + 0.8 * scale},
            "mixed_p": 0.01,
        }


def critical_sizes(tasks, recipes, sizes):
    """The last recipe crosses the threshold, the others do not."""
    for task, recipe in itertools.product(tasks, recipes):
        crossed = recipe == recipes[-1] and len(recipes) > 1
        yield {
            **{"task": task, "recipe": recipe, "split": "ood_test", "threshold": 0.9, "crossed": crossed},
            **{"verdict": "crossed" if crossed else "none", "smallest_n": sizes[0], "largest_n": sizes[-1]},
            **{"critical_n": 500.0 if crossed else float("nan"), "fitted_low": 400.0, "fitted_high": 700.0},
            **{"low": sizes[0] if crossed else sizes[-1], "high": sizes[-1] if crossed else float("inf")},
            **{"accuracy": 0.6, "accuracy_low": 0.5, "accuracy_high": 0.7, "slope": 0.01, "slope_low": -0.01},
            **{"slope_high": 0.03, "p": 0.25, "smallest_p": 0.25, "seeds": 3, "left_out": 0},
        }


CRITERIA = ("weight_norm", "effective_rank", "margin", "norm_and_rank", "validation_settled", "validation")


def stopping(random, recipe):
    """A run of the recipe grokking generalises late; the usual early stopping does not wait for it."""
    late = recipe != "standard"
    for criterion in CRITERIA:
        missed = late and criterion == "validation"
        compute = 0.1 if missed or not late else random.uniform(0.5, 1)
        regret = 0.3 if missed else random.uniform(0, 0.02)
        yield {
            **{"criterion": criterion, "stopped": compute < 1, "stop_epoch": 3000 * compute},
            **{"kept_epoch": 3000 * compute, "compute": compute, "split": "ood_test", "accuracy": 0.9 - regret},
            **{"best_accuracy": 0.9, "regret": regret, "needed": 0.4 if late else 0.05},
            "late_gain": 0.3 if late else 0.01,
        }
