"""The tables: their columns, and how they are read and written.

Every table is one Parquet file that opens with one line of pandas, DuckDB or polars. Columns may be added, never
renamed. `write_table` refuses a table whose columns are not the described ones, and puts the descriptions into the
Parquet metadata.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from causalgrok.files import whole

RUN = {
    "task": "the run's task: dataset, model, loss and budget",
    "recipe": "the run's recipe: its optimisation settings",
    "n": "number of training examples",
    "seed": "seed of subset, initialisation and order; equal seeds are paired across recipes",
}

_EPOCH = {"epoch": "epochs trained; 0 is the initialisation"}
_STEP = {"step": "optimiser steps taken"}
_SPLIT = {"split": "train, id_val, ood_val or ood_test"}
_SCORES = {
    "accuracy": "fraction of examples classified correctly",
    "auroc": "area under the ROC curve; macro one-vs-rest for more than two classes",
}
_REPEAT = {"repeat": "index of the random draw; 0 where nothing is drawn"}

COLUMNS: dict[str, dict[str, str]] = {
    "metrics": _EPOCH
    | _STEP
    | _SPLIT
    | {"loss": "mean loss per example"}
    | _SCORES
    | {"zero_loss_fraction": "fraction of training examples whose loss is exactly zero; missing on other splits"},
    "dynamics": _EPOCH
    | _STEP
    | {
        "group": "convolution, normalisation, head, hidden or total",
        "scale_invariant": "whether scaling the group's weights leaves the function unchanged",
        "parameters": "number of parameters in the group",
        "weight_norm": "L2 norm of the group's parameters",
        "angle_per_step": "angle in radians between the group's weights before and after the latest step",
    },
    "probing": _EPOCH
    | {
        "stage": "stem, layer1, layer2, layer3, layer4 or pooled",
        "target": "what is decoded: hospital or tumour",
        "control": "none, or permuted: hospital permuted by slide",
    }
    | _REPEAT
    | {
        "accuracy": "accuracy on the judging slides",
        "chance": "share of the most frequent class on the judging slides",
        "C": "inverse regularisation chosen by slide-grouped cross-validation",
        "n_fit": "number of patches the probe was fitted on",
        "n_test": "number of patches it was judged on",
    },
    "subspace": _EPOCH
    | {
        "method": "logistic: rows of the hospital classifier; random: isotropic subspace of equal rank",
        "rank": "dimensions removed",
        "strength": "fraction of the projection removed",
    }
    | _REPEAT
    | _SPLIT
    | _SCORES,
    "steering": _EPOCH
    | {
        "stage": "stage whose features are moved",
        "direction": "hospital: top eigenvector of the between-hospital covariance; random: isotropic direction",
        "alpha": "strength in standard deviations of the projections on the direction",
        "cosine": "cosine between the direction and the way to the OOD-val hospital's mean; it fixes the sign",
    }
    | _REPEAT
    | _SPLIT
    | _SCORES,
    "neurons": _EPOCH
    | {
        "k": "number of channels set to zero",
        "selection": "hospital or tumour: the most selective channels; random: drawn without replacement",
    }
    | _REPEAT
    | _SPLIT
    | _SCORES,
    "geometry": _EPOCH
    | {
        "split": "split whose pooled features are measured",
        "effective_rank": "exponential of the entropy of the normalised singular values (Roy & Vetterli 2007), centred",
        "participation_ratio": "(sum of eigenvalues)^2 / sum of squared eigenvalues of the feature covariance",
        "feature_norm": "mean L2 norm of the pooled features",
    },
    "outcomes": {
        "memorised_epoch": "first evaluation from which train accuracy stays at or above the memorised threshold",
        "peak_epoch": "evaluation with the highest OOD-test accuracy: an oracle's choice",
        "peak_accuracy": "OOD-test accuracy at peak_epoch",
        "final_accuracy": "OOD-test accuracy at the last evaluation",
        "early_accuracy": "mean OOD-test accuracy over the first quarter of evaluations after memorisation",
        "late_accuracy": "mean OOD-test accuracy over the last quarter of evaluations after memorisation",
        "decline": "early_accuracy minus late_accuracy: positive is a decline; needs no selection",
        "decline_auroc": "the same for AUROC",
    },
}
"""Table name -> column -> what it holds. Study tables carry the columns of `RUN` in front."""

RUN_TABLES = tuple(name for name in COLUMNS if name != "outcomes")
"""The tables that one run has, in the order of the pipeline."""


def write_table(frame: pd.DataFrame, path: str | Path, table: str) -> None:
    """Write a table whole or not at all, in the order and with the descriptions of `COLUMNS`.

    Args:
        frame: the rows; the columns of `RUN` may stand in front of the table's own.
        path: the Parquet file.
        table: a key of `COLUMNS`.

    Raises:
        ValueError: a described column is missing or an undescribed one is there.
    """
    described = {name: text for name, text in RUN.items() if name in frame.columns} | COLUMNS[table]
    missing, unknown = set(described) - set(frame.columns), set(frame.columns) - set(described)
    if missing or unknown:
        raise ValueError(f"table {table}: missing columns {sorted(missing)}, unknown columns {sorted(unknown)}")
    arrow = pa.Table.from_pandas(frame[list(described)], preserve_index=False)
    fields = [field.with_metadata({"description": described[field.name]}) for field in arrow.schema]
    arrow = arrow.cast(pa.schema(fields, metadata=arrow.schema.metadata))
    with whole(path) as temporary:
        pq.write_table(arrow, temporary, compression="zstd")


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote."""
    return pd.read_parquet(path)
