"""Which rows of a dataset go where: splits, evaluation sets, the probe pool, and the nested training subsets.

Everything here works on row ids and metadata; pixels are read later, for the chosen rows alone.

Label-hospital correlation c: hospital h of the H training hospitals, in ascending order, has the tumour fraction
(1 + c * s_h) / 2, with s_h equally spaced from +1 to -1. At c = 0 every hospital is balanced and hospital carries no
information about the label; at c = 1 the first hospital is all tumour and the last all normal.
"""

import functools
import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from causalgrok.data.splits import Split

ID_VAL_FRACTION = 0.1
"""Share of id_val in hospitals that WILDS holds out whole, where a study trains on them; WILDS's own share."""


def assign_splits(metadata: pd.DataFrame, *, ood_val: int, ood_test: int, seed: int) -> pd.Series:
    """Name each row's split: the held-out hospitals whole, the others as WILDS cut them into train and id_val.

    WILDS's id_val shares its slides with train. A hospital that WILDS holds out has no such cut; where it is trained
    on, a seeded tenth of its patches becomes id_val.

    Args:
        metadata: columns `hospital` and `split` as WILDS has them, one row a patch.
        ood_val: the hospital for OOD validation.
        ood_test: the hospital for the OOD test.
        seed: for that tenth.

    Returns:
        (rows,) str: train, id_val, ood_val or ood_test.
    """
    uncut = ~metadata["split"].isin(["train", "id_val"])
    drawn = np.random.default_rng(seed).random(len(metadata)) < ID_VAL_FRACTION
    splits = metadata["split"].mask(uncut & drawn, "id_val").mask(uncut & ~drawn, "train")
    return splits.mask(metadata["hospital"] == ood_val, "ood_val").mask(metadata["hospital"] == ood_test, "ood_test")


