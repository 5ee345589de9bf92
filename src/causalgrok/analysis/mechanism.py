"""What moved the weights of a run: the table `mechanism`, from which claims about norms, head and decay are decided.

One row a run and parameter group. Norms stand beside what decay alone and what white noise would have made of them
(`white_gradients`), angles beside Adam's lr / |w|. The other arm of a comparison is the *reference*: the run of equal
task, n and seed whose recipe differs in weight decay alone and has the least of it. Where decay acts as a learning
rate, the angle grows against the reference as the norm falls, and their product stays 1.

Means are over evaluations: early and late over the first and the last quarter of training, directions of the gradients
from memorisation on. A run that diverged has no late values and no means.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from causalgrok.analysis.dynamics import early_and_late, memorised_epoch
from causalgrok.analysis.white_gradients import (
    decayed_norm,
    diffusion_norm,
    grokfast_persistence,
    step_rms,
)
from causalgrok.columns import COLUMNS, RUN

_DIRECTIONS = ("gradient_growth", "grokfast_alignment", "grokfast_growth")
_PAIRED = ["task", "n", "seed", "group"]


def summarise_mechanism(
    dynamics: pd.DataFrame, metrics: pd.DataFrame, recipes: Sequence[Mapping[str, object]]
) -> pd.DataFrame:
    """The table `mechanism` of a study.

    Args:
        dynamics: the study table.
        metrics: the study table.
        recipes: for each task and recipe of the study `task`, `recipe`, `normalisation` and the recipe's settings.

    Raises:
        ValueError: a run's task and recipe are not among `recipes`.
    """
    known = {(settings["task"], settings["recipe"]): settings for settings in recipes}
    train = metrics[metrics["split"] == "train"]
    curves = {run: rows.set_index("epoch").sort_index() for run, rows in train.groupby(list(RUN))}
    frames = []
    for run, rows in dynamics.groupby(list(RUN), sort=False):
        if run[:2] not in known:
            raise ValueError(f"run {'/'.join(map(str, run))}: its task and recipe are not among the settings given")
        frames.append(_of_run(rows, curves[run], known[run[:2]]).assign(**dict(zip(RUN, run, strict=True))))
    table = pd.concat(frames, ignore_index=True)
    table["reference"] = [
        reference(known, task, recipe) for task, recipe in zip(table["task"], table["recipe"], strict=True)
    ]
    return _against_reference(table)[[*RUN, *COLUMNS["mechanism"]]]


def reference(known: Mapping[tuple[str, str], Mapping[str, object]], task: str, recipe: str) -> str | None:
    """The recipe with the least weight decay of those that differ from this one in nothing else.

    Args:
        known: (task, recipe) -> settings, as in `summarise_mechanism`.
        task: the run's task.
        recipe: the run's recipe.

    Returns:
        The recipe's name, this one's if it has the least itself; None if no other recipe is alike.
    """

    def rest(settings: Mapping[str, object]) -> dict[str, object]:
        return {key: value for key, value in settings.items() if key not in ("recipe", "weight_decay")}

    alike = [settings for settings in known.values() if rest(settings) == rest(known[task, recipe])]
    return min(alike, key=lambda settings: settings["weight_decay"])["recipe"] if len(alike) > 1 else None


def diverged_epoch(train: pd.DataFrame, total: pd.DataFrame) -> float:
    """The first evaluation whose train loss or weight norm is not finite; NaN if there is none.

    Args:
        train: metrics of the train split, indexed by epoch.
        total: dynamics of the group total, indexed by epoch.
    """
    finite = np.isfinite(train["loss"]) & np.isfinite(total["weight_norm"])
    return float(finite.index[~finite][0]) if not finite.all() else math.nan


def _of_run(dynamics: pd.DataFrame, train: pd.DataFrame, settings: Mapping) -> pd.DataFrame:
    """The rows of one run, without the comparison with its reference."""
    groups = {name: rows.set_index("epoch").sort_index() for name, rows in dynamics.groupby("group", sort=False)}
    memorised, diverged = memorised_epoch(train["accuracy"]), diverged_epoch(train, groups["total"])
    optimiser = _optimiser(settings)
    rows = [_of_group(name, rows, optimiser, memorised, diverged) for name, rows in groups.items()]
    frame = pd.DataFrame(rows).assign(
        **optimiser, normalisation=settings["normalisation"], memorised_epoch=memorised, diverged_epoch=diverged
    )
    for share, growth in (("head_share", "growth"), ("head_share_late", "growth_late")):
        head, total = (frame.loc[frame["group"] == name, growth] for name in ("head", "total"))
        # A share of something that shrank would say nothing.
        frame[share] = head.item() / total.item() if len(head) and total.item() > 0 else math.nan
    return frame


def _optimiser(settings: Mapping) -> dict[str, float]:
    """What AdamW, with or without Grokfast, makes of white noise."""
    grokfast = settings["grokfast"] or {"decay": 0.0, "amplification": 0.0}
    return {
        "learning_rate": settings["learning_rate"],
        "weight_decay": settings["weight_decay"],
        "persistence": grokfast_persistence(**grokfast),
        "step_rms": step_rms(momentum=settings["betas"][0], **grokfast),
    }


def _of_group(name: str, rows: pd.DataFrame, optimiser: Mapping, memorised: float, diverged: float) -> dict:
    parameters, steps = int(rows["parameters"].iloc[0]), int(rows["step"].iloc[-1])
    rate = {key: optimiser[key] for key in ("learning_rate", "weight_decay")}
    norms = rows["weight_norm"]
    initial, final = norms.iloc[0], norms.iloc[-1]
    predicted = optimiser["learning_rate"] * optimiser["step_rms"] * math.sqrt(parameters) / norms.where(norms > 0)
    row = {
        "group": name,
        "scale_invariant": bool(rows["scale_invariant"].iloc[0]),
        "parameters": parameters,
        "steps": steps,
        "exposure": optimiser["learning_rate"] * optimiser["weight_decay"] * steps,
        "norm_initial": initial,
        "decay_only": float(decayed_norm(initial, steps, **rate)),
        "diffusion": float(diffusion_norm(initial, steps, parameters=parameters, **rate)),
        "diffusion_persistent": float(
            diffusion_norm(initial, steps, parameters=parameters, persistence=optimiser["persistence"], **rate)
        ),
    }
    after = rows[rows.index >= memorised]
    measured = {
        "norm_lowest": norms.min(),
        "norm_final": final,
        "growth": final**2 - initial**2,
        "growth_late": final**2 - after["weight_norm"].iloc[0] ** 2 if len(after) else math.nan,
        **_quarters("norm", norms),
        **_quarters("angle", rows["angle_per_step"]),
        **_quarters("angle_predicted", predicted),
        **{direction: after[direction].mean() for direction in _DIRECTIONS},
    }
    return row | (measured if math.isnan(diverged) else dict.fromkeys(measured, math.nan))


def _quarters(name: str, values: pd.Series) -> dict[str, float]:
    early, late = early_and_late(values, memorised=0)
    return {f"{name}_early": early, f"{name}_late": late}


def _against_reference(table: pd.DataFrame) -> pd.DataFrame:
    """The late angle and norm of every run over those of its reference."""
    late = ["angle_late", "norm_late"]
    arms = table.set_index(["recipe", *_PAIRED])[late]
    own = pd.MultiIndex.from_frame(table[["reference", *_PAIRED]])
    ratios = table[late].to_numpy() / arms.reindex(own).to_numpy()
    return table.assign(angle_over_reference=ratios[:, 0], norm_over_reference=ratios[:, 1])
