"""Whether a dataset can give the subsets that runs ask for, found out from metadata before any job starts."""

import functools
from pathlib import Path

import pandas as pd

from causalgrok.config import DrawnDataset, HospitalDataset
from causalgrok.data import camelyon17, tissue
from causalgrok.data.csv_files import check_csv
from causalgrok.data.subsets import check_pool, choose_rows
from causalgrok.data.wilds_layout import FOLDER, METADATA, DataError, check_local_root, split_names


def quick_metadata(source: tissue.TissueSettings, data_root: str | None) -> pd.DataFrame | None:
    """Hospital, slide, label and split of every patch; None before a download.

    Args:
        source: the dataset's source: generated tissue, or Camelyon17-WILDS.
        data_root: folder that holds `camelyon17_v1.0`, if the user has one.
    """
    if source.kind == "tissue":
        table = tissue.metadata(source)
    elif data_root:
        check_local_root(data_root)
        columns = ["tumor", "slide", "center", "split"]
        path = Path(data_root, FOLDER, METADATA)
        try:
            check_csv(path)
            table = pd.read_csv(path, usecols=columns, dtype="int64")
        except (ValueError, OverflowError, OSError) as error:
            raise DataError(f"{path} is not a table of whole numbers: {error}") from error
    else:
        return None
    return pd.DataFrame(
        {
            "hospital": table["center"],
            "slide": table["slide"],
            "label": table["tumor"],
            "split": split_names(table),
        }
    )


def check_pool_gives(
    dataset: HospitalDataset | DrawnDataset, data_root: str | None, n: int, correlation: float
) -> None:
    """Refuse a subset that a dataset cannot give; before a download, only its official size is known.

    Args:
        dataset: the dataset's settings.
        data_root: folder that holds `camelyon17_v1.0`, if the user has one.
        n: size of the subset.
        correlation: its label-hospital correlation.

    Raises:
        ValueError: names the n, and of hospitals the cell of hospital and label, what it needs and what the pool has.
    """
    if dataset.drawn:
        dataset.source.check_size(n)
        return
    available = _pool(dataset.model_dump_json(), data_root)
    if available is None:
        limit = camelyon17.OFFICIAL["splits"]["train"] - dataset.probe_images
        if n > limit:
            raise ValueError(f"n = {n} is above the {limit} training patches that Camelyon17-WILDS leaves")
    else:
        hospitals = sorted({hospital for hospital, _ in available})
        check_pool(available, n, hospitals=hospitals, correlation=correlation)


@functools.cache
def _pool(dataset_json: str, data_root: str | None) -> dict[tuple[int, int], int] | None:
    """(hospital, label) -> patches that subsets may be drawn from, of a dataset's settings in JSON."""
    dataset = HospitalDataset.model_validate_json(dataset_json)
    metadata = quick_metadata(dataset.source, data_root)
    if metadata is None:
        return None
    _, pool = choose_rows(
        metadata,
        ood_val=dataset.ood_val_hospital,
        ood_test=dataset.ood_test_hospital,
        evaluation_images=dataset.evaluation_images,
        probe_images=dataset.probe_images,
        seed=dataset.seed,
    )
    return pool.groupby(["hospital", "label"]).size().to_dict()