def choose_rows(
    metadata: pd.DataFrame, *, ood_val: int, ood_test: int, evaluation_images: int, probe_images: int, seed: int
) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Fix the evaluation splits and the probe pool, balanced by hospital and label; the rest of train is the pool.

    Args:
        metadata: columns `hospital`, `slide`, `label` and `split`, indexed by row id.
        ood_val: the hospital for OOD validation.
        ood_test: the hospital for the OOD test.
        evaluation_images: images in each evaluation split, at most.
        probe_images: images in the probe pool, at most.
        seed: of the choice.

    Returns:
        Split name -> (k,) row ids, with the probe pool under `probe`; and the rows that subsets may be drawn from.

    Raises:
        ValueError: a split lacks a hospital's patches of one label, or the probe pool a hospital's second slide.
    """
    splits = assign_splits(metadata, ood_val=ood_val, ood_test=ood_test, seed=seed)
    parts = {"id_val": "id_val", "ood_val": "ood_val", "ood_test": "ood_test", "probe": "train"}
    rows = {}
    for i, (name, part) in enumerate(parts.items()):
        candidates = metadata[splits == part]
        empty = {"id_val": 6, "probe": 6}.get(name, 2) - candidates.groupby(["hospital", "label"]).ngroups
        if empty:
            raise ValueError(f"split {part}: {empty} of the combinations of hospital and label have no patch")
        at_most = probe_images if name == "probe" else evaluation_images
        rows[name] = draw_balanced(candidates, at_most, seed=[seed, i])
    slides = metadata.loc[rows["probe"]].groupby("hospital")["slide"].nunique()
    if slides.min() < 2:
        raise ValueError(
            f"the probe pool has one slide of hospital {slides.idxmin()}; probes are fitted and judged on different "
            "slides: take more probe_images"
        )
    pool = metadata[(splits == "train") & ~metadata.index.isin(rows["probe"])]
    return rows, pool[["hospital", "slide", "label"]]


def draw_balanced(pool: pd.DataFrame, at_most: int, *, seed: int | list[int]) -> np.ndarray:
    """Draw rows with equally many of every hospital and label, as many as `at_most` and the rarest cell allow.

    Args:
        pool: columns `hospital` and `label`, indexed by row id.
        at_most: upper limit of the number of rows.
        seed: of the draw.

    Returns:
        (k,) row ids, ascending.
    """
    cells = pool.groupby(["hospital", "label"])
    each = min(at_most // cells.ngroups, cells.size().min())
    if not each:
        raise ValueError(f"{at_most} images cannot hold {cells.ngroups} combinations of hospital and label")
    rng = np.random.default_rng(seed)
    return np.sort(np.concatenate([rng.permutation(rows.index)[:each] for _, rows in cells]))


def draw_subset(pool: pd.DataFrame, n: int, *, seed: int, correlation: float = 0.0) -> np.ndarray:
    """Draw n training rows without replacement; the subset of a smaller n is a prefix of a larger one's.

    Args:
        pool: the rows that may be drawn: columns `hospital` and `label`, indexed by row id.
        n: size of the subset.
        seed: seed of the draw.
        correlation: label-hospital correlation in [-1, 1], see the module's docstring.

    Returns:
        (n,) row ids in the order of the draw.

    Raises:
        ValueError: a cell of hospital and label has too few rows.
    """
    hospitals = sorted(pool["hospital"].unique().tolist())
    check_pool(pool.groupby(["hospital", "label"]).size().to_dict(), n, hospitals=hospitals, correlation=correlation)
    cells = _cell_sequence(n, len(hospitals), correlation)
    rows = np.empty(n, dtype=np.int64)
    for cell in range(2 * len(hospitals)):
        hospital, label = hospitals[cell // 2], cell % 2
        available = pool.index[(pool["hospital"] == hospital) & (pool["label"] == label)]
        taken = cells == cell
        rows[taken] = np.random.default_rng([seed, hospital, label]).permutation(available)[: taken.sum()]
    return rows


def check_pool(available: dict[tuple[int, int], int], n: int, *, hospitals: Sequence[int], correlation: float) -> None:
    """Refuse a subset that the pool cannot give.

    Args:
        available: (hospital, label) -> number of rows that may be drawn.
        n: size of the subset.
        hospitals: the training hospitals, ascending.
        correlation: label-hospital correlation.

    Raises:
        ValueError: names the cell, what it needs and what it has.
    """
    needed = np.bincount(_cell_sequence(n, len(hospitals), correlation), minlength=2 * len(hospitals))
    for cell, count in enumerate(needed.tolist()):
        hospital, label = hospitals[cell // 2], cell % 2
        has = available.get((hospital, label), 0)
        if count > has:
            raise ValueError(
                f"n = {n} at label-hospital correlation {correlation:g} needs {count} patches of hospital {hospital} "
                f"with label {label}, the pool has {has}"
            )


def manifest(split: Split) -> pd.DataFrame:
    """Where a split's examples come from: row, hospital, slide, label, sha256 of the pixels, and I(label; hospital)."""
    return pd.DataFrame(
        {
            "row": split.rows,
            "hospital": split.domains,
            "slide": split.groups,
            "label": split.labels,
            "sha256": [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in split.inputs],
            "mutual_information": mutual_information(split.labels, split.domains),
        }
    )


def mutual_information(labels: np.ndarray, hospitals: np.ndarray) -> float:
    """I(label; hospital) in bits, from the counts: 0 where hospital says nothing about the label."""
    counts = pd.crosstab(labels, hospitals).to_numpy() / len(labels)
    independent = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True)
    seen = counts > 0
    return float(np.sum(counts[seen] * np.log2(counts[seen] / independent[seen])))


@functools.cache
def _cell_sequence(n: int, hospitals: int, correlation: float) -> np.ndarray:
    """(n,) cells, hospital * 2 + label, such that every prefix is as close to the wanted shares as it can be."""
    tumour = (1 + correlation * np.linspace(1, -1, hospitals)) / 2
    shares = np.stack([1 - tumour, tumour], axis=1).ravel() / hospitals
    taken = np.zeros(len(shares))
    cells = np.empty(n, dtype=np.int64)
    for i in range(n):
        cells[i] = np.argmax(np.round(shares * (i + 1) - taken, 9))
        taken[cells[i]] += 1
    return cells
