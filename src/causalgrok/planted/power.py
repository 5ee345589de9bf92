"""How often the probes find an effect: false-positive rates where nothing was planted, power where something was.

Features are generated many times over, every probe measures them as it measures a checkpoint, and what it says is a
verdict against each of its controls (`causalgrok.analysis.verdicts`): found is p <= .05. With 39 permuted hospitals p
is a multiple of 1/40, with 19 other controls of 1/20: a test whose true value is exchangeable with its controls has
the level .05 exactly, or less where values tie. Of r repeats, the number found then is binomial(r, .05) if ties are
broken at random (`untied_rate`), which shows whether a low rate comes from ties or from a test that is wrong.

Probes, on the split OOD test:

    steering_flip_fraction, steering_monotone   verdicts of the table `verdicts` at |alpha| = 3
    steering_logit_shift                        the same step, by |logit shift|, which does not tie
    steering_spread                             the logit shift of a step as long as hospitals lie apart
    <method>_<measure>                          subspace ablation, logistic, shrunken_mean and leace
    neurons_<measure>                           the source's selection, set to zero
    neurons_f_<measure>, neurons_auroc_...      the other selections
    neurons_shrunken_..., neurons_f_shrunken... the same, moved to the mean by their hospital's share
    decodability                                the hospital probe's accuracy on the judging slides

Decodability under permuted hospitals is that of classifiers refitted to them.

Without any control, as the source decides: `monotone` is |Spearman(alpha, accuracy)| >= .95 of the hospital direction,
`random_monotone` the same of a random direction.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from causalgrok.analysis.verdicts import MONOTONE, summarise_verdicts, verdict_of
from causalgrok.columns import COLUMNS, RUN
from causalgrok.planted.cases import NULL_CASES, strengths_of
from causalgrok.planted.trials import Trial, plant, try_probes

LEVEL = 0.05
"""A probe finds an effect where its p is at or below this."""

_POWER_SHARE = 4
"""Null cases get all repeats, planted ones every fourth: a power near 1 is sharp with few."""

_SELECTIONS = {"hospital": "neurons", "hospital_f": "neurons_f", "hospital_auroc": "neurons_auroc"}


def power_of_case(case: str, *, repeats: int, seed: int) -> pd.DataFrame:
    """Study one case: `planted` at all its strengths, every other at its only one or the strongest.

    Args:
        case: one of `CASES`.
        repeats: generated feature sets of a null case; other cases get a quarter of them at every strength.
        seed: seed of the features and of all controls.

    Returns:
        The columns of the table `validation`, a row for every strength, probe and control.

    Raises:
        ValueError: there is no such case, or fewer than 20 repeats.
    """
    strengths = strengths_of(case) if case == "planted" else strengths_of(case)[-1:]
    if repeats < 20:
        raise ValueError(f"repeats: {repeats} is below 20, the fewest that can tell a rate of 5 % from one of 25 %")
    repeats = repeats if case in NULL_CASES else -(-repeats // _POWER_SHARE)
    rows = []
    for strength in strengths:
        trials = []
        for repeat in range(repeats):
            planted, settings = plant(case, strength, repeat, seed=seed)
            trials.append(try_probes(planted.features, settings, repeat))
        for probe, control, *found in _decisions(trials, seed):
            rows.append({"case": case, "strength": strength, "probe": probe, "control": control, **rate(*found)})
    return pd.DataFrame(rows, columns=list(COLUMNS["validation"]))


def rate(found: np.ndarray, untied: np.ndarray) -> dict[str, object]:
    """The columns repeats to inside.

    Args:
        found: (repeats,) whether an effect was found.
        untied: (defined,) whether it was with ties broken at random, where the probe has a value.
    """
    number, repeats = int(found.sum()), len(found)
    interval = stats.binomtest(number, repeats).proportion_ci(0.95, method="exact")
    low, high = stats.binom.ppf((0.025, 0.975), len(untied), LEVEL)
    return {
        "repeats": repeats,
        "found": number,
        "rate": number / repeats,
        "low": float(interval.low),
        "high": float(interval.high),
        "untied_rate": float(untied.mean()) if len(untied) else np.nan,
        "inside": bool(low <= untied.sum() <= high),
    }


def judge(trials: Sequence[Trial], seed: int = 0) -> pd.DataFrame:
    """What every probe measured in every trial, and its p against every control.

    Args:
        trials: what was measured.
        seed: seed of the order of ties in `untied_p`.

    Returns:
        Columns probe, control, trial (its index), value, p and untied_p; a probe without a value, as monotony is where
        the direction is undefined, has no p and so finds nothing.
    """
    tables = {name: pd.concat([trial.tables[name] for trial in trials]) for name in trials[0].tables}
    checkpoints = tables["steering"][[*RUN, "epoch"]].drop_duplicates().assign(name="final")
    verdicts = summarise_verdicts(checkpoints, **tables).rename(columns={"seed": "trial"})
    names = zip(verdicts["probe"], verdicts["target"], verdicts["measure"], strict=True)
    frames = [verdicts.assign(probe=[_name(*one) for one in names])]
    shifts = _logit_shifts(tables["steering"])
    frames += [
        _judged("steering_logit_shift", control, shifts["hospital"].to_numpy(), shifts[control].to_numpy())
        for control in ("permuted", "matched", "isotropic")
    ]
    for name in trials[0].refitted:
        values = np.stack([trial.refitted[name] for trial in trials])
        frames.append(_judged(name, "permuted", values[:, :1], values[:, 1:]))
    judged = pd.concat(frames, ignore_index=True)
    judged["untied_p"] = _untied(judged, np.random.default_rng(seed))
    return judged[["probe", "control", "trial", "value", "p", "untied_p"]]


def monotone_answers(steering: pd.DataFrame, direction: str) -> np.ndarray:
    """Whether |Spearman(alpha, accuracy)| of a direction's first draw is at least `MONOTONE`, by trial (trials,)."""
    rows = steering[(steering["direction"] == direction) & (steering["repeat"] == 0)]
    curves = rows.pivot(index="seed", columns="alpha", values="accuracy")
    if not len(curves):
        raise ValueError(f"direction: {direction!r} is not in the table")
    return np.array([np.ptp(curve) > 0 and _monotony(curves.columns, curve) for curve in curves.to_numpy()])


