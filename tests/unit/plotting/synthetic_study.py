"""Synthetic study tables with the shapes and rough sizes of real ones."""

import itertools

import numpy as np
import pandas as pd
from synthetic_calibration import calibration_tables, sensitivity
from synthetic_designs import critical_sizes, factorial, stopping
from synthetic_interventions import CHECKPOINTS, at, intervention_tables, scores
from synthetic_verdicts import planted_tables, reliance, verdicts

from causalgrok.analysis.arms import summarise_arms
from causalgrok.analysis.dynamics import DETECTED
from causalgrok.analysis.mechanism import summarise_mechanism
from causalgrok.analysis.settings import DetectorSettings, Judgement
from causalgrok.columns import COLUMNS, RUN
from causalgrok.interventions.features import STAGES

TABLES = (
    *("metrics", "dynamics", "geometry", "outcomes", "sensitivity", "checkpoints", "probing", "subspace", "steering"),
    *("neurons", "counterfactual", "renormalisation", "erasure", "concentration", "verdicts", "stopping"),
    *("ungrokking", "slides", "decline", "shift", "composition"),
)
"""The tables whose rows are of a run."""


def study_tables(
    recipes=("standard", "grokking"), seeds=(0, 1, 2), sizes=(1000,), tasks=("camelyon17",), evaluations=CHECKPOINTS
) -> dict[str, pd.DataFrame]:
    """Every table of a study; the same arguments give the same numbers."""
    random = np.random.default_rng(0)
    rows = {table: [] for table in TABLES}
    for run in itertools.product(tasks, recipes, sizes, seeds):
        for table, of_run in run_tables(random, run[1], run[2], evaluations).items():
            rows[table] += [dict(zip(RUN, run, strict=True)) | row for row in of_run]
    tables = {table: pd.DataFrame(content)[list(RUN | COLUMNS[table])] for table, content in rows.items()}
    # What is said about many runs has no column that names one.
    many = {"reliance": list(reliance(random, len(tables["outcomes"]))), "factorial": list(factorial(random))}
    many |= {"reported": list(reported(tasks, recipes, sizes))}
    many |= {"critical_size": list(critical_sizes(tasks, recipes, sizes))} | planted_tables() | calibration_tables()
    tables |= {table: pd.DataFrame(content, columns=list(COLUMNS[table])) for table, content in many.items()}
    pairs = itertools.product(tasks, recipes)
    judgements = dict.fromkeys(tasks, Judgement(0.5, DetectorSettings()))
    return tables | {
        "arms": summarise_arms(tables["outcomes"], tables["metrics"], tables["dynamics"], judgements),
        "mechanism": summarise_mechanism(tables["dynamics"], tables["metrics"], list(map(settings, pairs))),
    }


def settings(pair: tuple[str, str]) -> dict[str, object]:
    """The settings of a task's recipe, as `summarise_mechanism` takes them."""
    named = dict(zip(("task", "recipe"), pair, strict=True)) | {"normalisation": "batch", "betas": [0.9, 0.999]}
    if pair[1] == "standard":
        return named | {"learning_rate": 1e-3, "weight_decay": 1e-4, "grokfast": None}
    return named | {"learning_rate": 1e-3, "weight_decay": 5e-3, "grokfast": {"decay": 0.98, "amplification": 2.0}}


