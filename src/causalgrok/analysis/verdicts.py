"""Does a probe find more than its controls do? Effects of interventions as percentiles of their controls' effects.

An effect means nothing by itself: taking anything out of a network changes decisions. So the value of what was derived
from hospitals is ranked among the same value of m controls, which leaves

    percentile = (number of controls below + half the number of ties) / m
    p          = (1 + number of controls at or above) / (1 + m), never below smallest_p = 1 / (1 + m)

Both look at the upper tail: more decisions flipped, more accuracy or AUROC lost, a more monotone answer than under
controls. Decisive are controls that are permuted by slide or matched in covariance or variance; isotropic and random
ones are beaten where hospitals have no effect at all, and are only shown. Looked at are the named checkpoints alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from causalgrok.analysis.statistics.ranks import mean_ranks
from causalgrok.columns import COLUMNS, RUN
from causalgrok.interventions.neurons import SUFFIXES
from causalgrok.interventions.steering import UNDEFINED_COSINE

MONOTONE = 0.95
"""|Spearman(alpha, accuracy)| from which an answer to steering counts as monotone."""

DECISIVE = ("permuted", "matched")
"""The controls that decide."""

_STEERING = {"hospital": {control: control for control in ("permuted", "matched", "isotropic")}}

_OWN_WAY = {"logistic": "uncentred", "inlp": "uncentred", "shrunken_mean": "uncentred", "leace": "centred"}
_REFITTED = {"logistic": "permuted", "inlp": "permuted", "shrunken_mean": "permuted_mean", "leace": "permuted_leace"}
_SUBSPACE = {
    method: {
        control: f"{source}, {way}"
        for control, source in {"permuted": _REFITTED[method], "matched": "matched", "isotropic": "isotropic"}.items()
    }
    for method, way in _OWN_WAY.items()
}

_NEURONS = {
    f"{selection}, {mode}": {
        control: f"{source}, {mode}"
        for control, source in {
            "permuted": f"permuted{suffix}",
            "matched": f"matched{suffix}",
            "random": "random",
        }.items()
        if mode != "shrunken" or control == "permuted"
    }
    for selection, suffix in SUFFIXES.items()
    for mode in ("zero", "mean", "shrunken")
}
"""Shrunken channels have their refits for a control alone: others have no hospital's share of their own."""

_DAMAGE = ("flip_fraction", "accuracy_drop", "auroc_drop")

_CASE = (*RUN, "epoch", "checkpoint", "stage", "size", "split")
"""What a target and its controls have in common."""


class Verdict(NamedTuple):
    """Where a value stands among its controls."""

    percentile: np.ndarray
    """Fraction of the controls below the value, ties counted half; NaN without a value or a control."""

    p: np.ndarray
    """(1 + controls at or above the value) / (1 + controls); NaN without a value."""

    smallest_p: np.ndarray
    """1 / (1 + controls)."""


def verdict_of(value: np.ndarray | float, controls: np.ndarray | Sequence[float]) -> Verdict:
    """Rank values (...) among their controls (..., m); NaN stands for a control that there is not.

    Numbers that agree to twelve decimals are ties: fractions and AUROCs are discrete, and differences of them rounded.
    """
    value, controls = np.round(value, 12), np.round(controls, 12)
    above = np.sum(controls > value[..., None], axis=-1)
    ties = np.sum(controls == value[..., None], axis=-1)
    number = np.sum(~np.isnan(controls), axis=-1)
    defined = ~np.isnan(value)
    percentile = (number - above - ties / 2) / np.where(defined & (number > 0), number, np.nan)
    p = np.where(defined, (1 + above + ties) / (1 + number), np.nan)
    return Verdict(percentile, p, 1 / (1 + number))


def summarise_verdicts(
    checkpoints: pd.DataFrame, steering: pd.DataFrame, subspace: pd.DataFrame, neurons: pd.DataFrame
) -> pd.DataFrame:
    """The verdicts of all probes at the named checkpoints of a study's runs.

    - steering, per stage, at the largest |alpha|, means over its signs: `flip_fraction`; before pooling `auroc_drop`,
      which is 0 by construction at pooled; `monotone`, |Spearman(alpha, accuracy)|, where controls were steered by
      every alpha: 0 where accuracy does not change, missing where the hospital direction is undefined.
    - subspace, the source's raw and uncentred way (LEACE: raw and centred), the whole projection at full rank, INLP at
      the rank of the logistic rows: `flip_fraction`, `accuracy_drop` and `auroc_drop`. The control `permuted` is the
      method's own estimator, logistic rows or mean differences, refitted.
    - neurons, for every k above 0: the same. The mode is a part of the target, ``hospital, zero``; `matched` draws are
      those matched to the selection, and shrunken channels are compared with their refits alone.

    Args:
        checkpoints: the study table of named checkpoints.
        steering: the study table.
        subspace: the study table; drops need its rows of strength 0.
        neurons: the study table; drops need its rows of k = 0.

    Returns:
        The columns of `RUN` and of the table `verdicts`. What has no control has no row.
    """
    named = checkpoints.rename(columns={"name": "checkpoint"})
    steering, subspace, neurons = (
        table[table["epoch"].isin(named["epoch"])].merge(named, on=[*RUN, "epoch"])
        for table in (steering, subspace, neurons)
    )
    frames = [
        *_judge("steering", _steered(steering), ("flip_fraction", "auroc_drop"), _STEERING),
        *_judge("steering", monotone_responses(steering), ("monotone",), _STEERING),
        *_judge("subspace", _ablated(subspace), _DAMAGE, _SUBSPACE),
        *_judge("neurons", _silenced(neurons), _DAMAGE, _NEURONS),
    ]
    columns = [*RUN, *COLUMNS["verdicts"]]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def _judge(
    probe: str, effects: pd.DataFrame, measures: Sequence[str], controls: Mapping[str, Mapping[str, str]]
) -> Iterator[pd.DataFrame]:
    """Rank the targets' effects among their controls'.

    Args:
        probe: name of the probe.
        effects: columns `_CASE`, target, repeat and the measures.
        measures: columns that are ranked.
        controls: target -> name of a control -> the target whose effects are this control's.
    """
    case = effects.groupby(list(_CASE)).ngroup()
    cases = effects.loc[~case.duplicated(), list(_CASE)].set_index(case[~case.duplicated()])
    by_target = dict(iter(effects[["target", "repeat", *measures]].assign(case=case).groupby("target")))
    for target, sources in controls.items():
        for control, source in sources.items():
            if target not in by_target or source not in by_target:
                continue
            values, drawn = by_target[target].set_index("case"), by_target[source].set_index(["case", "repeat"])
            for measure in measures:
                draws = drawn[measure].unstack("repeat").reindex(values.index)
                number = draws.notna().sum(axis=1)
                verdict = verdict_of(values[measure].to_numpy(), draws.to_numpy())
                found = pd.DataFrame({"value": values[measure], "controls": number} | verdict._asdict())
                found = found.assign(
                    probe=probe,
                    target=target,
                    measure=measure,
                    control=control,
                    control_median=draws.median(axis=1),
                    decisive=control in DECISIVE,
                )
                yield found[number > 0].join(cases)


