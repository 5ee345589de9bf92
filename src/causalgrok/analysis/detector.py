"""A grokking detector: definition 3.1 of Carvalho et al. (2025, arXiv 2502.01774) made operational.

The definition: train performance has converged, at alpha_0, to T_R; up to then sigma_S bounds test performance from
above; at alpha_1 test performance enters [sigma_E, 1] and stays for the support S. How much was grokked is
Delta_S = sigma_E - sigma_S, the room that is left Delta_T = T_R - sigma_E. It names no thresholds. Here:

- alpha_0 is the first evaluation with train accuracy at `train_converged`; sigma_S is the highest test accuracy up to
  it, and at least chance. The other alpha_0, that of the source's figure, is the last evaluation before alpha_1 with
  test accuracy in that low region.
- sigma_E is the mean of the final plateau minus 2 standard errors, so that a task with a ceiling below 1 can grok.
  Neighbouring checkpoints resemble each other: the standard error is that of n (1 - r) / (1 + r) independent
  evaluations, r their lag-1 autocorrelation with its small-sample bias taken out (Marriott & Pope 1954), and never less
  than one. A plateau that still rises has a high r and a low sigma_E.
- alpha_1 is the first evaluation from which test accuracy stays in the plateau until the end. A single checkpoint
  scatters about the plateau's mean, and the mean is approached slowly, so staying means: the running median of test
  accuracy, which a spike of two evaluations does not move, falls below sigma_E by no more than `noise` standard
  deviations of the plateau, or by no more than the share `tolerance` of Delta_S, whichever is more.
- Grokked: Delta_S >= delta, alpha_1 / alpha_0 >= rho and S >= support * (alpha_1 - alpha_0); Delta_T is reported. A run
  that has not grokked is censored at its last step.
"""

import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from causalgrok.analysis.settings import DetectorSettings

Label = Literal["grokked", "semi_grokked", "peak_decline", "plateau", "never_memorised"]
"""What became of a run, the first of these that holds: never_memorised, train accuracy never converged; grokked;
semi_grokked, a delayed rise that is too small, ends below the task's ceiling or has not stayed long enough;
peak_decline, test accuracy was significantly higher before; plateau, none of these."""

LABELS: tuple[Label, ...] = ("grokked", "semi_grokked", "peak_decline", "plateau", "never_memorised")

_ROUNDING = 1e-9  # far below one image of any test split


@dataclass(frozen=True, kw_only=True)
class Detection:
    """What the detector saw in one run; steps are in the unit that came in, NaN where there is none."""

    label: Label
    """What became of the run."""

    censored: bool
    """Whether the run ended without having grokked."""

    time: float
    """alpha_1 if it grokked, otherwise its last step."""

    alpha_0: float
    """Step at which train accuracy had converged."""

    alpha_0_test: float
    """Last step before alpha_1 at which test accuracy was in the low region; NaN if it never was, after alpha_0."""

    alpha_1: float
    """Step from which test accuracy stayed in the final plateau; the evaluation before it was still outside."""

    sigma_S: float
    """Upper bound of the low region."""

    sigma_E: float
    """Lower bound of the final plateau."""

    train_limit: float
    """T_R: mean train accuracy in the plateau."""

    delta_S: float
    """sigma_E - sigma_S."""

    delta_T: float
    """T_R - sigma_E."""

    support: float
    """S: steps from alpha_1 to the end."""

    delay: float
    """alpha_1 / alpha_0."""

    plateau: float
    """Mean test accuracy in the plateau."""

    plateau_error: float
    """Its standard error."""

    drift: float
    """Mean of the plateau's second half minus that of its first: far from 0 if the run had not settled."""

    decline: float
    """Mean test accuracy of the stretch that stands out most above the plateau, minus the plateau's; 0 if none does."""

    decline_step: float
    """First step of that stretch."""


