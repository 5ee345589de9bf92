"""Which probes measure how much a network relies on stain? Their values against the counterfactual, over runs.

Reliance is measured, not inferred: the fraction of decisions that change when the same tissue is shown in another
hospital's stain. A probe that measures it ranks the runs of a study as reliance does; agreement is Spearman's rho over
runs at a named checkpoint. At init there is nothing to rely on yet. Runs of all tasks, recipes and sizes of the study
are ranked together, so that rho may stem from differences between recipes as well as within them.
"""

from collections.abc import Iterator
from math import factorial

import numpy as np
import pandas as pd

from causalgrok.analysis.statistics.ranks import mean_ranks
from causalgrok.columns import COLUMNS, RUN

METHODS = ("rendered", "macenko", "reinhard")
"""Ways to show tissue as another hospital's, the truest first: a run's reliance is measured by the first it has."""

OOD = ("ood_val", "ood_test")
"""The splits over which reliance is averaged."""

_PROBED = "ood_test"
_FEWEST_RUNS = 4
_EXACT_RUNS = 7
_DRAWS = 9_999
_BOOTSTRAPS = 2_000
_SEED = 0

_POINT = [*RUN, "checkpoint"]


def counterfactual_reliance(counterfactual: pd.DataFrame, checkpoints: pd.DataFrame) -> pd.DataFrame:
    """How much each run relies on stain at its named checkpoints.

    Args:
        counterfactual: the study table.
        checkpoints: the study table of named checkpoints.

    Returns:
        The columns of `RUN`, checkpoint, `reliance` (flip fraction) and `margin_share` (|mean logit shift| in standard
        deviations of the unchanged margin; NaN where that does not vary), both means over OOD splits and the target
        hospitals to which images were moved.
    """
    named = checkpoints.rename(columns={"name": "checkpoint"})
    moved = counterfactual[(counterfactual["moved"] > 0) & counterfactual["split"].isin(OOD)]
    moved = moved.merge(named, on=[*RUN, "epoch"])
    order = moved["method"].map({method: place for place, method in enumerate(METHODS)})
    moved = moved[order == order.groupby([moved[key] for key in RUN]).transform("min")]
    share = moved["logit_shift"].abs() / moved["margin_sd"].where(moved["margin_sd"] > 0)
    measures = moved.assign(reliance=moved["flip_fraction"], margin_share=share).groupby(_POINT, sort=False)
    return measures[["reliance", "margin_share"]].mean().reset_index()


def correlate_reliance(
    verdicts: pd.DataFrame,
    probing: pd.DataFrame,
    counterfactual: pd.DataFrame,
    checkpoints: pd.DataFrame,
    concentration: pd.DataFrame,
) -> pd.DataFrame:
    """Correlate the probes' values with counterfactual reliance over the runs of a study.

    The probes, all on OOD test: steering, the flip fraction at every stage; subspace, every measure of every method;
    neurons, every measure of zeroing the source's selection at the largest k up to half the largest there is; probing,
    the accuracy with which hospital is decoded from pooled features; concentration, the area under the INLP curve and
    the angle between hospital subspace and head.

    Args:
        verdicts: the study table.
        probing: the study table.
        counterfactual: the study table.
        checkpoints: the study table of named checkpoints; init is left out.
        concentration: the study table.

    Returns:
        The columns of the table `reliance`, a row for each checkpoint, probe and measure that at least 4 runs have.
        The interval is a percentile bootstrap over runs, the p-value that of the permutations of the runs: exact for
        up to 7 runs, otherwise from 9,999 draws. They are missing where all runs have the same reliance or value, the
        interval also where all draws give the same rho.
    """
    reliance = counterfactual_reliance(counterfactual, checkpoints)[[*_POINT, "reliance"]]
    named = checkpoints.rename(columns={"name": "checkpoint"})
    values = pd.concat([*_judged(verdicts), _decoded(probing, named), _concentrated(concentration, named)])
    values = values[values["checkpoint"] != "init"].merge(reliance, on=_POINT)
    values = values.dropna(subset=["value", "reliance"])
    rows = []
    for (checkpoint, probe, measure), runs in values.groupby(["checkpoint", "probe", "measure"], sort=False):
        if len(runs) >= _FEWEST_RUNS:
            agreement = rank_agreement(runs["reliance"].to_numpy(float), runs["value"].to_numpy(float))
            rows.append({"checkpoint": checkpoint, "probe": probe, "measure": measure, "runs": len(runs)} | agreement)
    return pd.DataFrame(rows, columns=list(COLUMNS["reliance"]))