def _decisions(trials: Sequence[Trial], seed: int) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Probe, control, whether an effect was found (trials,), and whether if ties are broken (trials with a value,)."""
    for (probe, control), some in judge(trials, seed).groupby(["probe", "control"], sort=False):
        found = np.isin(range(len(trials)), some.loc[some["p"] <= LEVEL, "trial"])
        yield probe, control, found, some["untied_p"].dropna().to_numpy() <= LEVEL
    steering = pd.concat([trial.tables["steering"] for trial in trials])
    for probe, direction in {"monotone": "hospital", "random_monotone": "isotropic"}.items():
        answers = monotone_answers(steering, direction)
        yield probe, "none", answers, answers


def _untied(judged: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """The p of every row if the value's place among the controls that tie with it is drawn."""
    controls = np.round(1 / judged["smallest_p"]) - 1
    reached = np.round(judged["p"] * (1 + controls)) - 1
    ties = np.round(2 * (reached - controls * (1 - judged["percentile"])))
    return (1 + reached - np.floor(rng.random(len(judged)) * (1 + ties))) / (1 + controls)


def _monotony(alphas: Sequence[float], accuracies: np.ndarray) -> bool:
    return abs(stats.spearmanr(alphas, accuracies).statistic) >= MONOTONE


def _name(probe: str, target: str, measure: str) -> str:
    """The probe's name in the table: what was done, and by which measure it is judged."""
    target, _, mode = target.partition(", ")
    done = {"steering": "steering", "subspace": target, "neurons": _SELECTIONS.get(target)}[probe]
    return "_".join([done, *(["shrunken"] if mode == "shrunken" else []), measure])


def _logit_shifts(steering: pd.DataFrame) -> pd.DataFrame:
    """Largest |logit shift| by trial (rows), direction and repeat (columns)."""
    size = steering["logit_shift"].abs()
    return size.groupby([steering["seed"], steering["direction"], steering["repeat"]]).max().unstack([1, 2])


def _judged(probe: str, control: str, value: np.ndarray, controls: np.ndarray) -> pd.DataFrame:
    """Values (trials, 1) held against their controls (trials, m)."""
    value = value[:, 0]
    named = {"probe": probe, "control": control, "trial": range(len(value)), "value": value}
    return pd.DataFrame(named | verdict_of(value, controls)._asdict())
