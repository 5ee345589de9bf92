"""Rows of the intervention tables of one run, with the shapes and rough sizes of real ones."""

import itertools

import numpy as np

from causalgrok.interventions.features import STAGES

CHECKPOINTS = (0, 1, 4, 16, 64, 256, 1024, 3000)
NAMED = (16, 3000)
"""Checkpoints of the costly measurements."""
COUNTS = (0, 4, 8, 16, 32, 64, 128, 256)
REPEATS = 5
SPLITS = ("id_val", "ood_val", "ood_test")
OWN = {"id_val": (0, 3, 4), "ood_val": (1,), "ood_test": (2,)}
"""Split -> the hospitals that its images come from."""
SUBSPACES = {"logistic": 0.04, "mean_difference": 0.035, "leace": 0.03, "inlp": 0.045}
"""Method -> accuracy lost a dimension."""
SUBSPACE_CONTROLS = {"matched": 0.02, "permuted": 0.015, "permuted_mean": 0.012, "isotropic": 0.004}
"""Control -> spread of that loss between its draws."""


def at(epoch, split):
    return {"epoch": epoch, "split": split}


def scores(accuracy, auroc=None):
    return {"accuracy": accuracy, "auroc": accuracy + 0.05 if auroc is None else auroc}


def intervention_tables(random: np.random.Generator, level: float, favoured: bool) -> dict[str, list[dict]]:
    """Table -> its rows for a run with the accuracy `level`; `favoured` runs lean on the stain more."""
    return {
        "subspace": list(subspace(random, level)),
        "erasure": list(erasure(random, favoured)),
        "concentration": list(concentration(random, favoured)),
        "steering": list(steering(random, level, favoured)),
        "neurons": list(neurons(random, level, favoured)),
        "counterfactual": list(counterfactual(random, level, favoured)),
        "renormalisation": list(renormalisation(random, level)),
    }


def subspace(random, level):
    for epoch, split, strength, rank in itertools.product((0, 3000), SPLITS, (0.0, 0.25, 0.5, 0.75, 1.0), (1, 2)):
        common = at(epoch, split) | {"strength": strength, "rank": rank, "flip_fraction": 0.1 * strength * rank}
        for method, loss in SUBSPACES.items():
            kinds = {"logistic": (("raw", False), ("raw", True), ("scaled", True)), "leace": (("raw", True),)}
            kinds = kinds.get(method, (("raw", False),))
            for space, centred in kinds:
                drop = (0.5 if centred else 1) * loss * rank * strength
                named = {"method": method, "space": space, "centred": centred, "repeat": 0}
                yield common | named | scores(random.normal(level - drop, 0.01 * strength))
        for method, spread in SUBSPACE_CONTROLS.items():
            for repeat, centred in itertools.product(range(REPEATS), (False, True)):
                drop = abs(random.normal(0, spread)) * rank * strength
                named = {"method": method, "space": "raw", "centred": centred, "repeat": repeat}
                yield common | named | scores(level - drop)
    for split, rank in itertools.product(SPLITS, (4, 8)):
        moved = scores(random.normal(level - 0.03 - 0.01 * rank, 0.01))
        named = {"method": "inlp", "space": "raw", "centred": False, "rank": rank, "strength": 1.0, "repeat": 0}
        yield at(3000, split) | named | moved | {"flip_fraction": 0.2}


def erasure(random, favoured):
    left = {"none": 0.9, "logistic": 0.62, "mean_difference": 0.6, "leace": 0.42, "inlp": 0.55}
    left |= {"matched": 0.86, "permuted": 0.87, "isotropic": 0.89}
    cases = [(method, "raw", 0 if method == "none" else 2) for method in left]
    cases += [("inlp", "raw", rank) for rank in (4, 8, 16)] + [("logistic", "scaled", 2)]
    for epoch, (method, space, rank), probe in itertools.product(NAMED, cases, ("linear", "mlp")):
        control = method in SUBSPACE_CONTROLS
        for repeat in range(REPEATS if control else 1):
            hospital = left[method] - 0.02 * (rank - 2) * (method == "inlp") + 0.05 * (probe == "mlp")
            hospital -= 0.1 * (space == "scaled")
            accuracy = {"hospital": max(hospital - 0.03 * favoured, 0.36), "tumour": 0.78 - 0.006 * rank}
            for target, mean in accuracy.items():
                yield {
                    "epoch": epoch,
                    "method": method,
                    "space": space,
                    "centred": method == "leace" or space == "scaled",
                    "rank": rank,
                    "repeat": repeat,
                    "target": target,
                    "probe": probe,
                    "accuracy": random.normal(mean, 0.015),
                    "chance": 0.36 if target == "hospital" else 0.52,
                    "n_fit": 1000,
                    "n_test": 500,
                }


