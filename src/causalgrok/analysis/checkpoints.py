"""The checkpoints at which interventions are claimed: init, memorised, selected and final, named before looking.

`selected` is where early stopping on OOD val would have stopped, judged on the *other* seeds: a peak that is picked on
its own run's noise is an oracle's choice and always looks better than the end.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from causalgrok.analysis.dynamics import best_epoch, curves, memorised_epoch
from causalgrok.columns import COLUMNS


def name_checkpoints(
    metrics: Mapping[int, pd.DataFrame], kept: Sequence[int] | Mapping[int, Sequence[int]]
) -> pd.DataFrame:
    """Name the checkpoints of the runs that share task, recipe and n. Two names may fall on one epoch.

    Args:
        metrics: seed -> the run's table `metrics`.
        kept: epochs whose weights are kept, the same for all runs, or by seed for those whose checkpoints are named.

    Returns:
        The columns of the table `checkpoints`, a row for each seed and name that there is: `init` is epoch 0, if kept;
        `memorised` the first kept epoch from the first evaluation at train accuracy `MEMORISED` on; `selected` the
        kept epoch above 0 with the highest mean OOD-val accuracy over the other seeds, of equals the earliest, which
        takes a second seed and a split ood_val; `final` the last kept epoch.

    Raises:
        ValueError: a run has no kept epoch.
    """
    by_seed = kept if isinstance(kept, Mapping) else dict.fromkeys(metrics, kept)
    validation = {seed: curves(table, "ood_val")["accuracy"] for seed, table in metrics.items()}
    rows = []
    for seed, of_seed in by_seed.items():
        table, epochs = metrics[seed], np.unique(np.array(of_seed, dtype=int))
        if not epochs.size:
            raise ValueError(f"kept: no checkpoint of seed {seed} is kept, so that none can be named; keep one")
        named = {
            "init": epochs[epochs == 0],
            "memorised": epochs[epochs >= memorised_epoch(curves(table, "train")["accuracy"])],
            "selected": best_epoch([curve for other, curve in validation.items() if other != seed], epochs[epochs > 0]),
            "final": epochs[-1:],
        }
        rows += [{"seed": seed, "name": name, "epoch": found[0]} for name, found in named.items() if len(found)]
    return pd.DataFrame(rows, columns=list(COLUMNS["checkpoints"]))


def named_epochs(checkpoints: pd.DataFrame, names: Sequence[str], epochs: Sequence[int]) -> dict[str, int]:
    """Name -> epoch of one run's table `checkpoints`.

    Args:
        checkpoints: the run's rows.
        names: the names wanted; those that the run does not have are left out.
        epochs: the epochs there are: a checkpoint of a network that had diverged has no features.
    """
    named = dict(zip(checkpoints["name"], checkpoints["epoch"].tolist(), strict=True))
    return {name: named[name] for name in names if named.get(name) in epochs}
