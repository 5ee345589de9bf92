"""Somebody's own features: can the hospital be read off them, and does the classifier need what tells hospitals apart?

Arrays in, data frames out; no pipeline, no network, no files. Run as ``python examples/own_features.py``. `made_up`
stands for features of your own, whose classifier reads the label and leans on the hospital.
"""

import numpy as np
import pandas as pd

from causalgrok.interventions.ablation import ablate_features
from causalgrok.interventions.erasers import leace_eraser
from causalgrok.interventions.erasure import measure_erasure
from causalgrok.interventions.features import Features
from causalgrok.interventions.settings import Measurement


def made_up(hospitals: list[int], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Features (n, 32) of 8 slides a hospital: channel 0 holds the label, channels 1 and 2 the hospital."""
    domains, slides = np.repeat(hospitals, 8 * 30), np.tile(np.repeat(np.arange(8), 30), len(hospitals))
    labels, values = rng.integers(0, 2, len(domains)), rng.standard_normal((len(domains), 32))
    values[:, 0] += 3 * labels
    values[:, 1:3] += np.array([[-3, 0], [3, 0], [0, 3], [4, 1]])[domains]
    return {"pooled": values, "labels": labels, "domains": domains, "groups": slides}


def examine(probe: dict, test: dict, weight: np.ndarray, bias: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is left of hospital and label after each removal, and what the removal costs the classifier.

    Args:
        probe: features pooled (n, d), labels, domains (hospitals) and groups (slides) (n,) to fit probes on.
        test: the same of other hospitals, on which the classifier is judged.
        weight: (classes, d) of the linear classifier.
        bias: (classes,).
    """
    arrays = {"epochs": np.array([0]), "0/head.weight": weight, "0/head.bias": bias}
    for split, given in (("probe", probe), ("ood_test", test)):
        arrays |= {f"0/{split}/pooled": given["pooled"]}
        arrays |= {f"{split}/{name}": given[name] for name in ("labels", "domains", "groups")}
    features, settings = Features.of(arrays.__getitem__, arrays), Measurement()
    left = measure_erasure(features, {"final": 0}, settings)
    cost = ablate_features(features, settings, ("subspace",))["subspace"]
    return left, cost


def main() -> None:
    """Examine made-up features, and take the hospital out of some with LEACE."""
    rng = np.random.default_rng(0)
    probe, test = made_up([0, 1, 2], rng), made_up([3], rng)
    weight, bias = np.zeros((2, 32)), np.array([1.5, 0.0])
    weight[1, :2] = 1.0, 0.5
    left, cost = examine(probe, test, weight, bias)
    linear = left[left["probe"] == "linear"]
    print("Accuracy of a fresh probe on other slides, after the removal:")
    print(linear.pivot_table("accuracy", ["method", "rank"], "target").round(2))
    whole = cost[
        (cost["strength"] == 1) & (cost["rank"] == 2) & (~cost["centred"] | cost["method"].str.endswith("leace"))
    ]
    print("\nAccuracy of the classifier at the unseen hospital, after the removal:")
    print(whole.groupby("method")["accuracy"].describe()[["count", "mean", "min", "max"]].round(2))
    erased = leace_eraser(probe["pooled"], probe["domains"]).erase(probe["pooled"])
    means = [erased[probe["domains"] == hospital].mean(axis=0) for hospital in (0, 1, 2)]
    print(f"\nAfter LEACE the hospitals' means differ by {np.ptp(means, axis=0).max():.0e} at most.")


if __name__ == "__main__":
    main()
