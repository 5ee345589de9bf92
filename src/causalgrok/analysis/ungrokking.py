"""Ungrokking: does a network that has grokked fall back when it is trained further on fewer examples?

Varma et al. predict that it does where the examples are fewer than a critical number, and that the test accuracy it
ends at does not depend on weight decay: decay favours the solution of smaller norm, and both solutions' norms shrink
alike. The word belongs to this protocol alone; a curve from scratch that peaks and falls is a peak-then-decline.

A continued run is judged by its final plateau, as the grokking detector cuts it: ungrokked if test accuracy has fallen
by `fall` and by more than 2 standard errors of the plateau's mean while the run still fits its own examples. Ends under
two recipes are compared within a training set, paired by seed: an exact permutation test, with Holm's correction over
all contrasts of the study, and two one-sided t tests against a margin: a difference that was not found is not yet none.

Varma, Shah, Kenton, Kramar, Kumar: Explaining grokking through circuit efficiency (2023), arXiv 2309.02390
"""

import itertools
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from causalgrok.analysis.detector import detect, mean_error, plateau_start
from causalgrok.analysis.dynamics import judged_split
from causalgrok.analysis.settings import Judgement, UngrokkingSettings
from causalgrok.analysis.statistics.equivalence import equivalence_test
from causalgrok.analysis.statistics.families import holm
from causalgrok.analysis.statistics.intervals import difference_interval
from causalgrok.analysis.statistics.permutation import permutation_test
from causalgrok.columns import COLUMNS, RUN

ALPHA = 0.05
"""Level of the contrasts' verdicts."""

_DECIDED = ("p_holm", "smallest_p_holm", "verdict")
_MEASURED = [column for column in COLUMNS["ungrokking_contrasts"] if column not in _DECIDED]


def judge_continued(
    metrics: pd.DataFrame,
    continued: Iterable[dict],
    settings: UngrokkingSettings,
    judgements: Mapping[str, Judgement],
) -> pd.DataFrame:
    """One row of the table `ungrokking` for each continued run.

    Args:
        metrics: a study's table `metrics`, with the continued runs and those they continue.
        continued: of each continued run `run` and `parent` as (task, recipe, n, seed), and `decay`, learning rate *
            weight decay.
        settings: what a fall is.
        judgements: task -> chance, whether a run grokked, and what a final plateau is.
    """
    runs = dict(iter(metrics.groupby(list(RUN), sort=False)))
    rows = []
    for one in continued:
        row = dict(zip(RUN, one["run"], strict=True))
        row |= dict(zip((f"parent_{name}" for name in RUN), one["parent"], strict=True))
        row["parent_label"] = _grokked(runs[tuple(one["parent"])], judgements[one["parent"][0]])
        judgement = judgements[one["run"][0]]
        row["exposure"] = one["decay"] * runs[tuple(one["run"])]["step"].max()
        rows.append(row | _ending(runs[tuple(one["run"])], row["parent_label"], settings, judgement))
    return pd.DataFrame(rows, columns=[*RUN, *COLUMNS["ungrokking"]])


def contrast_recipes(ungrokking: pd.DataFrame, settings: UngrokkingSettings) -> pd.DataFrame:
    """The table `ungrokking_contrasts`: where runs end under two recipes, for every pair of them in a training set.

    Args:
        ungrokking: that table; runs whose parent had not grokked are left out.
        settings: the margin.
    """
    rows = []
    applies = ungrokking[ungrokking["label"] != "not_grokked"]
    for (task, n), runs in applies.groupby(["task", "n"], sort=False):
        for recipes in itertools.combinations(runs["recipe"].unique(), 2):
            ends = runs.pivot(index="seed", columns="recipe", values="end_accuracy")[list(recipes)].dropna()
            if len(ends):
                names = dict(zip(("recipe_a", "recipe_b"), recipes, strict=True))
                rows.append({"task": task, "n": n} | names | _contrast(*ends.to_numpy().T, settings.margin))
    table = holm(pd.DataFrame(rows, columns=_MEASURED).assign(family="ungrokking"), alpha=ALPHA)
    table["verdict"] = "inconclusive"
    table.loc[table["rejected"], "verdict"] = "different"
    table.loc[table["p_equivalence"] <= ALPHA, "verdict"] = "equivalent"
    return table[list(COLUMNS["ungrokking_contrasts"])]


def _grokked(evaluations: pd.DataFrame, judgement: Judgement) -> str:
    """What became of a run that is continued."""
    train, test = _curve(evaluations, "train"), _curve(evaluations, judged_split(evaluations))
    if train.isna().any() or test.isna().any():
        return "diverged"
    return detect(test.index, train, test, judgement.chance, judgement.detector).label


def _ending(
    evaluations: pd.DataFrame, parent_label: str, settings: UngrokkingSettings, judgement: Judgement
) -> dict[str, object]:
    chance, detector = judgement.chance, judgement.detector
    train, test = _curve(evaluations, "train"), _curve(evaluations, judged_split(evaluations))
    first = plateau_start(test.index.to_numpy(), detector)
    plateau = test.to_numpy()[first:]
    start, end, error = test.iloc[0], plateau.mean(), mean_error(plateau)
    train_end, fall = train.iloc[first:].mean(), test.iloc[0] - plateau.mean()
    half = len(plateau) // 2
    if parent_label != "grokked":
        label = "not_grokked"
    elif not train_end >= detector.train_converged:  # a diverged network has none
        label = "collapsed"
    else:
        label = "ungrokked" if fall - 2 * error >= settings.fall else "kept"
    return {
        "start_accuracy": start,
        "end_accuracy": end,
        "end_error": error,
        "drift": plateau[half:].mean() - plateau[:half].mean(),
        "lowest_accuracy": test.min(),
        "train_end": train_end,
        "fall": fall,
        "share_kept": (end - chance) / (start - chance) if start > chance else np.nan,
        "label": label,
    }


def _contrast(a: np.ndarray, b: np.ndarray, margin: float) -> dict[str, object]:
    test = permutation_test(a, b, paired=True)
    interval = difference_interval(a, b, paired=True)
    equivalence = equivalence_test(a, b, margin=margin, paired=True, alpha=ALPHA) if len(a) > 1 else None
    return {
        "pairs": len(a),
        "end_a": a.mean(),
        "end_b": b.mean(),
        "difference": test.estimate,
        "low": interval.low,
        "high": interval.high,
        "p": test.p,
        "smallest_p": test.smallest_p,
        "p_equivalence": equivalence.p if equivalence else np.nan,
        "margin": margin,
    }


def _curve(evaluations: pd.DataFrame, split: str) -> pd.Series:
    """Accuracy by ascending step on a split."""
    return evaluations[evaluations["split"] == split].set_index("step")["accuracy"].sort_index()
