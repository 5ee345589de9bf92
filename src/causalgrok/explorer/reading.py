"""What the explorer is made from, read one table at a time: those of a large study do not fit beside each other."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from causalgrok.data.splits import Split
from causalgrok.explorer.gallery import gallery
from causalgrok.explorer.reduction import reduce_table
from causalgrok.folders import dataset_of
from causalgrok.tables import read_table

_WHOLE = ("checkpoints", "claims")


def read_tables(paths: Iterable[str | Path]) -> dict[str, object]:
    """The tables of a study as `explorer_page` takes them: `reduced`, and those it takes whole.

    Args:
        paths: Parquet files, named by their tables.
    """
    reduced: dict[str, pd.DataFrame] = {}
    whole = {}
    for path in map(Path, paths):
        if path.stem in _WHOLE:
            whole[path.stem] = read_table(path)
        else:
            reduced |= reduce_table(path.stem, read_table(path))
    return {"reduced": reduced} | whole


def read_patches(paths: Iterable[str | Path]) -> str:
    """The gallery of splits in their datasets' folders; empty without any."""
    datasets: dict[str, dict[str, Split]] = defaultdict(dict)
    for path in map(Path, paths):
        datasets[dataset_of(path.parent)][path.stem] = Split.load(path)
    return gallery(datasets)