def run_tables(random: np.random.Generator, recipe: str, n: int, evaluations) -> dict[str, list[dict]]:
    favoured = recipe != "standard"
    level = random.normal(0.6 + 0.03 * np.log10(n / 100), 0.02)
    metrics, dynamics, geometry = [], [], []
    for epoch in evaluations:
        step = epoch * -(-n // 32)
        grown = np.log1p(epoch) / np.log1p(3000)
        rise = 0.12 * np.exp(-((np.log1p(epoch) - 3.5) ** 2) / 3) - 0.06 * grown
        centre = {"train": 1 - 0.45 * np.exp(-epoch / 12), "id_val": level + 0.2 * grown, "ood_val": level + 0.8 * rise}
        centre["ood_test"] = level + rise
        for split, mean in centre.items():
            accuracy = mean if split == "train" else np.clip(random.normal(mean, 0.015), 0, 1)
            zero = 0.5 * grown if split == "train" else np.nan
            # A split with one class has no AUROC.
            auroc = np.nan if epoch == 0 else min(1, accuracy + 0.05)
            metrics.append(
                scores(accuracy, auroc) | {"loss": 1 - accuracy, "zero_loss_fraction": zero} | at(epoch, split)
            )
            metrics[-1] |= {"step": step, "margin": 20 * grown * (2 * mean - 1), "logit_scale": 12 * grown}
        start, end = (356, 1500 + 60 * random.normal()) if favoured else (112, 800 + 20 * random.normal())
        norms = {"convolution": start + (end - start) * grown**3, "normalisation": 70 + 30 * grown}
        norms["head"] = 1.0 + (40 if favoured else 20) * grown**2 * random.normal(1, 0.05)
        norms["total"] = np.sqrt(sum(norm**2 for norm in norms.values()))
        dynamics += [
            {
                "epoch": epoch,
                "step": step,
                "group": group,
                "scale_invariant": group == "convolution",
                "parameters": 1000,
                "weight_norm": norm,
                "summed_norm": 1.5 * norm,
                "angle_per_step": np.nan if epoch == 0 else 0.1 / norm,
                "gradient_growth": np.nan if epoch == 0 else 0.1 * (group == "head"),
                "grokfast_alignment": 0.3 if favoured and epoch else np.nan,
                "grokfast_growth": 0.2 * (group == "head") if favoured and epoch else np.nan,
            }
            for group, norm in norms.items()
        ]
    for epoch in CHECKPOINTS:
        rank = (110 if favoured else 90) - 60 * np.log1p(epoch) / np.log1p(3000)
        for split in centre:
            geometry.append(
                at(epoch, split) | {"effective_rank": rank + random.normal(0, 3), "participation_ratio": rank / 3}
            )
            geometry[-1]["feature_norm"] = 20.0
    tested = [(row["epoch"], row["accuracy"]) for row in metrics if row["split"] == "ood_test"]
    peak_epoch, peak = max(tested, key=lambda item: item[1])
    outcomes = {
        "split": "ood_test",
        "memorised_epoch": 16,
        "peak_epoch": peak_epoch,
        "peak_accuracy": peak,
        "final_accuracy": tested[-1][1],
    }
    outcomes |= {"early_accuracy": peak - 0.02, "late_accuracy": tested[-1][1], "decline": 0.05, "decline_auroc": 0.04}
    outcomes |= dict.fromkeys(DETECTED, np.nan) | {"label": "plateau", "censored": True}
    outcomes |= dict.fromkeys(("selected_epoch", "selected_accuracy", "decline_selected"), np.nan)
    outcomes |= {"memorised_share": 1.0, "final_accuracy_ood_val": tested[-1][1] + 0.1, "decline_ood_val": 0.03}
    return {
        "metrics": metrics,
        "dynamics": dynamics,
        "geometry": geometry,
        "outcomes": [outcomes],
        "probing": list(probing(random, favoured)),
        "checkpoints": [
            {"name": name, "epoch": epoch}
            for name, epoch in {"init": 0, "memorised": 16, "selected": 64, "final": 3000}.items()
        ],
        "slides": list(slides(random)),
        "decline": list(decline(random)),
        "sensitivity": list(sensitivity(favoured)),
        "ungrokking": [ungrokking(random, recipe, n)],
        "shift": [{"groups": 4, "unseen_groups": 1, "unseen_share": 0.25, "total_variation": 0.3}],
        "composition": [
            {"group": 1 << place, "label": place // 2, "train": n // 3 if place else 0, "test": 50}
            for place in range(4)
        ],
        "verdicts": list(verdicts(random, favoured)),
        "stopping": list(stopping(random, recipe)),
        **intervention_tables(random, level, favoured),
    }


def reported(tasks, recipes, sizes):
    """Three published figures a task, found again, missed, and of a step that no run has got to."""
    for (task, recipe, n), (step, verdict) in itertools.product(
        itertools.product(tasks, recipes, sizes), ((640, "within"), (4800, "outside"), (10**6, "not_reached"))
    ):
        for quantity, figure in (("train_accuracy", 1.0), ("test_accuracy", 0.7), ("summed_norm", 1800.0)):
            row = {"source": "s3", "step": step, "quantity": quantity, "reported": figure, "tolerance": 0.02}
            ours = {"mean": figure, "low": np.nan, "high": np.nan, "difference": 0.0}
            yield row | ours | {"task": task, "recipe": recipe, "n": n, "runs": 3, "verdict": verdict}


def ungrokking(random, recipe: str, n: int) -> dict:
    """What became of one run that a grokked one of 2,000 examples was continued to."""
    end = 0.2 + n / 2000 + random.normal(0, 0.02)
    row = {"parent_task": "camelyon17", "parent_recipe": recipe, "parent_n": 2000, "parent_label": "grokked"}
    row |= {"exposure": 5.0, "start_accuracy": 1.0, "end_accuracy": end, "end_error": 0.01, "drift": 0.0}
    return row | {"lowest_accuracy": end, "train_end": 0.99, "fall": 1 - end, "share_kept": end, "label": "ungrokked"}


def slides(random):
    for epoch, split, slide in itertools.product(CHECKPOINTS, ("id_val", "ood_val", "ood_test"), range(10)):
        yield at(epoch, split) | {"hospital": 2, "slide": slide, "images": 20, "accuracy": random.uniform(0.5, 0.9)}


def decline(random):
    for hospital, split in ((1, "ood_val"), (2, "ood_test"), (0, "id_val")):
        fall, reach = random.normal(0.02, 0.02), random.uniform(0.01, 0.04)
        where = {"split": split, "hospital": hospital, "slides": 10, "first_epoch": 16, "last_epoch": 3000}
        yield where | {"early": 0.7, "late": 0.7 - fall, "decline": fall, "low": fall - reach, "high": fall + reach}


def probing(random, favoured):
    for epoch, (depth, stage) in itertools.product(CHECKPOINTS, enumerate(STAGES)):
        grown = np.log1p(epoch) / np.log1p(3000)
        accuracy = {
            ("hospital", "none"): 0.9 - 0.05 * depth * grown * (1.5 if favoured else 1),
            ("tumour", "none"): 0.65 + 0.03 * depth * grown,
            ("hospital", "permuted"): 0.36,
        }
        for (target, control), mean in accuracy.items():
            yield {
                "epoch": epoch,
                "stage": stage,
                "target": target,
                "control": control,
                "repeat": 0,
                "accuracy": random.normal(mean, 0.02),
                "chance": 0.37 if target == "hospital" else 0.5,
                "C": 0.1,
                "n_fit": 1000,
                "n_test": 500,
            }
