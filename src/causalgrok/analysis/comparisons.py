"""Two recipes against each other, measure by measure: tests, effect sizes with intervals, and what could be found.

Recipes of one task and n are compared in pairs. Where both have the same seeds, runs of one seed are paired: they share
subset, initialisation and order. Every row has the exact permutation test of the means beside the smallest p that its
runs could give, corrected within the families that config names; the t interval of the difference, on which to decide;
effect sizes with bootstrap intervals; an equivalence test with config's margin, because a difference that was not found
is not a difference that is not there; and the smallest effect that so many runs find. Times to grok are censored, and
compared by the log-rank test.
"""

import itertools

import numpy as np
import pandas as pd

from causalgrok.analysis.settings import ComparisonSettings
from causalgrok.analysis.statistics.effects import effect, interquartile_mean
from causalgrok.analysis.statistics.equivalence import equivalence_test
from causalgrok.analysis.statistics.families import holm
from causalgrok.analysis.statistics.intervals import difference_interval
from causalgrok.analysis.statistics.permutation import permutation_test
from causalgrok.analysis.statistics.power import minimum_detectable_effect, runs_needed
from causalgrok.analysis.statistics.results import Design, Interval, Significance
from causalgrok.analysis.statistics.survival import log_rank
from causalgrok.columns import COLUMNS

TIME = "time"
"""The measure that is censored."""

_ARMS = ["task", "n"]


def compare_recipes(outcomes: pd.DataFrame, settings: ComparisonSettings) -> pd.DataFrame:
    """The columns of the table `statistics`: a row for each task, n, pair of recipes and measure.

    Args:
        outcomes: the study table.
        settings: families of measures, margins, levels.
    """
    rows = []
    for place, runs in outcomes.groupby(_ARMS, sort=False):
        arms = dict(iter(runs.set_index("seed").groupby("recipe", sort=False)))
        for (a, arm_a), (b, arm_b) in itertools.combinations(arms.items(), 2):
            named = dict(zip(_ARMS, place, strict=True)) | {"a": a, "b": b}
            for family, measures in settings.families.items():
                rows += [named | {"family": family} | _compare(arm_a, arm_b, name, settings) for name in measures]
    table = pd.DataFrame(rows, columns=list(COLUMNS["statistics"]))
    if table.empty:
        return table
    # Every pair of recipes is a question of its own.
    families = table["family"] + table[[*_ARMS, "a", "b"]].astype(str).agg("/".join, axis=1)
    corrected = holm(table.assign(family=families), alpha=settings.alpha)
    return corrected.assign(family=table["family"])[list(COLUMNS["statistics"])]


def _compare(arm_a: pd.DataFrame, arm_b: pd.DataFrame, measure: str, settings: ComparisonSettings) -> dict:
    """What can be said about one measure of the runs of two arms, indexed by seed."""
    a, b, paired = _values(arm_a, arm_b, measure)
    design = Design(len(a), len(b), paired)
    row = {"measure": measure, "runs_a": len(a), "runs_b": len(b), "paired": paired, "level": 1 - settings.alpha}
    if not (len(a) and len(b)):
        return row
    if measure == TIME:
        events = [arm.loc[values.index, "label"].eq("grokked").to_numpy() for arm, values in ((arm_a, a), (arm_b, b))]
        return row | _tested(log_rank(a, events[0], b, events[1], paired=paired))
    a, b = a.to_numpy(), b.to_numpy()
    row |= {"mean_a": a.mean(), "mean_b": b.mean()} | _tested(permutation_test(a, b, paired=paired))
    row |= {"iqm_a": interquartile_mean(a).estimate, "iqm_b": interquartile_mean(b).estimate}
    if min(len(a), len(b)) < 2:
        return row
    row |= _ends("", difference_interval(a, b, paired=paired, level=1 - settings.alpha), estimate=False)
    for name, short in {"cliffs_delta": "delta", "probability_of_improvement": "improvement"}.items():
        row |= _ends(f"{short}_", effect(name, a, b, paired=paired, level=1 - settings.alpha), estimate=True)
    return row | _planning(a, b, design, settings.margins.get(measure), settings)


def _values(arm_a: pd.DataFrame, arm_b: pd.DataFrame, measure: str) -> tuple[pd.Series, pd.Series, bool]:
    """A measure of both arms by seed, without runs that lack it; whether they are pairs."""
    a, b = (arm[measure].astype(float).dropna().sort_index() for arm in (arm_a, arm_b))
    return a, b, len(a) > 0 and a.index.equals(b.index)


def _tested(result: Significance) -> dict[str, object]:
    return {"test": result.test, "difference": result.estimate, "p": result.p, "smallest_p": result.smallest_p}


def _ends(prefix: str, interval: Interval, *, estimate: bool) -> dict[str, float]:
    ends = {f"{prefix}low": interval.low, f"{prefix}high": interval.high}
    return ends | ({prefix.rstrip("_"): interval.estimate} if estimate else {})


def _planning(
    a: np.ndarray, b: np.ndarray, design: Design, margin: float | None, settings: ComparisonSettings
) -> dict[str, object]:
    """Whether the arms are equivalent, what these runs could find, and how many would find the margin."""
    deviation = float(np.std(a - b, ddof=1) if design.paired else np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2))
    planned = {"paired": design.paired, "alpha": settings.alpha, "power": settings.power}
    row: dict[str, object] = {"deviation": deviation}
    if deviation > 0:
        found = minimum_detectable_effect(design, deviation=deviation, alpha=settings.alpha, power=settings.power)
        row["detectable"] = found.effect
    if margin is not None:
        test = equivalence_test(a, b, margin=margin, paired=design.paired, alpha=settings.alpha)
        row |= {"margin": margin, "p_equivalence": test.p, "equivalence": test.verdict}
        if deviation > 0:
            row["runs_needed"] = _needed(margin, deviation, planned)
    return row


def _needed(margin: float, deviation: float, planned: dict) -> float:
    """Runs an arm that find the margin; infinite beyond the largest design."""
    try:
        return runs_needed(margin, deviation=deviation, **planned).a
    except ValueError:
        return np.inf
