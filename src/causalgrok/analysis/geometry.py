"""The geometry of pooled features: in how many dimensions they lie.

Of centred features with singular values s_i, the effective rank is ``exp(-sum p_i ln p_i)`` with ``p_i = s_i / sum s``
(Roy & Vetterli 2007, EUSIPCO; the singular values are not squared), and the participation ratio is
``(sum l_i)^2 / sum l_i^2`` with the eigenvalues ``l_i = s_i^2`` of the covariance. Neither exceeds min(n - 1, d), so
splits of different size are not comparable to each other, only to themselves over training.
"""

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS
from causalgrok.interventions.features import Features


def singular_values(features: np.ndarray) -> np.ndarray:
    """Singular values (min(n, d),) of features (n, d), centred; those within rounding of zero are zero."""
    features = features.astype(np.float64)
    values = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
    rounding = max(features.shape) * np.finfo(np.float64).eps * np.linalg.norm(features)
    return np.where(values > rounding, values, 0.0)


def effective_rank(values: np.ndarray) -> float:
    """Effective rank of features with these singular values (m,); 0 if all are zero."""
    share = values[values > 0] / max(values.sum(), np.finfo(np.float64).tiny)
    return float(np.exp(-np.sum(share * np.log(share)))) if share.size else 0.0


def participation_ratio(values: np.ndarray) -> float:
    """Participation ratio of features with these singular values (m,); 0 if all are zero."""
    share = values**2 / max(np.sum(values**2), np.finfo(np.float64).tiny)
    return float(1 / np.sum(share**2)) if share.any() else 0.0


def measure_geometry(features: Features) -> pd.DataFrame:
    """Measure the pooled features of every split at every checkpoint.

    Returns:
        The columns of the table `geometry`.
    """
    rows = []
    for epoch in features.epochs:
        for split in features.splits:
            pooled = features.at(epoch, split)
            values = singular_values(pooled)
            rows.append(
                {
                    "epoch": epoch,
                    "split": split,
                    "effective_rank": effective_rank(values),
                    "participation_ratio": participation_ratio(values),
                    "feature_norm": np.linalg.norm(pooled.astype(np.float64), axis=1).mean(),
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS["geometry"]))
