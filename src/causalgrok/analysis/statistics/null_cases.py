"""Data in which nothing is to be found, for every test: what `causalgrok.analysis.calibration` measures error rates on.

A case draws data with a true null, asks the test, and says whether it rejected at `ALPHA`. Beside the case in which the
assumptions hold there are those that studies of networks meet: scores that tie, arms of unequal spread, runs that share
what they should not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
from numpy.random import Generator

from causalgrok.analysis.statistics.counts import fisher_exact, monotone_difference, monotone_runs, null_rates
from causalgrok.analysis.statistics.effects import effect
from causalgrok.analysis.statistics.equivalence import equivalence_test
from causalgrok.analysis.statistics.factorial import factorial_effects
from causalgrok.analysis.statistics.families import holm
from causalgrok.analysis.statistics.intervals import difference_interval, t_interval
from causalgrok.analysis.statistics.permutation import attainable_size, permutation_test
from causalgrok.analysis.statistics.results import Alternative, Design, Interval
from causalgrok.analysis.statistics.survival import log_rank, median_time

ALPHA = 0.05
"""The level at which every test is asked."""


@dataclass(frozen=True, kw_only=True)
class NullCase:
    """One test on one kind of data without an effect."""

    test: str
    """The test that is asked."""

    design: str
    """Runs an arm, or pairs."""

    condition: str
    """What the data are like."""

    rejects: Callable[[Generator], bool]
    """Draws data, asks the test, and says whether it rejected."""

    size: float = ALPHA
    """Chance of rejecting that the test should have: its attainable size if it is exact."""

    bound: bool = False
    """Whether `size` is an upper bound only."""

    assumption: Literal["met", "asymptotic", "broken"] = "met"
    """Whether the data are such that the test promises this size, promises it for many runs, or promises nothing."""

    cost: int = 1
    """By how much fewer repeats than the others this case gets, because the test is slow."""


DESIGNS = (Design(3, 3), Design(5, 3), Design(10, 10))
PAIRS = (Design(3, 3, True), Design(5, 5, True), Design(10, 10, True))


def null_cases() -> list[NullCase]:
    """All cases, in the order of the modules."""
    return [
        *_permutation_cases(),
        *_fisher_cases(),
        *_monotone_cases(),
        *_holm_cases(),
        *_log_rank_cases(),
        *_interval_cases(),
        *_equivalence_cases(),
        *_factorial_cases(),
        *_bootstrap_cases(),
    ]


Draw = Callable[[Generator, Design], tuple[np.ndarray, np.ndarray]]


def _normal(rng: Generator, design: Design) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=design.a), rng.normal(size=design.b)


def _tied(rng: Generator, design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies on twenty images."""
    return rng.binomial(20, 0.7, design.a) / 20, rng.binomial(20, 0.7, design.b) / 20


