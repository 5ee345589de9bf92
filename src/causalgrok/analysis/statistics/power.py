"""What a design could have found: the minimum detectable effect, and the runs that an effect needs.

The power of Student's two-sided t test at a true effect of d standard deviations is that of the noncentral t with
noncentrality d sqrt(n) (paired) or d sqrt(n_a n_b / (n_a + n_b)) (Cohen 1988). (`statsmodels` has the same formula, but
its solver returns wrong effects for two or three runs, without a word.) The standard deviation is put in beforehand, as
a planning value: power computed afterwards from the effect that was observed says nothing that p did not (Hoenig &
Heisey 2001). For the permutation test of the same design it is a lower bound: with few labelings that test rejects only
when the arms hardly overlap, and never while its smallest p exceeds alpha; the detectable effect is then infinite.
"""

import math
from dataclasses import dataclass

import numpy as np

from causalgrok.analysis.statistics.results import Design, share

LARGEST_DESIGN = 10_000
"""Most runs an arm that `runs_needed` considers."""


@dataclass(frozen=True, kw_only=True)
class Detectable:
    """The smallest effect that a design finds with a stated power."""

    effect: float
    """In the units of the data; infinite if the design cannot reach alpha."""

    in_deviations: float
    """The same in standard deviations."""

    design: Design
    """The runs."""

    alpha: float
    """Level of the two-sided test."""

    power: float
    """Chance of finding an effect of that size."""

    smallest_p: float
    """The smallest p of the permutation test of this design."""


def minimum_detectable_effect(
    design: Design, *, deviation: float, alpha: float = 0.05, power: float = 0.8, permutation: bool = True
) -> Detectable:
    """The smallest true difference of means that a two-sided test finds with the stated power.

    Args:
        design: runs an arm, or pairs.
        deviation: standard deviation of a run within its arm; of the pairs' differences if paired.
        alpha: level of the test.
        power: chance of finding the effect.
        permutation: whether the test is the exact one, which needs its smallest p at or below alpha.

    Raises:
        ValueError: deviation not above 0, or alpha or power outside 0 to 1, or power not above alpha.
    """
    _check(deviation, alpha, power)
    smallest = design.smallest_p()
    if (permutation and smallest > alpha) or _freedom(design) < 1:
        standardised = np.inf
    else:
        standardised = _detectable_deviations(design, alpha, power)
    return Detectable(
        effect=standardised * deviation,
        in_deviations=standardised,
        design=design,
        alpha=alpha,
        power=power,
        smallest_p=smallest,
    )


def runs_needed(
    effect: float,
    *,
    deviation: float,
    paired: bool = False,
    alpha: float = 0.05,
    power: float = 0.8,
    permutation: bool = True,
) -> Design:
    """The smallest design, equal arms or pairs, that finds `effect` with the stated power.

    Args:
        effect: true difference of means, other than 0, in the units of the data.
        deviation: as for `minimum_detectable_effect`.
        paired: whether runs share seeds.
        alpha: level of the test.
        power: chance of finding the effect.
        permutation: as for `minimum_detectable_effect`.

    Raises:
        ValueError: effect 0 or not finite, more than `LARGEST_DESIGN` runs an arm, or as `minimum_detectable_effect`.
    """
    _check(deviation, alpha, power)
    if effect == 0 or not math.isfinite(effect):
        raise ValueError(f"effect is {effect}: expected a finite difference other than 0")

    standardised = abs(effect) / deviation

    def enough(runs: int) -> bool:
        design = Design(runs, runs, paired)
        if (permutation and design.smallest_p() > alpha) or _freedom(design) < 1:
            return False
        return t_power(standardised, design, alpha=alpha) >= power

    if not enough(LARGEST_DESIGN):
        raise ValueError(f"{standardised:.2g} standard deviations need more than {LARGEST_DESIGN} runs an arm")
    few, many = 1, LARGEST_DESIGN
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return Design(many, many, paired)


def t_power(standardised: float, design: Design, *, alpha: float = 0.05) -> float:
    """Power of the two-sided t test of a design at a true effect in standard deviations."""
    from scipy import stats

    noncentrality = abs(standardised) * math.sqrt(design.a if design.paired else design.a * design.b / design.runs)
    freedom = _freedom(design)
    critical = stats.t.isf(alpha / 2, freedom)
    # Far from 0 scipy's lower tail, below 1e-15 there, comes out as NaN for some values.
    wrong_side = np.nan_to_num(stats.nct.cdf(-critical, freedom, noncentrality))
    return float(stats.nct.sf(critical, freedom, noncentrality) + wrong_side)


def _detectable_deviations(design: Design, alpha: float, power: float) -> float:
    from scipy.optimize import brentq

    reach = 1.0
    while t_power(reach, design, alpha=alpha) < power:
        reach *= 2
    return float(brentq(lambda standardised: t_power(standardised, design, alpha=alpha) - power, 0, reach))


def _freedom(design: Design) -> int:
    return design.a - 1 if design.paired else design.a + design.b - 2


def _check(deviation: float, alpha: float, power: float) -> None:
    if not 0 < deviation < math.inf:
        raise ValueError(f"deviation is {deviation}: expected a standard deviation above 0, a planning value")
    if share(power, "power") <= share(alpha, "alpha"):
        raise ValueError(f"power {power} is not above alpha {alpha}: any design has that")