def _steered(steering: pd.DataFrame) -> pd.DataFrame:
    """Effects at the largest |alpha| of every stage, means over its signs."""
    stage = [*RUN, "epoch", "checkpoint", "stage"]
    steering = steering.assign(size=steering["alpha"].abs())
    extreme = steering[steering["size"] == steering.groupby(stage)["size"].transform("max")]
    effects = extreme.groupby([*stage, "size", "split", "direction", "repeat"])[["flip_fraction", "auroc"]].mean()
    unsteered = steering[steering["alpha"] == 0].groupby([*stage, "split"])["auroc"].first().rename("unsteered")
    effects = effects.reset_index().merge(unsteered, how="left", left_on=[*stage, "split"], right_index=True)
    drop = (effects["unsteered"] - effects["auroc"]).where(effects["stage"] != "pooled")
    return effects.assign(target=effects["direction"], auroc_drop=drop)


def monotone_responses(steering: pd.DataFrame) -> pd.DataFrame:
    """|Spearman(alpha, accuracy)|, the column `monotone`, of the directions that were steered by every alpha.

    One row a run, checkpoint, stage, split, direction and repeat; missing where the hospital direction is undefined.

    Args:
        steering: rows of the study table, with the column `checkpoint`.
    """
    undefined = (steering["direction"] == "hospital") & (steering["cosine"] < UNDEFINED_COSINE)
    case = [*RUN, "epoch", "checkpoint", "stage", "split", "direction", "repeat", "undefined"]
    curves = steering.assign(undefined=undefined).set_index([*case, "alpha"])["accuracy"].unstack("alpha").dropna()
    effects = curves.index.to_frame(index=False)
    monotone = np.where(effects["undefined"], np.nan, _absolute_spearman(curves.columns, curves.to_numpy()))
    return effects.assign(target=effects["direction"], size=steering["alpha"].abs().max(), monotone=monotone)


def _absolute_spearman(alphas: Sequence[float], curves: np.ndarray) -> np.ndarray:
    """|Spearman| (m,) of curves (m, a) over alphas (a,); 0 for a constant curve."""
    mean = (len(alphas) + 1) / 2
    along, ranks = mean_ranks(np.asarray(alphas)) - mean, mean_ranks(curves) - mean
    norms = np.linalg.norm(along) * np.linalg.norm(ranks, axis=1)
    return np.abs(ranks @ along) / np.where(norms > 0, norms, 1.0)


def _ablated(subspace: pd.DataFrame) -> pd.DataFrame:
    """Effects of taking out the whole projection, in raw space, at full rank or, for INLP, at the logistic rows'."""
    effects = _with_drops(subspace, subspace["strength"] == 0)
    effects = effects[(effects["strength"] == 1) & (effects["space"] == "raw")]
    point = [*RUN, "epoch", "checkpoint"]
    full = effects.groupby([*point, "method"])["rank"].max().unstack("method")
    full["inlp"] = full.get("logistic", np.nan)
    effects = effects.merge(full.stack().rename("full"), how="left", left_on=[*point, "method"], right_index=True)
    way = effects["centred"].map({True: "centred", False: "uncentred"})
    own_way = effects["method"].map(_OWN_WAY)
    target = effects["method"].where(own_way.notna(), effects["method"] + ", " + way)
    effects = effects.assign(stage="pooled", size=effects["rank"], target=target)
    return effects[own_way.isna() | ((way == own_way) & (effects["rank"] == effects["full"]))]


def _silenced(neurons: pd.DataFrame) -> pd.DataFrame:
    """Effects of taking channels out."""
    effects = _with_drops(neurons, neurons["k"] == 0)
    effects = effects[effects["k"] > 0]
    return effects.assign(stage="pooled", size=effects["k"], target=effects["selection"] + ", " + effects["mode"])


def _with_drops(table: pd.DataFrame, unaltered: pd.Series) -> pd.DataFrame:
    """The table with accuracy and AUROC lost against its unaltered rows; missing where there is none."""
    point = [*RUN, "epoch", "split"]
    before = table[unaltered].groupby(point)[["accuracy", "auroc"]].first()
    before = table[point].merge(before, how="left", left_on=point, right_index=True)
    drops = {f"{score}_drop": before[score].to_numpy() - table[score].to_numpy() for score in ("accuracy", "auroc")}
    return table.assign(**drops)
