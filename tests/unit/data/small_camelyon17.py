"""A Camelyon17 of forty random patches, for the tests of its readers and downloads."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from causalgrok.data import camelyon17, wilds_layout


def table() -> pd.DataFrame:
    """Five hospitals with two slides each, two patches a slide and label, in the columns of `metadata.csv`."""
    patches = [
        (f"{slide:03d}", slide % 5, 1000 + 96 * i, 2000, i % 2, slide, slide // 2)
        for slide in range(10)
        for i in range(4)
    ]
    frame = pd.DataFrame(patches, columns=["patient", "node", "x_coord", "y_coord", "tumor", "slide", "center"])
    id_val = (frame.x_coord == 1000).astype(int)
    return frame.assign(split=frame.center.map({1: 3, 2: 2}).fillna(id_val).astype(int), image_id=range(len(frame)))


def images(size: int = 96) -> np.ndarray:
    """(40, size, size, 3) uint8, one a row of `table`."""
    return np.random.default_rng(0).integers(0, 256, (40, size, size, 3), dtype=np.uint8)


def write_root(root: Path, frame: pd.DataFrame | None = None, size: int = 96) -> Path:
    """Write `camelyon17_v1.0/` below `root`; a frame of the test's own may claim what the files do not hold."""
    folder = root / wilds_layout.FOLDER
    for row, pixels in zip(table().itertuples(), images(size), strict=True):
        path = folder / wilds_layout.patch_name(row.patient, row.node, row.x_coord, row.y_coord)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (folder / wilds_layout.RELEASE).write_text("")
    (table() if frame is None else frame).to_csv(folder / wilds_layout.METADATA)
    return root


def make_official(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the forty patches be the official release."""
    monkeypatch.setattr(
        camelyon17,
        "OFFICIAL",
        {
            "splits": {"train": 18, "id_val": 6, "ood_test": 8, "ood_val": 8},
            "hospitals": {"1": 8, "2": 8, "0+3+4": 24},
        },
    )
