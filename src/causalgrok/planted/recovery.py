"""What is recovered of the planted truth: direction, rank, order of strengths, erasure and concentration.

    direction_angle             degrees between the steering direction and the first planted axis
    <method>_angle              largest principal angle between the ablated subspace and the planted axes
    rank                        share of repeats in which `hospital_rank` finds the planted rank, 0 at strength 0
    leace_cross_covariance      largest covariance, in absolute value, of an erased channel and a hospital's indicator,
                                on the patches LEACE was fitted on, relative to the largest before
    <method>_heldout_accuracy   accuracy on other slides of a linear hospital probe, fitted where the removal was
    leace_fresh_accuracy        the same of one that was fitted on other slides still
    <method>_mlp_accuracy       the same of a small network
    <method>_tumour_accuracy    accuracy of a fresh linear tumour probe
    inlp_area, ...              the measures of the table `concentration`
    strength_order_<probe>      Spearman correlation of planted strength and what the probe measured, within a repeat
    concentration_order_<m>     case `plane`: share of repeats in which m is larger than with one axis, all else equal

`leace_heldout_accuracy` is at chance by a theorem (Belrose et al. 2023, section 3): where the covariance is zero in
sample, the best linear probe of that sample is constant. A probe fitted on patches that LEACE has not seen finds what
LEACE got wrong: little in the case iid, with n >= 50 d independent patches; more elsewhere, where slides differ.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats
from scipy.linalg import subspace_angles

from causalgrok.columns import COLUMNS
from causalgrok.interventions.ablation import ablate_features
from causalgrok.interventions.design import Design
from causalgrok.interventions.erasers import Eraser
from causalgrok.interventions.erasure import measure_erasure
from causalgrok.interventions.estimates import Estimates, estimate, hospital_erasers
from causalgrok.interventions.features import PROBE
from causalgrok.interventions.logistic import fit_logistic
from causalgrok.interventions.settings import Measurement
from causalgrok.interventions.steering import steering_directions
from causalgrok.planted.cases import MODELS, NULL_CASES, STRONG, strengths_of
from causalgrok.planted.feature_model import SECOND_SPREAD, Planted, generate
from causalgrok.planted.power import judge
from causalgrok.planted.rank import hospital_rank
from causalgrok.planted.trials import plant, seeds_of, try_probes

_CHEAP, _COSTLY, _SLOW = 5, 20, 40
"""Geometry is measured on every fifth of the repeats that a null case has, what takes many fits on every twentieth, and
what trains small networks on every fortieth."""

_ORDERED = (
    *("steering_logit_shift", "steering_spread", "steering_monotone", "logistic_flip_fraction"),
    *("shrunken_mean_flip_fraction", "leace_flip_fraction", "neurons_flip_fraction", "neurons_shrunken_flip_fraction"),
    "decodability",
)
"""Probes whose order of strengths is looked at."""

_CHANCE = 1 / 3

_FEW = {"refits": 1, "repeats": 1, "directions": 1, "matched_draws": 1}
"""Controls, where only values are looked at."""


def recovery_of_case(case: str, *, repeats: int, seed: int) -> pd.DataFrame:
    """Measure what is recovered in one case at all its strengths.

    Args:
        case: one of `CASES`.
        repeats: feature sets of a null case in `power_of_case`; here a fifth of them is enough, or less.
        seed: seed of the features and of all controls; repeats are those of `power_of_case`.

    Returns:
        The columns of the table `recovery`. Strength is missing where a row is about all of them.

    Raises:
        ValueError: there is no such case.
    """
    strengths, rows = strengths_of(case), []
    cheap, costly, slow = (max(2, repeats // share) for share in (_CHEAP, _COSTLY, _SLOW))
    for strength in strengths:
        measured = _repeated(_geometry, case, strength, cheap, seed)
        rank = MODELS[case].rank if strength else 0
        found = measured.pop("rank") == rank
        # Each test of `hospital_rank` finds a direction too many in 5 % of cases; two are the most that there can be.
        asked = (1.0 if rank == 2 else 0.95) if strength in (0.0, STRONG) else np.nan
        expected = {"leace_cross_covariance": 1e-9, "direction_angle": 10.0 if strength == STRONG else np.nan}
        rows.append((strength, "rank", *_share(found), asked))
        rows += [(strength, *row, expected.get(row[0], np.nan)) for row in _medians(measured)]
        if case not in NULL_CASES:
            measured = _repeated(_concentration, case, strength, costly, seed)
            rows += [(strength, *row, _concentrated(case, strength).get(row[0], np.nan)) for row in _medians(measured)]
    if case not in NULL_CASES:
        measured = _repeated(_erasure, case, STRONG, slow, seed)
        expected = {"leace_heldout_accuracy": _CHANCE} if case == "iid" else {}
        rows += [(STRONG, *row, expected.get(row[0], np.nan)) for row in _medians(measured)]
    if len(strengths) > 1:
        rows += [(np.nan, *row, np.nan) for row in _medians(_orders(case, strengths, costly, seed))]
    if case == "plane":
        rows += [
            (STRONG, f"concentration_order_{name}", *_share(larger), np.nan)
            for name, larger in _against_one_axis(costly, seed).items()
        ]
    columns = ["strength", "measure", "repeats", "value", "low", "high", "expected"]
    return pd.DataFrame(rows, columns=columns).assign(case=case)[list(COLUMNS["recovery"])]


def angle_between(basis: np.ndarray, axes: np.ndarray) -> float:
    """Largest principal angle in degrees between the spans of (d, r) and (d, s), of which the smaller is measured."""
    return float(np.degrees(subspace_angles(basis, axes).max()))


def cross_covariance(eraser: Eraser, features: np.ndarray, hospitals: np.ndarray) -> float:
    """Largest |covariance| of erased features (n, d) and hospitals (n,), relative to the largest before."""
    indicators = np.equal.outer(hospitals, np.unique(hospitals)) - 0.0
    indicators -= indicators.mean(axis=0)
    before, after = (np.abs(values.T @ indicators).max() for values in (features, eraser.erase(features)))
    return float(after / before)


def _geometry(planted: Planted, settings: Measurement) -> dict[str, float]:
    """Angles to the truth, rank, and LEACE's covariance in sample."""
    features, axes = planted.features, planted.truth.hospital_axes
    pool, hospitals, slides = features.at(0, PROBE), features.domains(PROBE), features.groups(PROBE)
    target = features.at(0, "ood_val").mean(axis=0, dtype=np.float64)
    labels, few = features.labels(PROBE), {"permuted": 1, "matched": 1, "isotropic": 1}
    step = steering_directions(pool, hospitals, slides, labels, target, seed=settings.seed, **few).steps[0]
    estimates = estimate(features, 0, settings)
    erasers = dict(reversed(list(hospital_erasers(estimates))))  # of every method the first variant
    fitting = estimates.fitting
    measured = {
        "rank": hospital_rank(pool, hospitals, slides, permutations=99, seed=settings.seed),
        "leace_cross_covariance": cross_covariance(erasers["leace"], fitting.features, fitting.hospitals),
        "leace_fresh_accuracy": _fresh_accuracy(estimates, erasers["leace"]),
        "direction_angle": angle_between(step[:, None], axes[:, :1]),
    }
    methods = ("logistic", "mean_difference", "leace")
    return measured | {f"{method}_angle": angle_between(erasers[method].right.T, axes) for method in methods}