def detect(
    steps: ArrayLike, train_accuracy: ArrayLike, test_accuracy: ArrayLike, chance: float, settings: DetectorSettings
) -> Detection:
    """Did this run grok?

    Args:
        steps: steps or epochs of the evaluations (n,), ascending, not below 0.
        train_accuracy: accuracy on the training subset (n,).
        test_accuracy: accuracy on the test split (n,).
        chance: accuracy of guessing.
        settings: thresholds.

    Raises:
        ValueError: lengths that differ, steps that do not ascend, accuracies or chance outside 0 to 1, or no more
            evaluations than a plateau needs.
    """
    steps, train, test = _checked(steps, train_accuracy, test_accuracy, chance, settings)
    start = plateau_start(steps, settings)
    plateau = test[start:]
    mean, error, spread = plateau.mean(), mean_error(plateau), plateau.std(ddof=1)
    sigma_e = mean - settings.errors * error
    reached = np.flatnonzero(train >= settings.train_converged)
    converged = reached[0] if len(reached) else None
    alpha_0 = np.nan if converged is None else steps[converged]
    sigma_s = np.nan if converged is None else max(test[: converged + 1].max(), chance)
    smooth = running_median(test, settings.median)
    short = np.fmax(settings.noise * spread, settings.tolerance * (sigma_e - sigma_s))
    outside = np.flatnonzero(smooth < sigma_e - short - _ROUNDING)
    entered = outside[-1] + 1 if len(outside) else 0
    alpha_1 = steps[entered] if entered < len(steps) else np.nan
    low = np.flatnonzero((smooth <= sigma_s) & (steps >= alpha_0) & (np.arange(len(steps)) < entered))
    alpha_0_test = steps[low[-1]] if len(low) else np.nan
    decline, decline_step = _decline(steps, test, start, settings)
    found = {
        "alpha_0": float(alpha_0),
        "alpha_0_test": float(alpha_0_test),
        "alpha_1": float(alpha_1),
        "sigma_S": float(sigma_s),
        "sigma_E": float(sigma_e),
        "train_limit": float(train[start:].mean()),
        "delta_S": float(sigma_e - sigma_s),
        "delta_T": float(train[start:].mean() - sigma_e),
        "support": float(steps[-1] - alpha_1),
        "delay": float(alpha_1 / max(alpha_0, steps[steps > 0][0])),
        "plateau": float(mean),
        "plateau_error": float(error),
        "drift": float(plateau[len(plateau) // 2 :].mean() - plateau[: len(plateau) // 2].mean()),
        "decline": decline,
        "decline_step": decline_step,
    }
    label = _label(found, settings)
    grokked = label == "grokked"
    return Detection(label=label, censored=not grokked, time=found["alpha_1"] if grokked else float(steps[-1]), **found)


def sensitivity(
    steps: ArrayLike,
    train_accuracy: ArrayLike,
    test_accuracy: ArrayLike,
    chance: float,
    settings: DetectorSettings,
    *,
    deltas: Iterable[float] = (0.05, 0.1, 0.2, 0.4),
    rhos: Iterable[float] = (2.0, 3.0, 10.0),
    train_converged: Iterable[float] = (0.95, 0.99),
    plateaus: Iterable[float] = (0.1, 0.25),
) -> pd.DataFrame:
    """One run under other thresholds, the settings' own among them.

    Args:
        steps: as for `detect`, and so are the other four.
        train_accuracy: see there.
        test_accuracy: see there.
        chance: see there.
        settings: whatever is not varied.
        deltas: values of delta; semi_delta keeps its ratio to it.
        rhos: values of rho.
        train_converged: values of train_converged.
        plateaus: values of plateau.

    Returns:
        A row for each combination: the thresholds, configured (whether they are the settings'), label, alpha_0,
        alpha_1 and delta_S.
    """
    rows = []
    grids = {"delta": deltas, "rho": rhos, "train_converged": train_converged, "plateau": plateaus}
    own = {name: getattr(settings, name) for name in grids}
    for values in itertools.product(*(sorted({*grid, own[name]}) for name, grid in grids.items())):
        varied = dict(zip(grids, values, strict=True))
        varied["semi_delta"] = settings.semi_delta / settings.delta * varied["delta"]
        changed = DetectorSettings(**(settings.model_dump() | varied))
        found = asdict(detect(steps, train_accuracy, test_accuracy, chance, changed))
        shown = {name: found[name] for name in ("label", "alpha_0", "alpha_1", "delta_S")}
        rows.append({name: varied[name] for name in grids} | {"configured": {**varied, **own} == varied} | shown)
    return pd.DataFrame(rows)


def plateau_start(steps: np.ndarray, settings: DetectorSettings) -> int:
    """Index of the first evaluation of the final plateau."""
    late = int(np.searchsorted(steps, steps[-1] - settings.plateau * (steps[-1] - steps[0])))
    return min(late, len(steps) - settings.plateau_evaluations)


def mean_error(values: np.ndarray) -> float:
    """Standard error of the mean of values (n,) in order of time, corrected for their lag-1 autocorrelation.

    Never above their standard deviation, the error of one value.
    """
    return float(values.std(ddof=1) / np.sqrt(_effective(len(values), _autocorrelation(values))))


def running_median(values: np.ndarray, width: int) -> np.ndarray:
    """Medians (n,) of `width` values about each of values (n,), the first and last repeated beyond the ends."""
    padded = np.pad(values, width // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)


def _autocorrelation(values: np.ndarray) -> float:
    """Lag-1 autocorrelation of values (n,), its bias taken out, within 0 to .99."""
    count = len(values)
    centred = values - values.mean()
    power = np.sum(centred**2)
    if power <= (8 * np.finfo(np.float64).eps) ** 2 * count:
        return 0.0
    lagged = np.sum(centred[1:] * centred[:-1]) / power
    return float(np.clip((count * lagged + 1) / (count - 3), 0, 0.99))


def _effective(count: int, correlation: float) -> float:
    """Number of independent values that say as much about their mean as `count` autocorrelated ones."""
    return max(1.0, count * (1 - correlation) / (1 + correlation))


def _decline(steps: np.ndarray, test: np.ndarray, start: int, settings: DetectorSettings) -> tuple[float, float]:
    """How far the plateau lies below the stretch that stands out most above it, and where that begins; 0, NaN if none.

    Stretches are as long as the running median, twice as long, and so on, and end before the plateau. A stretch stands
    out if its mean exceeds the plateau's by `noise` standard errors of the difference, with the plateau's spread and
    autocorrelation.
    """
    plateau = test[start:]
    spread, correlation = plateau.std(ddof=1), _autocorrelation(plateau)
    sums = np.concatenate([[0.0], np.cumsum(test[:start])])
    best, found = 0.0, (0.0, np.nan)
    width = settings.median
    while width <= start:
        excess = (sums[width:] - sums[:-width]) / width - plateau.mean()
        error = spread * np.sqrt(1 / _effective(width, correlation) + 1 / _effective(len(plateau), correlation))
        first = int(np.argmax(excess))
        if excess[first] >= max(settings.decline, settings.noise * error) and excess[first] > best:
            best = excess[first]
            found = (float(best), float(steps[first]))
        width *= 2
    return found


def _label(found: dict[str, float], settings: DetectorSettings) -> Label:
    if np.isnan(found["alpha_0"]):
        return "never_memorised"
    rise = found["delta_S"] + _ROUNDING
    if found["delay"] >= settings.rho and rise >= settings.semi_delta:
        supported = found["support"] >= settings.support * (found["alpha_1"] - found["alpha_0"])
        complete = settings.ceiling is None or found["sigma_E"] >= settings.ceiling - settings.delta
        return "grokked" if rise >= settings.delta and supported and complete else "semi_grokked"
    return "peak_decline" if found["decline"] else "plateau"


def _checked(
    steps: ArrayLike, train: ArrayLike, test: ArrayLike, chance: float, settings: DetectorSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    curves = {"steps": steps, "train_accuracy": train, "test_accuracy": test}
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in curves.items()}
    shapes = {name: values.shape for name, values in arrays.items()}
    if len(set(shapes.values())) > 1 or arrays["steps"].ndim != 1:
        raise ValueError(f"shapes are {shapes}: expected one entry an evaluation in each")
    if len(arrays["steps"]) <= settings.plateau_evaluations:
        raise ValueError(
            f"{len(arrays['steps'])} evaluations are too few: expected more than the plateau's "
            f"{settings.plateau_evaluations}; evaluate more often, or lower plateau_evaluations"
        )
    if not (np.diff(arrays["steps"]) > 0).all() or arrays["steps"][0] < 0:
        raise ValueError("steps do not ascend from 0 or above: sort the evaluations, one row a step")
    for name, values in {**arrays, "chance": np.atleast_1d(chance)}.items():
        if name != "steps" and not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"{name} has values outside 0 to 1: expected fractions, none missing")
    return arrays["steps"], arrays["train_accuracy"], arrays["test_accuracy"]