def _unequal(rng: Generator, design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Arm b, never the larger one, spreads three times as far."""
    return rng.normal(size=design.a), 3 * rng.normal(size=design.b)


def _skewed(rng: Generator, design: Design) -> tuple[np.ndarray, np.ndarray]:
    return rng.exponential(size=design.a), rng.exponential(size=design.b)


def _shared_seeds(rng: Generator, design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Two runs of a seed correlate by .8."""
    a, b = _normal(rng, design)
    seeds = 2 * rng.normal(size=max(design.a, design.b))
    return a + seeds[: design.a], b + seeds[: design.b]


def _shared_subset(rng: Generator, design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Two runs of an arm correlate by .2, as if the arm had one subset for all of its runs."""
    a, b = _normal(rng, design)
    return a + 0.5 * rng.normal(), b + 0.5 * rng.normal()


def _permutation_cases() -> list[NullCase]:
    def case(
        design: Design, condition: str, draw: Draw, *, alternative: Alternative = "two-sided", **how: object
    ) -> NullCase:
        return NullCase(
            test="paired permutation" if design.paired else "permutation",
            design=str(design),
            condition=condition,
            rejects=lambda rng: (
                permutation_test(*draw(rng, design), paired=design.paired, alternative=alternative).p <= ALPHA
            ),
            size=attainable_size(design, ALPHA, alternative),
            cost=2 if design.runs > 10 else 1,
            **how,
        )

    cases = [case(design, "normal", _normal) for design in (*DESIGNS, *PAIRS)]
    cases += [case(design, "ties", _tied, bound=True) for design in (*DESIGNS, *PAIRS)]
    cases += [case(design, "one-sided", _normal, alternative="greater") for design in (DESIGNS[1], PAIRS[1])]
    cases += [case(design, "skewed", _skewed) for design in (DESIGNS[1], PAIRS[2])]
    cases += [case(design, "unequal spread", _unequal, bound=True, assumption="broken") for design in DESIGNS]
    cases += [case(design, "unequal spread", _unequal) for design in PAIRS]
    cases += [case(design, "shared seeds", _shared_seeds) for design in PAIRS]
    cases += [case(DESIGNS[2], "shared seeds", _shared_seeds, bound=True, assumption="broken")]
    cases += [case(DESIGNS[2], "one subset an arm", _shared_subset, bound=True, assumption="broken")]
    many = Design(25, 25)
    drawn = NullCase(
        test="permutation",
        design=str(many),
        condition="labelings drawn",
        rejects=lambda rng: permutation_test(*_normal(rng, many), draws=199, seed=int(rng.integers(2**31))).p <= ALPHA,
    )
    return [*cases, drawn]


@cache
def _fisher_p(design: Design, alternative: Alternative, a: int, b: int) -> float:
    return fisher_exact(a, design.a, b, design.b, alternative=alternative).p


def _fisher_cases() -> list[NullCase]:
    def case(design: Design, alternative: Alternative, rate: float) -> NullCase:
        from scipy import stats

        counts_a, counts_b = np.arange(design.a + 1), np.arange(design.b + 1)
        chance = np.outer(stats.binom.pmf(counts_a, design.a, rate), stats.binom.pmf(counts_b, design.b, rate))
        rejected = np.array([[_fisher_p(design, alternative, a, b) <= ALPHA for b in counts_b] for a in counts_a])

        def rejects(rng: Generator) -> bool:
            return bool(rejected[rng.binomial(design.a, rate), rng.binomial(design.b, rate)])

        return NullCase(
            test="Fisher",
            design=str(design),
            condition=f"{alternative}, rate {rate}",
            rejects=rejects,
            size=float(chance[rejected].sum()),
        )

    return [case(design, side, 0.5) for design in DESIGNS for side in ("two-sided", "greater")]


def _monotone_cases() -> list[NullCase]:
    controls = 200

    def draw(rng: Generator, runs: int) -> tuple[np.ndarray, np.ndarray]:
        """Runs of which each has its own chance of being monotone, up to .6, and its controls have the same."""
        chances = rng.uniform(0.02, 0.6, runs)
        return rng.random(runs) < chances, null_rates(rng.binomial(controls, chances), np.full(runs, controls))

    def one_arm(runs: int) -> NullCase:
        return NullCase(
            test="monotone runs",
            design=f"{runs} runs",
            condition=f"{controls} controls a run",
            rejects=lambda rng: monotone_runs(*draw(rng, runs)).p <= ALPHA,
            bound=True,
        )

    def two_arms(design: Design) -> NullCase:
        return NullCase(
            test="difference of monotone runs",
            design=str(design),
            condition=f"{controls} controls a run",
            rejects=lambda rng: monotone_difference(*draw(rng, design.a), *draw(rng, design.b)).p <= ALPHA,
            bound=True,
        )

    return [*(one_arm(runs) for runs in (3, 5, 10)), *(two_arms(design) for design in DESIGNS)]


def _holm_cases() -> list[NullCase]:
    tests, pairs = 4, PAIRS[2]

    def case(condition: str, correlation: float) -> NullCase:
        def rejects(rng: Generator) -> bool:
            common = rng.normal(size=(pairs.a, 1))
            own = rng.normal(size=(pairs.a, tests))
            differences = correlation**0.5 * common + (1 - correlation) ** 0.5 * own
            p = [permutation_test(values, np.zeros(pairs.a), paired=True).p for values in differences.T]
            return bool(holm(pd.DataFrame({"family": "one", "p": p}), alpha=ALPHA)["rejected"].any())

        return NullCase(
            test="Holm", design=str(pairs), condition=f"{tests} tests, {condition}", rejects=rejects, bound=True, cost=4
        )

    return [case("independent", 0.0), case("correlated by .8", 0.8)]


def _times(rng: Generator, runs: int, budget: float) -> tuple[np.ndarray, np.ndarray]:
    """Exponential times of mean 1, cut at the budget."""
    times = rng.exponential(size=runs)
    return np.minimum(times, budget), times <= budget


def _log_rank_cases() -> list[NullCase]:
    def case(design: Design, *, exact: bool, budget: float = 1.5) -> NullCase:
        def rejects(rng: Generator) -> bool:
            arms = (*_times(rng, design.a, budget), *_times(rng, design.b, budget))
            return log_rank(*arms, paired=design.paired, exact=exact).p <= ALPHA

        paired = "paired " if design.paired else ""
        return NullCase(
            test=f"{paired}log-rank" if exact else "log-rank, chi-squared",
            design=str(design),
            condition=f"exponential, {np.exp(-budget):.0%} censored",
            rejects=rejects,
            size=attainable_size(design, ALPHA) if exact else ALPHA,
            bound=exact,
            assumption="met" if exact else "asymptotic",
            cost=(2 if design.runs > 10 else 1) if exact else 15,
        )

    median = NullCase(
        test="Kaplan-Meier median",
        design="20 runs",
        condition="true median outside the interval",
        rejects=lambda rng: _misses_median(rng, 20),
        assumption="asymptotic",
        cost=10,
    )
    approximate = [case(design, exact=False) for design in (DESIGNS[1], DESIGNS[2])]
    return [*(case(design, exact=True) for design in (*DESIGNS, PAIRS[2])), *approximate, median]


def _misses_median(rng: Generator, runs: int) -> bool:
    found = median_time(*_times(rng, runs, 1.5))
    return not found.low <= np.log(2) <= found.high


def _misses(interval: Interval, truth: float = 0.0) -> bool:
    return not interval.low <= truth <= interval.high


def _interval_cases() -> list[NullCase]:
    def of_slides(rng: Generator) -> bool:
        slides = np.repeat(np.arange(10), 30)
        return _misses(t_interval(rng.normal(size=10)[slides] + rng.normal(size=300), groups=slides))

    def welch(design: Design, condition: str, draw: Draw) -> NullCase:
        return NullCase(
            test="Welch interval",
            design=str(design),
            condition=condition,
            rejects=lambda rng: _misses(difference_interval(*draw(rng, design))),
            assumption="asymptotic",
        )

    return [
        *(
            NullCase(
                test="t interval",
                design=f"{runs} runs",
                condition="normal",
                rejects=lambda rng, runs=runs: _misses(t_interval(rng.normal(size=runs))),
            )
            for runs in (3, 10)
        ),
        NullCase(test="t interval", design="10 slides", condition="30 images a slide", rejects=of_slides),
        *(welch(design, "normal", _normal) for design in DESIGNS),
        *(welch(design, "unequal spread", _unequal) for design in DESIGNS[1:]),
    ]


def _equivalence_cases() -> list[NullCase]:
    def case(design: Design, margin: float, condition: str, draw: Draw, **how: object) -> NullCase:
        def rejects(rng: Generator) -> bool:
            a, b = draw(rng, design)
            return equivalence_test(a + margin, b, margin=margin, paired=design.paired).verdict == "equivalent"

        return NullCase(
            test="TOST", design=str(design), condition=f"{condition}, true difference = margin", rejects=rejects, **how
        )

    return [
        case(PAIRS[0], 20.0, "normal", _normal),
        case(PAIRS[2], 4.0, "normal", _normal),
        case(PAIRS[2], 4.0, "shared seeds", _shared_seeds),
        case(PAIRS[2], 0.5, "normal, narrow margin", _normal, bound=True),
        case(DESIGNS[1], 20.0, "normal", _normal, assumption="asymptotic"),
        case(DESIGNS[2], 20.0, "unequal spread", _unequal, assumption="asymptotic"),
    ]


def _factorial_cases() -> list[NullCase]:
    factors = {"first": (0, 1), "second": (0, 1)}
    cells = pd.DataFrame({"first": [0, 0, 1, 1], "second": [0, 1, 0, 1]})

    def case(pairs: Design, column: str, **how: object) -> NullCase:
        def rejects(rng: Generator) -> bool:
            frame = pd.concat([cells.assign(seed=seed) for seed in range(pairs.a)])
            seeds = np.repeat(2 * rng.normal(size=pairs.a), len(cells))
            frame["outcome"] = seeds + frame["second"].to_numpy() + rng.normal(size=len(frame))
            effects = factorial_effects(frame, factors, "outcome", mixed=column == "mixed_p")
            return effects.set_index("term").loc["first", column] <= ALPHA

        name = "factorial, mixed model" if column == "mixed_p" else "factorial"
        return NullCase(
            test=name, design=f"{pairs.a} seeds", condition="2 x 2, the other factor works", rejects=rejects, **how
        )

    return [
        *(case(pairs, "p", size=attainable_size(pairs, ALPHA), cost=6) for pairs in PAIRS),
        *(case(pairs, "mixed_p", assumption="asymptotic", cost=15) for pairs in (PAIRS[0], PAIRS[2])),
    ]


def _bootstrap_cases() -> list[NullCase]:
    def case(name: str, design: Design, truth: float) -> NullCase:
        def rejects(rng: Generator) -> bool:
            drawn = _normal(rng, design)
            seed = int(rng.integers(2**31))
            return _misses(effect(name, *drawn, paired=design.paired, resamples=999, seed=seed), truth)

        return NullCase(
            test=f"bootstrap interval, {name}",
            design=str(design),
            condition="normal",
            rejects=rejects,
            assumption="asymptotic",
            cost=5,
        )

    three, five_three, ten = DESIGNS
    return [
        *(case("mean_difference", design, 0.0) for design in (three, five_three, ten, PAIRS[2])),
        *(case("cliffs_delta", design, 0.0) for design in (five_three, ten)),
        case("probability_of_improvement", PAIRS[2], 0.5),
        case("iqm_difference", ten, 0.0),
    ]
