"""Error rates of the tests and of the grokking detector, by simulation on data whose truth is known.

Every case of `causalgrok.analysis.statistics.null_cases` and of `causalgrok.analysis.decline_cases` is drawn `repeats`
times and its rejections are counted. The rate comes with its Clopper-Pearson (1934) interval and is held against the
size the test should have: alpha, or for an exact test the largest size at or below alpha that its labelings allow, 0
where no data could be significant. The detector labels the runs of `causalgrok.analysis.synthetic_curves`.
"""

import itertools
import zlib
from collections.abc import Iterable

import numpy as np
import pandas as pd

from causalgrok.analysis.decline_cases import decline_cases
from causalgrok.analysis.detector import LABELS, detect
from causalgrok.analysis.settings import DetectorSettings
from causalgrok.analysis.statistics.null_cases import ALPHA, NullCase, null_cases
from causalgrok.analysis.statistics.results import share
from causalgrok.analysis.synthetic_curves import SCATTERS, synthetic_curve

LEVEL = 0.999
"""Coverage of the rates' intervals: so many rows are judged at once that 95 % would let several miss by chance."""


def calibrate(test_name: str | None = None, *, repeats: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """Type-I error of one test, or of all, on data without an effect.

    Args:
        test_name: a test of `known_tests`; None for all of them.
        repeats: data sets a case; slow tests get fewer.
        seed: seed of the data; a case draws the same whichever others are asked for.

    Returns:
        One row a case: test, design, condition, assumption (met, asymptotic: promised for many runs only, or broken),
        alpha, repeats, rejected, rate, low, high, attainable (the size it should have), bound (whether that is an upper
        bound only) and inside: attainable lies within low and high, or not below low if a bound.

    Raises:
        ValueError: an unknown test, or fewer than one repeat.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}: expected at least 1")
    cases = all_cases()
    if test_name is not None and test_name not in known_tests(cases):
        raise ValueError(f"test {test_name!r} is unknown: expected one of {', '.join(known_tests(cases))}")
    chosen = [case for case in cases if test_name in (None, case.test)]
    return pd.DataFrame([_row(case, max(1, repeats // case.cost), seed) for case in chosen])


def all_cases() -> list[NullCase]:
    """Every test's, and the measures' of decline."""
    return [*null_cases(), *decline_cases()]


def known_tests(cases: Iterable[NullCase] | None = None) -> list[str]:
    """Names of the tests that can be calibrated."""
    return list(dict.fromkeys(case.test for case in (all_cases() if cases is None else cases)))


def clopper_pearson(successes: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a binomial rate.

    Raises:
        ValueError: successes outside 0 to trials, or no trials.
    """
    from scipy import stats

    share(level, "level")
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials: expected 0 to trials, at least one trial")
    interval = stats.binomtest(successes, trials).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


def _row(case: NullCase, repeats: int, seed: int) -> dict[str, object]:
    name = f"{case.test}/{case.design}/{case.condition}"
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    rejected = sum(bool(case.rejects(rng)) for _ in range(repeats))
    low, high = clopper_pearson(rejected, repeats, level=LEVEL)
    return {
        "test": case.test,
        "design": case.design,
        "condition": case.condition,
        "assumption": case.assumption,
        "alpha": ALPHA,
        "repeats": repeats,
        "rejected": rejected,
        "rate": rejected / repeats,
        "low": low,
        "high": high,
        "attainable": case.size,
        "bound": case.bound,
        "inside": low <= case.size and (case.bound or case.size <= high),
    }


def confusion(repeats: int = 200, seed: int = 0, settings: DetectorSettings | None = None) -> pd.DataFrame:
    """How the grokking detector labels synthetic runs of known kind.

    Args:
        repeats: runs of each kind and scatter.
        seed: seed of the runs.
        settings: thresholds; None for the defaults.

    Returns:
        One row for each scatter, true and detected label: scatter, true, detected, runs, count, rate, low, high
        (Clopper-Pearson).
    """
    settings = settings or DetectorSettings()
    rng = np.random.default_rng(seed)
    rows = []
    for scatter, true in itertools.product(SCATTERS, LABELS):
        curves = [synthetic_curve(true, rng, scatter=scatter) for _ in range(repeats)]
        found = [detect(run.steps, run.train, run.test, run.chance, settings).label for run in curves]
        for detected in LABELS:
            low, high = clopper_pearson(found.count(detected), repeats)
            rows.append(
                {
                    "scatter": scatter,
                    "true": true,
                    "detected": detected,
                    "runs": repeats,
                    "count": found.count(detected),
                    "rate": found.count(detected) / repeats,
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(rows)


def false_alarms(table: pd.DataFrame) -> pd.DataFrame:
    """From the table of `confusion`: how many runs that did not grok were said to have.

    Returns:
        One row for each scatter and true label other than grokked, and one for all of these labels: scatter, true,
        runs, count, rate, low, high.
    """
    alarms = table[(table["true"] != "grokked") & (table["detected"] == "grokked")]
    alarms = alarms[["scatter", "true", "runs", "count"]]
    together = alarms.groupby("scatter", sort=False)[["runs", "count"]].sum().reset_index().assign(true="all")
    rows = pd.concat([alarms, together[alarms.columns]], ignore_index=True)
    intervals = [clopper_pearson(count, runs) for runs, count in zip(rows["runs"], rows["count"], strict=True)]
    return rows.assign(
        rate=rows["count"] / rows["runs"], low=[low for low, _ in intervals], high=[high for _, high in intervals]
    )
