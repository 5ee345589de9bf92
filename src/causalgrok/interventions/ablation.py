"""Everything that is asked of a checkpoint's pooled features about the hospital, from one estimate of where it lies.

Directions (`subspace`), channels (`neurons`) and how concentrated they are (`concentration`) share the hospital
classifier, its refits under permuted hospitals and INLP, which cost more than what is made of them.
"""

from collections.abc import Callable, Collection

import pandas as pd

from causalgrok.columns import COLUMNS
from causalgrok.interventions.concentration import measure_concentration
from causalgrok.interventions.estimates import Estimates, estimate
from causalgrok.interventions.features import Features
from causalgrok.interventions.neurons import ablate_neurons
from causalgrok.interventions.settings import Measurement
from causalgrok.interventions.subspace import ablate_subspace

TABLES: dict[str, Callable[[Features, Estimates], pd.DataFrame]] = {
    "subspace": ablate_subspace,
    "neurons": ablate_neurons,
    "concentration": measure_concentration,
}
"""Table -> its rows at one checkpoint."""


def ablate_features(
    features: Features, settings: Measurement, tables: Collection[str] = tuple(TABLES)
) -> dict[str, pd.DataFrame]:
    """Measure all checkpoints.

    Args:
        features: the run's features.
        settings: grids and repeats.
        tables: which of `TABLES`.

    Returns:
        Table -> its rows.

    Raises:
        ValueError: a hospital has only one slide, hospitals cannot be permuted by slide, no neuron count is below the
            network's width, or a feature is not finite.
    """
    frames: dict[str, list[pd.DataFrame]] = {table: [] for table in tables}
    for epoch in features.epochs:
        estimates = estimate(features, epoch, settings)
        for table, some in frames.items():
            some.append(TABLES[table](features, estimates))
    empty = {table: pd.DataFrame(columns=list(COLUMNS[table])) for table in tables}
    kept = {table: [frame for frame in some if len(frame)] or [empty[table]] for table, some in frames.items()}
    return {table: pd.concat(some, ignore_index=True) for table, some in kept.items()}
