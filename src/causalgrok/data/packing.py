"""From row ids to packed splits: the pixels are read once and kept as uint8."""

from pathlib import Path

import numpy as np
import pandas as pd

from causalgrok.data.splits import Split
from causalgrok.data.wilds_layout import read_images


def pack(root: str | Path, metadata: pd.DataFrame, rows: np.ndarray, *, size: int) -> Split:
    """Read the patches of some rows.

    Args:
        root: folder that holds `camelyon17_v1.0`.
        metadata: columns `label`, `hospital` and `slide`, indexed by row id.
        rows: (n,) row ids, in the order wanted.
        size: pixels a side after averaging down.
    """
    chosen = metadata.loc[rows]
    return Split(
        inputs=read_images(root, rows, size),
        labels=chosen["label"].to_numpy(np.int64),
        domains=chosen["hospital"].to_numpy(np.int64),
        groups=chosen["slide"].to_numpy(np.int64),
        rows=np.asarray(rows, np.int64),
    )