def rank_agreement(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Spearman's rho of two measures (n,) of n runs with its interval and p-value, as `correlate_reliance` says.

    Returns:
        rho, low, high, p, smallest_p.
    """
    runs = len(first)
    exact = runs <= _EXACT_RUNS
    orders = factorial(runs) if exact else _DRAWS + 1
    agreement = dict.fromkeys(("rho", "low", "high", "p"), np.nan) | {"smallest_p": min(2 / orders, 1.0)}
    rho = _spearman(first, second)
    if np.isnan(rho):
        return agreement
    from scipy.stats import permutation_test  # half a second, which only agreement needs

    permuted = permutation_test(
        (first,),
        lambda shuffled, axis: _spearman(shuffled, second),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=np.inf if exact else _DRAWS,
        rng=np.random.default_rng(_SEED),
    )
    low, high = _interval(first, second)
    return agreement | {"rho": float(rho), "low": low, "high": high, "p": float(permuted.pvalue)}


def _interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap interval of rho over runs."""
    runs = np.random.default_rng(_SEED).integers(len(first), size=(_BOOTSTRAPS, len(first)))
    draws = _spearman(first[runs], second[runs])
    draws = draws[~np.isnan(draws)]  # one run over and over has no rho
    if np.ptp(draws) < 1e-12:
        return np.nan, np.nan
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman correlation along the last axis, ties sharing their mean rank; NaN where one is constant."""
    mean = (first.shape[-1] + 1) / 2
    first, second = mean_ranks(first) - mean, mean_ranks(second) - mean
    norm = np.sqrt(np.sum(first**2, axis=-1) * np.sum(second**2, axis=-1))
    return np.sum(first * second, axis=-1) / np.where(norm > 0, norm, np.nan)


def _judged(verdicts: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The values on OOD test of the probes that have verdicts, whatever they were compared with."""
    case = [*_POINT, "probe", "stage", "target", "size", "measure"]
    values = verdicts[verdicts["split"] == _PROBED].drop_duplicates(case)
    probe, target = values["probe"], values["target"]
    steering = values[(probe == "steering") & (values["measure"] == "flip_fraction")]
    yield _named(steering, "steering, " + steering["stage"])
    subspace = values[probe == "subspace"]
    yield _named(subspace, "subspace, " + subspace["target"])
    for mode, name in {"zero": "hospital", "shrunken": "shrunken"}.items():
        neurons = values[(probe == "neurons") & (target == f"hospital, {mode}")]
        if sizes := sorted(neurons["size"].unique()):
            k = max((size for size in sizes if size <= sizes[-1] / 2), default=sizes[0])
            yield _named(neurons[neurons["size"] == k], f"neurons, {name}, K = {k:g}")


def _decoded(probing: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    """How well hospital is decoded from pooled features."""
    pooled = (probing["stage"] == "pooled") & (probing["target"] == "hospital") & (probing["control"] == "none")
    probes = probing[pooled].merge(named, on=[*RUN, "epoch"])
    return _named(probes.assign(measure="accuracy", value=probes["accuracy"]), "probing, hospital")


def _concentrated(concentration: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    """How concentrated the shortcut is."""
    rows = concentration[concentration["measure"].isin(("inlp_area", "head_angle"))]
    return _named(rows.merge(named, on=[*RUN, "epoch"]), "concentration")


def _named(values: pd.DataFrame, probe: str | pd.Series) -> pd.DataFrame:
    return values[[*_POINT, "measure", "value"]].assign(probe=probe)
