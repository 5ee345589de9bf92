"""How differently training subset and test split are made up of their groups: subclasses, or slides.

The total variation distance of two distributions over groups, half the sum of the absolute differences of their shares:
0 where both splits have every group in the same proportion, 1 where they have none in common. It is measured on the
examples that were drawn, so it needs no knowledge of how they were.
"""

import numpy as np
import pandas as pd


def composition(labels: dict[str, np.ndarray], groups: dict[str, np.ndarray]) -> pd.DataFrame:
    """How many examples of each group and label training subset and test split have.

    Args:
        labels: `train` and `test` -> labels (n,) of the split.
        groups: likewise -> groups (n,).

    Returns:
        The table `composition` of a run, ascending.
    """
    counted = {
        split: pd.DataFrame({"group": groups[split], "label": labels[split]}).value_counts()
        for split in ("train", "test")
    }
    return pd.DataFrame(counted).fillna(0).astype(int).sort_index().reset_index()


def measure_shift(counted: pd.DataFrame) -> dict[str, float]:
    """The row of the table `shift` of a run.

    Args:
        counted: what `composition` gives.
    """
    shares = counted[["train", "test"]] / counted[["train", "test"]].sum()
    unseen = counted["train"] == 0
    return {
        "groups": int((counted["test"] > 0).sum()),
        "unseen_groups": int((unseen & (counted["test"] > 0)).sum()),
        "unseen_share": float(shares["test"][unseen].sum()),
        "total_variation": float((shares["train"] - shares["test"]).abs().sum() / 2),
    }
