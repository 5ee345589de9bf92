"""Main effects and interactions of a 2^k factorial whose cells share seeds.

Factors are coded -1 (low) and +1 (high). The effect of a term (a factor, or a product of factors) is the mean outcome
where the product of its codes is +1 minus the mean where it is -1 (Box, Hunter & Hunter 2005): for an interaction of
two factors, half of the change that one makes in the other's effect. Every seed has run all 2^k cells, so every seed
gives one contrast a term and the seeds are the sample: a t interval over them, and an exact test that flips their
signs, whose smallest p is 2 / 2^seeds.

Beside it stands the linear mixed model with seed as random intercept (Laird & Ware 1982; REML by `statsmodels`), coded
-1/2 and +1/2 so that a coefficient is a difference of means too. It pools one residual variance over all terms, and its
p is from the normal distribution, too small for few seeds: it is shown, and decides nothing.
"""

import itertools
import warnings
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from causalgrok.analysis.statistics.intervals import t_interval
from causalgrok.analysis.statistics.permutation import permutation_test
from causalgrok.analysis.statistics.results import share

Factors = Mapping[str, tuple[object, object]]
"""Factor -> its (low, high) value."""

_MIXED = ("mixed_estimate", "mixed_low", "mixed_high", "mixed_p")


def factorial_effects(
    frame: pd.DataFrame, factors: Factors, outcome: str, *, seed: str = "seed", level: float = 0.95, mixed: bool = True
) -> pd.DataFrame:
    """Every main effect and interaction on one outcome.

    Args:
        frame: one row a run, with the factors, the seed and the outcome as columns.
        factors: factor -> its (low, high) value.
        outcome: column that is explained.
        seed: column of the seed that the cells share.
        level: coverage of the intervals.
        mixed: whether to fit the mixed model too, which takes longer than all the rest.

    Returns:
        One row a term, main effects first: term (factors joined by ``:``), order (how many), estimate, low, high, p,
        smallest_p, exact, seeds; mixed_estimate, mixed_low, mixed_high, mixed_p (NaN where the model is not asked for
        or cannot be fitted, as with one seed, or when nothing varies).

    Raises:
        ValueError: a column is missing, a value is neither low nor high, the outcome is not finite, or a seed lacks or
            repeats a cell.
    """
    share(level, "level")
    outcomes, seeds = _by_seed(frame, factors, outcome, seed)
    terms, codes = _terms(factors)
    modelled = _mixed_model(outcomes, codes, level) if mixed else np.full((len(_MIXED), len(terms)), np.nan)
    rows = []
    for (term, order), contrasts, of_model in zip(terms, _contrasts(outcomes, codes), modelled.T, strict=True):
        interval = t_interval(contrasts, level=level)
        test = permutation_test(contrasts, np.zeros(len(seeds)), paired=True)
        rows.append(
            {
                "term": term,
                "order": order,
                "estimate": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "p": test.p,
                "smallest_p": test.smallest_p,
                "exact": test.exact,
                "seeds": len(seeds),
            }
            | dict(zip(_MIXED, of_model, strict=True))
        )
    return pd.DataFrame(rows)


def seed_contrasts(frame: pd.DataFrame, factors: Factors, outcome: str, *, seed: str = "seed") -> pd.DataFrame:
    """Each seed's own effect of each term, the points of a forest plot: columns term, order, seed, contrast.

    Raises:
        ValueError: as `factorial_effects`.
    """
    outcomes, seeds = _by_seed(frame, factors, outcome, seed)
    terms, codes = _terms(factors)
    rows = [
        {"term": term, "order": order, "seed": one, "contrast": contrast}
        for (term, order), contrasts in zip(terms, _contrasts(outcomes, codes), strict=True)
        for one, contrast in zip(seeds, contrasts, strict=True)
    ]
    return pd.DataFrame(rows)


def terms_of(factors: Iterable[str]) -> list[tuple[str, int]]:
    """The terms of a design as (name, number of factors), main effects first."""
    return _terms(factors)[0]


def _terms(factors: Iterable[str]) -> tuple[list[tuple[str, int]], np.ndarray]:
    """Terms as (name, order), main effects first, and their codes -1 and +1 (cells, terms)."""
    names = list(factors)
    cells = np.array(list(itertools.product((-1, 1), repeat=len(names))))
    chosen = [term for order in range(1, len(names) + 1) for term in itertools.combinations(range(len(names)), order)]
    codes = np.stack([cells[:, list(term)].prod(axis=1) for term in chosen], axis=1)
    return [(":".join(names[factor] for factor in term), len(term)) for term in chosen], codes


def _contrasts(outcomes: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Effects (terms, seeds) of outcomes (seeds, cells) under codes (cells, terms)."""
    return (outcomes @ codes / (len(codes) / 2)).T


def _by_seed(frame: pd.DataFrame, factors: Factors, outcome: str, seed: str) -> tuple[np.ndarray, list]:
    """Outcomes (seeds, 2^k), the cells in the order of `itertools.product` over low and high, and the seeds."""
    if not factors:
        raise ValueError("factors is empty: expected factor -> (low, high)")
    missing = [column for column in (*factors, outcome, seed) if column not in frame]
    if missing:
        raise ValueError(f"the frame has no column {', '.join(map(repr, missing))}")
    if frame.empty:
        raise ValueError("the frame has no runs")
    for factor, levels in factors.items():
        values = set(frame[factor])
        if len(set(levels)) != 2 or not values <= set(levels):
            raise ValueError(
                f"factor {factor!r} has values {sorted(values, key=str)}: expected two levels, (low, high) = {levels}"
            )
    if not np.isfinite(frame[outcome].astype(float)).all():
        raise ValueError(f"outcome {outcome!r} has values that are not finite: a factorial needs all of its runs")
    cells = list(itertools.product(*factors.values()))
    runs = frame.groupby([seed, *factors])[outcome]
    counts, values = runs.size(), runs.mean().astype(float)
    seeds = sorted(frame[seed].unique())
    for one, cell in itertools.product(seeds, cells):
        found = counts.get((one, *cell), 0)
        if found != 1:
            where = ", ".join(f"{factor}={value}" for factor, value in zip(factors, cell, strict=True))
            raise ValueError(f"seed {one} has {found} runs with {where}: expected one in every cell")
    return np.array([[values[(one, *cell)] for cell in cells] for one in seeds]), seeds


def _mixed_model(outcomes: np.ndarray, codes: np.ndarray, level: float) -> np.ndarray:
    """The columns `_MIXED` (4, terms) of outcomes (seeds, cells) under codes (cells, terms)."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    seeds, cells = outcomes.shape
    terms = codes.shape[1]
    design = np.tile(np.column_stack([np.ones(cells), codes / 2]), (seeds, 1))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = MixedLM(outcomes.ravel(), design, groups=np.repeat(np.arange(seeds), cells)).fit(reml=True)
            low, high = fitted.conf_int(alpha=1 - level)[1 : terms + 1].T
            return np.array([fitted.fe_params[1:], low, high, fitted.pvalues[1 : terms + 1]])
    except (np.linalg.LinAlgError, ValueError):
        return np.full((len(_MIXED), terms), np.nan)