def concentration(random, favoured):
    ends = {"inlp_area": (0.5, 0.2), "inlp_half_rank": (3.0, 1.0), "between_participation": (1.9, 1.3)}
    ends["head_angle"] = (88.0, 60.0)
    for epoch, (measure, (start, end)) in itertools.product(CHECKPOINTS, ends.items()):
        grown = np.log1p(epoch) / np.log1p(3000) * (1 if favoured else 0.7)
        value = random.normal(start + (end - start) * grown, 0.03 * start)
        null = start * random.normal(1, 0.02)
        yield {
            "epoch": epoch,
            "measure": measure,
            "value": value,
            "low": value - 0.08 * start,
            "high": value + 0.08 * start,
            "null": np.nan if measure.startswith("inlp") else null,
        }


def steering(random, level, favoured):
    cosine = random.uniform(0.15, 0.6)
    for epoch, split in itertools.product(NAMED, SPLITS):
        for stage, alpha in itertools.product(STAGES, range(-3, 4)):
            pooled = stage == "pooled"
            common = at(epoch, split) | {"stage": stage, "alpha": float(alpha), "images": 2000 if pooled else 1000}
            response = -0.02 * alpha if favoured else -0.008 * alpha**2
            yield (
                common
                | {"direction": "hospital", "cosine": cosine, "repeat": 0}
                | moved(random, level, response, alpha, stage, 0.05 if favoured else 0.03)
            )
            if pooled:
                yield (
                    common
                    | {"direction": "bias", "cosine": cosine, "repeat": 0}
                    | moved(random, level, response, alpha, stage, 0.05)
                )
            elif abs(alpha) < 3:
                continue
            for (direction, push), repeat in itertools.product(
                {"permuted": 0.004, "matched": 0.008, "isotropic": 0.002}.items(), range(REPEATS)
            ):
                response = -0.002 * alpha**2 + random.normal(0, push) * alpha
                yield (
                    common
                    | {"direction": direction, "cosine": 0.01, "repeat": repeat}
                    | moved(random, level, response, alpha, stage, 2 * push)
                )


def moved(random, level, response, alpha, stage, flips):
    """What steering does; at the pooled stage it moves the threshold and nothing else."""
    deep = 1 - 0.1 * STAGES.index(stage)
    accuracy = random.normal(level + response, 0.004 * abs(alpha))
    auroc = level + 0.05 - (0 if stage == "pooled" else abs(response) * deep)
    return {
        "accuracy": accuracy,
        "auroc": auroc,
        "accuracy_recalibrated": level + 0.02 - (0.5 if alpha else 0) * abs(response) * (stage != "pooled"),
        "flip_fraction": abs(alpha) * abs(random.normal(flips, 0.2 * flips)) * deep,
        "logit_shift": 0.4 * alpha * flips,
    }


def neurons(random, level, favoured):
    for epoch, split, k, mode in itertools.product((0, 3000), SPLITS, COUNTS, ("zero", "mean")):
        common = at(epoch, split) | {"k": k, "mode": mode, "flip_fraction": 0.2 * k / 256}
        lost = 0.1 * k / 256 * (1 if mode == "zero" else 0.5)
        for selection in ("hospital", "hospital_f", "hospital_auroc", "tumour"):
            extra = (0.03 if favoured else 0.01) * (0 < k <= 128) + 0.02 * (selection == "tumour") * (k > 0)
            accuracy = level - lost - extra + random.normal(0, 0.01) * (k > 0)
            overlap = np.nan if k == 0 else 1.0 if selection == "tumour" else 0.3
            yield common | {"selection": selection, "repeat": 0, "tumour_overlap": overlap} | scores(accuracy)
        for selection, repeat in itertools.product(("matched", "random"), range(REPEATS)):
            # So many live channels that match are not left outside the largest set.
            if selection == "matched" and k == COUNTS[-1]:
                continue
            accuracy = level - lost * (1.2 if selection == "matched" else 0.8) + random.normal(0, 0.012) * (k > 0)
            yield common | {"selection": selection, "repeat": repeat, "tumour_overlap": 0.2} | scores(accuracy)


def counterfactual(random, level, favoured):
    for epoch, split, target, method in itertools.product(CHECKPOINTS, SPLITS, range(5), ("macenko", "reinhard")):
        images = 300
        moving = images - (images // len(OWN[split]) if target in OWN[split] else 0)
        rate = (0.05 + (0.25 if favoured else 0.15) * np.log1p(epoch) / np.log1p(3000)) * (1 + 0.2 * target) / 1.4
        accuracy = level + 0.05 * (target in OWN["id_val"]) - 0.02 * (target == 2)
        yield (
            at(epoch, split)
            | {
                "method": method,
                "target_hospital": target,
                "images": images,
                "moved": moving,
                "flip_fraction": random.normal(rate, 0.02) if moving else np.nan,
                "logit_shift": random.normal(0.1 * (target - 2), 0.05) if moving else np.nan,
                "logit_shift_sd": 0.4 if moving else np.nan,
                "margin_sd": 1.2,
            }
            | scores(random.normal(accuracy, 0.01))
        )


def renormalisation(random, level):
    for epoch, split in itertools.product(CHECKPOINTS, SPLITS):
        for statistics, gain in {"stored": 0.0, "reestimated": 0.06 if split != "id_val" else -0.01}.items():
            flips = {"statistics": statistics, "flip_fraction": 0.15 * (statistics != "stored")}
            yield at(epoch, split) | flips | scores(random.normal(level + gain, 0.01))
