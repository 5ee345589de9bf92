"""Times to grok of runs that may not have grokked by the end of their budget: right-censored, never dropped.

The Kaplan-Meier (1958) curve is the product over event times t of (1 - events / runs at risk); its median is the first
time at which it has fallen to one half, infinite if it never does, with the ends where the curve's log-log Greenwood
limits cross one half (Brookmeyer & Crowley 1982). Both are `lifelines`'s.

The log-rank test compares the events of an arm with those expected if hazards were equal, O - E. That is the sum over
its runs of the scores ``event_i - H(t_i)`` with the Nelson-Aalen hazard H of both arms pooled (Peto & Peto 1972), which
no relabeling changes, so the exact version is `permutation_test` on the scores. It needs equal budgets in both arms, as
every permutation test needs runs that could be exchanged. The chi-squared version is for more runs than a handful.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from causalgrok.analysis.statistics.permutation import permutation_test
from causalgrok.analysis.statistics.results import Design, Significance, of_equal_length, sample, share


@dataclass(frozen=True, kw_only=True)
class MedianTime:
    """Median time to an event of runs some of which are censored."""

    median: float
    """Infinite where fewer than half of the runs got there."""

    low: float
    """Lower end of its interval; infinite where the curve's lower limit never falls to one half."""

    high: float
    """Upper end."""

    level: float
    """Coverage that the interval aims at."""

    runs: int
    """Number of runs."""

    events: int
    """Runs that got there; the others are censored."""


def median_time(times: ArrayLike, grokked: Sequence[bool], *, level: float = 0.95) -> MedianTime:
    """Kaplan-Meier median.

    Args:
        times: steps until each run grokked, or its budget if it did not (runs,); above 0.
        grokked: whether it did (runs,).
        level: coverage of the interval.

    Raises:
        ValueError: no runs, times not above 0, or lengths that differ.
    """
    from lifelines.utils import median_survival_times

    fitted = _fit(times, grokked, level)
    low, high = median_survival_times(fitted.confidence_interval_).iloc[0]
    return MedianTime(
        median=float(fitted.median_survival_time_),
        low=float(low),
        high=float(high),
        level=level,
        runs=len(fitted.durations),
        events=int(fitted.event_observed.sum()),
    )


def kaplan_meier(times: ArrayLike, grokked: Sequence[bool], *, level: float = 0.95) -> pd.DataFrame:
    """The curve: columns time, not_grokked (share of runs), low, high, at_risk; one row a time at which it may step."""
    fitted = _fit(times, grokked, level)
    limits = fitted.confidence_interval_
    return pd.DataFrame(
        {
            "time": fitted.survival_function_.index,
            "not_grokked": fitted.survival_function_.iloc[:, 0].to_numpy(),
            "low": limits.iloc[:, 0].to_numpy(),
            "high": limits.iloc[:, 1].to_numpy(),
            "at_risk": fitted.event_table["at_risk"].to_numpy(),
        }
    )


def log_rank(
    times_a: ArrayLike,
    grokked_a: Sequence[bool],
    times_b: ArrayLike,
    grokked_b: Sequence[bool],
    *,
    paired: bool = False,
    exact: bool = True,
    seed: int = 0,
) -> Significance:
    """Do runs of arm a grok earlier or later than those of arm b?

    Args:
        times_a: as for `median_time`.
        grokked_a: likewise.
        times_b: likewise.
        grokked_b: likewise.
        paired: whether runs i of both arms share a seed; exact only.
        exact: permute the scores; otherwise the chi-squared approximation.
        seed: seed of the labelings drawn where there are too many to count.

    Returns:
        Two-sided. The estimate is O - E of arm a: events in it minus those expected, positive if it groks earlier.

    Raises:
        ValueError: as `median_time`, paired arms of unequal length, or a paired approximation.
    """
    (times_a, events_a), (times_b, events_b) = (
        _observed(times, events, name)
        for times, events, name in ((times_a, grokked_a, "arm a"), (times_b, grokked_b, "arm b"))
    )
    scores = log_rank_scores(np.concatenate([times_a, times_b]), np.concatenate([events_a, events_b]))
    scores_a, scores_b = scores[: len(times_a)], scores[len(times_a) :]
    estimate = float(scores_a.sum())
    if exact:
        result = permutation_test(scores_a, scores_b, paired=paired, seed=seed)
        return replace(result, test="paired log-rank" if paired else "log-rank", estimate=estimate)
    if paired:
        raise ValueError("paired log-rank has no approximation here: ask for exact=True")
    from lifelines.statistics import logrank_test

    some = events_a.any() or events_b.any()
    return Significance(
        test="log-rank, chi-squared",
        design=str(Design(len(times_a), len(times_b))),
        n=len(scores),
        alternative="two-sided",
        estimate=estimate,
        p=float(logrank_test(times_a, times_b, events_a, events_b).p_value) if some else 1.0,
        smallest_p=0.0,
        exact=False,
    )


def log_rank_scores(times: ArrayLike, grokked: Sequence[bool]) -> np.ndarray:
    """Scores (runs,) of runs of all arms together: event minus Nelson-Aalen hazard at its time. They sum to zero."""
    times, events = _observed(times, grokked, "runs")
    moments = np.unique(times[events])
    at_risk = (times >= moments[:, None]).sum(axis=1)
    hazard = np.cumsum((times[events] == moments[:, None]).sum(axis=1) / at_risk)
    passed = np.searchsorted(moments, times, "right")
    return events - np.concatenate([[0.0], hazard])[passed]


def _fit(times: ArrayLike, grokked: Sequence[bool], level: float):
    from lifelines import KaplanMeierFitter

    share(level, "level")
    times, events = _observed(times, grokked, "runs")
    return KaplanMeierFitter(alpha=1 - level).fit(times, events)


def _observed(times: ArrayLike, grokked: Sequence[bool], name: str) -> tuple[np.ndarray, np.ndarray]:
    times, events = sample(times, f"times of {name}"), sample(grokked, f"grokked of {name}")
    of_equal_length({f"times of {name}": times, f"grokked of {name}": events})
    if (times <= 0).any():
        raise ValueError(f"times of {name} has {times.min():g}: expected times above 0, the budget where censored")
    if not np.isin(events, (0, 1)).all():
        raise ValueError(f"grokked of {name} is {events}: expected true or false for each run")
    return times, events.astype(bool)