def _fresh_accuracy(estimates: Estimates, eraser: Eraser) -> float:
    """Accuracy of a hospital probe of erased features, fitted on half of the judging slides and judged on the rest."""
    patches = estimates.judging
    second = np.zeros(len(patches.slides), dtype=bool)
    for hospital in np.unique(patches.hospitals):
        own = np.unique(patches.slides[patches.hospitals == hospital])
        second |= np.isin(patches.slides, own[len(own) // 2 :])
    erased = eraser.erase(patches.features)
    probe = fit_logistic(Design.of(erased[~second]), patches.hospitals[~second], C=estimates.probe.C)
    return float(np.mean(probe.predict(erased[second]) == patches.hospitals[second]))


def _concentration(planted: Planted, settings: Measurement) -> dict[str, float]:
    """The measures of the table `concentration`."""
    settings = settings.model_copy(update={"inlp_iterations": 4, "bootstraps": 40, **_FEW})
    tables = ablate_features(planted.features, settings, ("concentration",))
    return tables["concentration"].set_index("measure")["value"].to_dict()


def _erasure(planted: Planted, settings: Measurement) -> dict[str, float]:
    """What fresh probes find after every removal; means over the draws of a control."""
    table = measure_erasure(planted.features, {"final": 0}, settings.model_copy(update={"inlp_iterations": 4}))
    table = table[(table["target"] == "hospital") | (table["probe"] == "linear")]
    what = table["probe"].map({"linear": "heldout", "mlp": "mlp"}).where(table["target"] == "hospital", "tumour")
    last = table["rank"] == table.groupby("method")["rank"].transform("max")
    return table["accuracy"][last].groupby(table["method"] + "_" + what + "_accuracy", sort=False).mean().to_dict()


def _concentrated(case: str, strength: float) -> dict[str, float]:
    """What the measures of concentration are where the planted effect drowns everything else."""
    if strength != STRONG:
        return {}
    squares = np.array([1.0, SECOND_SPREAD**2][: MODELS[case].rank])
    angle = np.degrees(np.arctan2(1.0, MODELS[case].reliance))
    return {"between_participation": squares.sum() ** 2 / np.sum(squares**2), "head_angle": float(angle)}


def _repeated(
    measure: Callable[[Planted, Measurement], dict[str, float]], case: str, strength: float, repeats: int, seed: int
) -> dict[str, np.ndarray]:
    """What was measured on every repeat: name -> (repeats,)."""
    measured = [measure(*plant(case, strength, repeat, seed=seed)) for repeat in range(repeats)]
    return {name: np.array([one[name] for one in measured]) for name in measured[0]}


def _orders(case: str, strengths: tuple[float, ...], repeats: int, seed: int) -> dict[str, np.ndarray]:
    """Spearman correlation of planted and measured strength in every repeat, by probe."""
    values = []
    for strength in strengths:
        trials = []
        for repeat in range(repeats):
            planted, settings = plant(case, strength, repeat, seed=seed)
            trials.append(try_probes(planted.features, settings.model_copy(update=_FEW), repeat))
        judged = judge(trials).drop_duplicates(["probe", "trial"])
        values.append(judged.pivot(index="probe", columns="trial", values="value").loc[list(_ORDERED)])
    values = np.nan_to_num(np.stack(values))
    return {
        f"strength_order_{probe}": np.array([_spearman(strengths, one) for one in values[:, index].T])
        for index, probe in enumerate(_ORDERED)
    }


def _spearman(strengths: tuple[float, ...], values: np.ndarray) -> float:
    """Spearman correlation of strengths (s,) and values (s,); 0 where the values are all equal."""
    return float(stats.spearmanr(strengths, values).statistic) if np.ptp(values) > 0 else 0.0


def _against_one_axis(repeats: int, seed: int) -> dict[str, np.ndarray]:
    """Whether each measure of concentration is larger for two planted axes than for one, in every repeat."""
    two, one = _repeated(_concentration, "plane", STRONG, repeats, seed), []
    model = replace(MODELS["plane"], rank=1, strength=STRONG)
    for repeat in range(repeats):
        own, settings = seeds_of("plane", repeat, seed)
        one.append(_concentration(generate(model, own), settings))
    return {name: values > np.array([single[name] for single in one]) for name, values in two.items()}


def _medians(measured: dict[str, np.ndarray]) -> Iterable[tuple[str, int, float, float, float]]:
    """Measure, repeats, median and the central 95 % of the repeats."""
    for name, values in measured.items():
        known = values[~np.isnan(values)]
        yield name, len(values), *(np.quantile(known, (0.5, 0.025, 0.975)) if known.size else (np.nan,) * 3)


def _share(found: np.ndarray) -> tuple[int, float, float, float]:
    """Repeats, the share of those in which something was found, and its Clopper-Pearson interval."""
    interval = stats.binomtest(int(found.sum()), len(found)).proportion_ci(0.95, method="exact")
    return len(found), float(found.mean()), float(interval.low), float(interval.high)
