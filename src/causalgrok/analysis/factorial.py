"""The table `factorial`: what each setting of a 2^k design does to every outcome of the study's runs.

For each task, n and outcome, main effects and interactions come from `statistics.factorial`: the exact paired test and
the mixed model beside it. Holm's correction runs over the terms of one task, n and outcome, 2^k - 1 tests: the outcomes
are questions of their own, named beforehand. A seed that lacks the outcome in any of its 2^k runs is left out, and
counted. A run whose last evaluation is not finite has diverged and has no outcome at all.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from causalgrok.analysis.reliance import counterfactual_reliance
from causalgrok.analysis.statistics.factorial import factorial_effects, terms_of
from causalgrok.analysis.statistics.families import holm
from causalgrok.columns import COLUMNS, RUN

_RUN = list(RUN)
_POOLED = ("layer4", "pooled")
"""Stages behind which the network is linear: steering one is steering the other."""


def estimate_factorial(
    tables: Mapping[str, pd.DataFrame],
    *,
    levels: Mapping[str, tuple[str, str]],
    recipes: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Every effect on every outcome that the tables of a study hold.

    Args:
        tables: study tables by name: `outcomes`, and those of `FACTORIAL_INPUTS` that the study has.
        levels: factor -> its low and high setting in words.
        recipes: recipe -> the factors that are high in it; runs of other recipes are not looked at.

    Returns:
        The columns of the table `factorial`. Where no seed is complete, the effects are missing.
    """
    runs = run_outcomes(tables)
    runs = runs[runs["recipe"].isin(list(recipes))]
    coded = {factor: runs["recipe"].map(lambda recipe, factor=factor: factor in recipes[recipe]) for factor in levels}
    runs = runs.assign(**coded)
    frames = [
        _effects(part, levels, outcome).assign(task=task, n=n, outcome=outcome)
        for (task, n), part in runs.groupby(["task", "n"], sort=False)
        for outcome in runs.columns.difference([*_RUN, *levels], sort=False)
    ]
    effects = pd.concat(frames, ignore_index=True)
    settings = {factor: f"{low} to {high}" for factor, (low, high) in levels.items()}
    effects = effects.assign(
        levels=effects["term"].map(settings), family=effects.groupby(["task", "n", "outcome"]).ngroup()
    )
    return holm(effects)[list(COLUMNS["factorial"])]


def run_outcomes(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The outcomes of every run: the columns of `RUN` and one for each outcome that the tables hold.

    NaN where a run has none; all of them where it has diverged.
    """
    runs = tables["outcomes"].set_index(_RUN)[["peak_accuracy", "final_accuracy", "decline"]]
    for table, measures in _MEASURES.items():
        if table in tables:
            runs = runs.join(measures(tables[table]))
    return runs.where(np.isfinite(runs["final_accuracy"])).reset_index()


def _effects(runs: pd.DataFrame, levels: Mapping[str, tuple[str, str]], outcome: str) -> pd.DataFrame:
    """The effects on one outcome over the seeds that have it in every cell."""
    finite = runs[np.isfinite(runs[outcome])]
    complete = finite.groupby("seed")["seed"].transform("size") == 2 ** len(levels)
    kept = finite[complete]
    seeds = kept["seed"].nunique()
    counted = {"seeds": seeds, "left_out": runs["seed"].nunique() - seeds, "mean": kept[outcome].mean()}
    if not seeds:
        empty = dict.fromkeys(COLUMNS["factorial"], np.nan) | {"exact": False}
        return pd.DataFrame([empty | {"term": term, "order": order} | counted for term, order in terms_of(levels)])
    return factorial_effects(kept, dict.fromkeys(levels, (False, True)), outcome).assign(**counted)


def _last(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of every run's last epoch."""
    return table[table["epoch"] == table.groupby(_RUN)["epoch"].transform("max")]


def _weight_norm(dynamics: pd.DataFrame) -> pd.DataFrame:
    last = _last(dynamics)
    return last[last["group"] == "total"].set_index(_RUN)[["weight_norm"]]


def _effective_rank(geometry: pd.DataFrame) -> pd.DataFrame:
    """On id_val, which stands for the training hospitals; on the test set of a task without hospitals."""
    last = _last(geometry)
    seen = "id_val" if "id_val" in set(last["split"]) else "test"
    return last[last["split"] == seen].set_index(_RUN)[["effective_rank"]]


def _concentration(concentration: pd.DataFrame) -> pd.DataFrame:
    values = _last(concentration).set_index([*_RUN, "measure"])["value"].unstack("measure")
    return values.reindex(columns=["inlp_area", "between_participation"])


def _reliance(counterfactual: pd.DataFrame) -> pd.DataFrame:
    final = counterfactual.groupby(_RUN, as_index=False)["epoch"].max().assign(name="final")
    return counterfactual_reliance(counterfactual, final).set_index(_RUN)[["reliance"]]


def _steering(steering: pd.DataFrame) -> pd.DataFrame:
    """Flip fraction at the largest |alpha| along the hospital direction minus the mean of its permuted controls."""
    steering = _last(steering[steering["split"] == "ood_test"])
    largest = steering["alpha"].abs() == steering["alpha"].abs().groupby(steering["stage"]).transform("max")
    flips = steering[largest].groupby([*_RUN, "stage", "direction"])["flip_fraction"].mean().unstack("direction")
    excess = (flips["hospital"] - flips["permuted"]).unstack("stage")
    before = excess.columns.difference(_POOLED)
    return pd.DataFrame({"steering": excess[before].mean(axis=1), "steering_pooled": excess["pooled"]})


_MEASURES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "dynamics": _weight_norm,
    "geometry": _effective_rank,
    "concentration": _concentration,
    "counterfactual": _reliance,
    "steering": _steering,
}
"""Table -> its outcomes of every run, indexed by run."""
