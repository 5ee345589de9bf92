"""The folder that the `wilds` package reads as Camelyon17: its layout, how it is read and what is checked.

`<root>/camelyon17_v1.0/` holds `metadata.csv` with one row a patch, the patches as PNG files, and the release note by
which `wilds` knows the folder. Whoever wrote it (WILDS, the mirror, `tissue`), that package is the only reader, so its
rules hold everywhere: hospital 1 is the OOD validation hospital and hospital 2 the OOD test hospital.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from causalgrok.data.csv_files import check_csv, header_of
from causalgrok.data.images import open_image
from causalgrok.refusals import Refused, shown

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

FOLDER = "camelyon17_v1.0"
METADATA = "metadata.csv"
RELEASE = "RELEASE_v1.0.txt"
COLUMNS = ("patient", "node", "x_coord", "y_coord", "tumor", "slide", "center", "split")

TRAIN_HOSPITALS = (0, 3, 4)
HOSPITALS = range(5)
SPLITS = {0: "train", 1: "id_val", 2: "ood_test", 3: "ood_val"}
"""The names of the codes that WILDS gives its splits."""

SAMPLE = 2000
"""Patches that `inspect` decodes; a broken one among the rest is named when it is read."""


class DataError(Refused):
    """Data that are missing or broken; the message is one line that names them and says what to do."""


@dataclass(frozen=True)
class Census:
    """What lies in a root, counted; the keys of all counts are strings, as in JSON."""

    patches: int
    """Number of patches."""

    image_size: int
    """Their height and width in pixels."""

    splits: dict[str, int]
    """Patches by split."""

    hospitals: dict[str, int]
    """Patches by hospital."""

    labels: dict[str, dict[str, int]]
    """Patches by hospital and label, 0 normal and 1 tumour."""

    slides: dict[str, int]
    """Slides by hospital."""


def patch_name(patient: str, node: int, x: int, y: int) -> str:
    """Where a patch lies below `<root>/camelyon17_v1.0/`."""
    slide = f"patient_{patient}_node_{node}"
    return f"patches/{slide}/patch_{slide}_x_{x}_y_{y}.png"


def split_names(metadata: "pd.DataFrame") -> "pd.Series":
    """The split (n,) of each row of a `metadata.csv`: hospitals 1 and 2 are held out whole, whatever it says."""
    return metadata["center"].map({1: "ood_val", 2: "ood_test"}).fillna(metadata["split"].map(SPLITS))


def check_local_root(root: str | Path) -> None:
    """Refuse a root that cannot be one, by a look at two files; cheap enough for planning.

    Raises:
        DataError: Folder, `metadata.csv`, one of its columns or the release note is missing.
    """
    root = Path(root)
    folder = root / FOLDER
    expected = f"expected {folder / METADATA}"
    if not root.is_dir():
        raise DataError(f"data root {root} is not a folder; {expected}")
    if not (folder / METADATA).is_file():
        hint = ""
        if (root / METADATA).is_file():
            hint = f": this is the dataset's own folder, give the one it lies in and call it {FOLDER}"
        raise DataError(f"data root {root} holds no Camelyon17-WILDS; {expected}{hint}")
    try:
        header = header_of(folder / METADATA)
    except (ValueError, OSError) as error:
        raise DataError(f"{folder / METADATA} {getattr(error, 'strerror', None) or error}") from error
    if missing := [column for column in COLUMNS if column not in header]:
        raise DataError(f"{folder / METADATA} has no column {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    if not (folder / RELEASE).is_file():
        raise DataError(
            f"{folder / RELEASE} is missing, the note by which wilds knows a complete dataset; "
            "finish the download or, if it is complete, create the file with any content"
        )


def read_metadata(root: str | Path) -> "pd.DataFrame":
    """The patches as `wilds` sees them, indexed by row id: hospital, slide, label (0 or 1), split and patch (its file).

    Raises:
        DataError: The root cannot be one (`check_local_root`).
    """
    import pandas as pd

    check_local_root(root)
    table = pd.read_csv(Path(root) / FOLDER / METADATA, index_col=0, dtype={"patient": str})
    places = zip(table["patient"], table["node"], table["x_coord"], table["y_coord"], strict=True)
    return pd.DataFrame(
        {
            "hospital": table["center"].to_numpy(),
            "slide": table["slide"].to_numpy(),
            "label": table["tumor"].to_numpy(),
            "split": split_names(table).to_numpy(),
            "patch": [patch_name(*place) for place in places],
        },
        index=pd.RangeIndex(len(table), name="row"),
    )


def read_images(root: str | Path, rows: np.ndarray, size: int | None = None) -> np.ndarray:
    """Read patches.

    Args:
        root: The folder that holds `camelyon17_v1.0/`.
        rows: (n,) row ids, in the order wanted.
        size: Height and width to average the patches down to (box filter); None leaves them as they are.

    Returns:
        (n, size, size, 3) uint8, RGB.

    Raises:
        DataError: A patch is missing, broken, not square or smaller than `size`; the message names it.
    """
    from PIL import Image

    patches = read_metadata(root)["patch"]
    rows = np.asarray(rows, dtype=np.int64)
    if rows.size == 0:
        return np.empty((0, size or 0, size or 0, 3), dtype=np.uint8)
    if rows.min() < 0 or rows.max() >= len(patches):
        raise DataError(
            f"rows {rows.min()} to {rows.max()} were asked for, but {root} has rows 0 to {len(patches) - 1}"
        )
    images = None
    for i, (path, image) in enumerate(_decoded(root, patches.iloc[rows])):
        if images is None:
            size = size or image.width
            images = np.empty((len(rows), size, size, 3), dtype=np.uint8)
        if image.width != image.height or image.width < size:
            raise DataError(
                f"patch {path} is {image.width}x{image.height} pixels; expected a square of at least {size}x{size}"
            )
        if image.width > size:
            image = image.resize((size, size), Image.Resampling.BOX)
        images[i] = np.asarray(image)
    return images


def inspect(root: str | Path, size: int | None = None) -> Census:
    """Check that a root is consistent, and count what it holds.

    Checked are the whole table, the existence of every patch, and a fixed sample of `SAMPLE` patches that must decode
    and have the same size.

    Args:
        root: The folder that holds `camelyon17_v1.0/`.
        size: Height and width the patches must have; None accepts any that all share.

    Raises:
        DataError: The first thing that is wrong, named.
    """
    check_local_root(root)
    _check_table(Path(root) / FOLDER / METADATA)
    table = read_metadata(root)
    _check_patches_exist(Path(root) / FOLDER, table["patch"])

    sample = np.random.default_rng(0).permutation(len(table))[:SAMPLE]
    for path, image in _decoded(root, table["patch"].iloc[np.sort(sample)]):
        size = size or image.width
        if image.size != (size, size):
            raise DataError(f"patch {path} is {image.width}x{image.height} pixels; expected {size}x{size}")

    return Census(
        patches=len(table),
        image_size=size,
        splits={name: int((table.split == name).sum()) for name in SPLITS.values()},
        hospitals=_count(table.hospital),
        labels={str(hospital): _count(rows.label) for hospital, rows in table.groupby("hospital")},
        slides=_count(table.drop_duplicates("slide").hospital),
    )


def _decoded(root: str | Path, patches: Iterable[str]) -> Iterator[tuple[Path, "Image"]]:
    """Decode patches one by one, as (file, RGB image)."""
    for patch in patches:
        path = Path(root) / FOLDER / patch
        try:
            with open_image(path, ["PNG"]) as opened:
                image = _rgb(opened)
        except ValueError as error:
            raise DataError(f"patch {path} {error}") from error
        yield path, image


def _rgb(opened: "Image") -> "Image":
    try:
        return opened.convert("RGB")
    except Exception as error:  # Pillow raises half a dozen unrelated classes on a broken file
        raise ValueError(f"cannot be read: {error}") from error


def _check_table(path: Path) -> None:
    import pandas as pd

    try:
        check_csv(path)
        # As text, so that a message shows what stands in the file.
        table = pd.read_csv(path, index_col=0, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise DataError(f"{path} is not a table: {error}") from error
    if table.empty:
        raise DataError(f"{path} has no rows")

    def refuse(column: str, bad: "pd.Series", expected: str) -> None:
        if bad.any():
            line = int(np.flatnonzero(bad)[0])
            value = shown(table[column].iloc[line])
            raise DataError(f"{path} line {line + 2}: {column} is {value}, expected {expected}")

    refuse("patient", ~table["patient"].str.fullmatch(r"[\w-]{1,64}"), "letters and digits, which a path is made of")
    for column in COLUMNS[1:]:
        refuse(column, ~table[column].str.fullmatch(r"-?\d{1,15}"), "a whole number")
    numbers = table[list(COLUMNS[1:])].astype(int)
    trained = numbers.center.isin(TRAIN_HOSPITALS)
    refuse("tumor", ~numbers.tumor.isin([0, 1]), "0 (normal) or 1 (tumour)")
    refuse("center", ~numbers.center.isin(HOSPITALS), "a hospital from 0 to 4")
    refuse("split", trained & ~numbers.split.isin([0, 1]), "0 (train) or 1 (id_val) for hospitals 0, 3 and 4")
    refuse("slide", numbers.groupby("slide").center.transform("nunique") > 1, "every slide in one hospital only")
    refuse("x_coord", table.duplicated(list(COLUMNS[:4])), "a patch that is not listed before")


def _check_patches_exist(folder: Path, patches: list[str]) -> None:
    present = {}  # listed folder by folder: half a million single look-ups take minutes on a network disk
    missing = []
    for patch in patches:
        parent, _, name = patch.rpartition("/")
        if parent not in present:
            listed = (folder / parent).iterdir() if (folder / parent).is_dir() else ()
            present[parent] = {path.name for path in listed}
        if name not in present[parent]:
            missing.append(patch)
    if missing:
        raise DataError(f"{len(missing)} of {len(patches)} patches are missing, the first is {folder / missing[0]}")


def _count(values: "pd.Series") -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}
