"""One trial: features are generated and everything that the pipeline does to a checkpoint is done to them.

The functions are the pipeline's own, with the pipeline's numbers of refits; only the grids are short, since one C, one
neuron count and the whole projection are enough to ask whether a probe finds something. Every trial has its own seed
for its controls: permutations that all trials shared would let one lucky set of them decide a false-positive rate.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from causalgrok.columns import RUN
from causalgrok.interventions.ablation import ablate_features
from causalgrok.interventions.between import hospital_shares, slide_means
from causalgrok.interventions.controls import permuted_domains, slide_ids, without_label_means
from causalgrok.interventions.estimates import estimate, permuted_hospitals
from causalgrok.interventions.features import PROBE, Features
from causalgrok.interventions.settings import Measurement
from causalgrok.interventions.steering import steer_activations
from causalgrok.planted.cases import MODELS
from causalgrok.planted.feature_model import Planted, generate, with_strength

JUDGED = "ood_test"
"""The split on which probes' effects are judged; OOD val gives directions their sign."""

NEURONS = 8
"""Channels that neuron ablation takes out, of 32."""

_MEASUREMENT = Measurement(
    inverse_regularisation=[0.01],
    folds=2,
    strengths=[0.0, 1.0],
    neuron_counts=[0, NEURONS],
    refits=39,
    repeats=19,
    directions=19,
    matched_draws=19,
    inlp_iterations=1,
)


@dataclass(frozen=True)
class Trial:
    """What the probes measured on one set of features."""

    tables: dict[str, pd.DataFrame]
    """Tables steering, subspace and neurons on the judged split, with the columns of `RUN`; seed is the repeat."""

    refitted: dict[str, np.ndarray]
    """Probe -> (1 + refits,) what it measured under the true hospitals and under each of the permuted ones."""


def seeds_of(case: str, repeat: int, seed: int) -> tuple[int, Measurement]:
    """Seed of a repeat's features, the same at all strengths, and how they are measured."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(case.encode()), repeat])
    features, controls = (int(word) for word in sequence.generate_state(2))
    return features, _MEASUREMENT.model_copy(update={"seed": controls})


def plant(case: str, strength: float, repeat: int, *, seed: int) -> tuple[Planted, Measurement]:
    """A repeat's features, and how they are measured."""
    own, settings = seeds_of(case, repeat, seed)
    return generate(with_strength(MODELS[case], strength), own), settings


def try_probes(features: Features, settings: Measurement, repeat: int) -> Trial:
    """Measure one set of features with all probes."""
    judged, steered = (replace(features, splits=splits) for splits in ((JUDGED,), ("ood_val", JUDGED)))
    steering = steer_activations(steered, settings)
    tables = {
        "steering": steering[(steering["split"] == JUDGED) & (steering["direction"] != "bias")],
        **{
            name: _compared(table) for name, table in ablate_features(judged, settings, ("subspace", "neurons")).items()
        },
    }
    run = dict(zip(RUN, ("planted", "none", len(features.labels("train")), repeat), strict=True))
    tables = {name: table.assign(**run) for name, table in tables.items()}
    refitted = {"steering_spread": hospital_spreads, "decodability": decodability}
    return Trial(tables, {name: measure(features, settings) for name, measure in refitted.items()})


def hospital_spreads(features: Features, settings: Measurement) -> np.ndarray:
    """Margin shifts (1 + refits,) of a step along the hospital direction as long as hospitals lie apart.

    Steering by standard deviations of the projections forgets how far hospitals lie apart, which permuted hospitals
    hardly do even along the right direction. The length of this step is the root of the top eigenvalue of the
    between-hospital covariance, for true and permuted hospitals alike.
    """
    hospitals, slides = features.domains(PROBE), slide_ids(features.domains(PROBE), features.groups(PROBE))
    pool = without_label_means(features.at(0, PROBE), features.labels(PROBE))
    summed = slide_means(pool, slides)
    drawn = permuted_domains(hospitals, slides, settings.refits, seed=settings.seed)
    means = hospital_shares(np.vstack([hospitals, drawn])[:, summed.first], summed.sizes) @ summed.means
    _, values, vectors = np.linalg.svd(means - means.mean(axis=1, keepdims=True), full_matrices=False)
    weight = features.head(0).weight.astype(np.float64)
    return values[:, 0] / np.sqrt(means.shape[1]) * np.abs(vectors[:, 0] @ (weight[1] - weight[0]))


def decodability(features: Features, settings: Measurement) -> np.ndarray:
    """Accuracy (1 + refits,) of the hospital classifier on the judging slides, for true and permuted hospitals.

    Fitting and judging slides exchange hospitals among themselves, as in layer-wise probing.
    """
    estimates = estimate(features, 0, settings)
    judging = estimates.judging
    judged = permuted_hospitals(judging, settings.refits, seed=settings.seed, purpose="judging")
    probes, truths = [estimates.probe, *estimates.refitted], [judging.hospitals, *judged]
    correct = [probe.predict(judging.features) == truth for probe, truth in zip(probes, truths, strict=True)]
    return np.mean(correct, axis=1)


def _compared(table: pd.DataFrame) -> pd.DataFrame:
    """The rows whose verdicts are looked at: channels at zero and shrunken; no INLP, here the logistic rows again."""
    if "mode" in table:
        return table[table["mode"] != "mean"]
    return table[(table["method"] != "inlp") & (table["space"] == "raw")]
