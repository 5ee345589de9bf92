"""Images that somebody else collected: a csv or Parquet table of them, checked, cut into splits and packed.

The table has a row an image: `path` (relative to the table's folder, or absolute), `label` (0, 1, ...), `domain` (the
hospital), `group` (the slide or patient: images of one group are not independent) and, if wanted, `split`. Domains and
groups are names of any kind. What can be checked is checked before an image is decoded.

A path may lead anywhere, like one on the command line: what it names is opened as an image and as nothing else, and
only pixels leave this module. So whoever packs a stranger's table should look at the paths in it: the pixels of their
own images may end in the report.
"""

import difflib
import os
import re
import warnings
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from causalgrok.data.csv_files import MAX_BYTES as MAX_TABLE_BYTES
from causalgrok.data.csv_files import MAX_COLUMNS, check_csv
from causalgrok.data.images import MAX_SIDE, open_image
from causalgrok.data.splits import Split
from causalgrok.refusals import Refused, shown

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

__all__ = ["MAX_SIDE", "assign", "count_splits", "pack", "read_table"]

COLUMNS = ("path", "label", "domain", "group")
SPLITS = ("probe", "id_val", "ood_val", "ood_test", "train")
"""What the optional column `split` may say."""

DOMAIN_IMAGES = 20
"""Least images of a domain."""

LABEL_IMAGES = 5
"""Least images of a domain with each label."""

DOMAIN_GROUPS = 2
"""Least groups of a domain: probes are fitted on some and judged on others."""

HALVED_GROUPS = 4
"""Groups of a domain from which on its probe pool and id_val share none: two for each."""

POOL_IMAGES = 10
"""Least images of a domain in the probe pool."""

_DRAWS = 200
"""Halvings of a domain's groups that are drawn, to take the most even one."""

MAX_ROWS = 5_000_000
MAX_CELL = 4000
"""Limits of a table: rows, and characters of a cell."""

MAX_BYTES = 16 * 2**30
"""Most memory that packed images may take."""

_CONTROLS = r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"

_MODES = ("RGB", "RGBA", "RGBX", "L", "LA", "P", "PA", "1", "CMYK", "YCbCr")
"""Pixels of at most 8 bits a channel."""


class ImageTableError(Refused):
    """A table or image that cannot be used; the message is one line that names it and says what to do."""


def read_table(path: str | Path) -> "pd.DataFrame":
    """Read and check a table of images.

    Returns:
        One row an image, in the table's order: `path` (absolute), `label`, `domain` and `group` (int64 codes 0, 1, ...
        in the order of the names; a group's code is its own in all domains), `domain_name`, `group_name`, and `split`
        if the table has it.

    Raises:
        ImageTableError: the table cannot be read, or the first thing in it that cannot be used; missing files too.
    """
    path = Path(path)
    table = _read(path)
    table.columns = [str(name).strip() for name in table.columns]
    _check_columns(path, list(table.columns))
    table = table[[*COLUMNS, *(["split"] if "split" in table.columns else [])]]
    table = table.apply(_as_text).reset_index(drop=True)
    if table.empty:
        raise ImageTableError(f"{path} has no rows")
    for column in table.columns:
        _refuse(path, table, column, table[column] == "", "a value in every row")
        _refuse(path, table, column, table[column].str.len() > MAX_CELL, f"at most {MAX_CELL} characters")
        _refuse(path, table, column, table[column].str.contains(_CONTROLS), "text without control characters")
    if "split" in table.columns:
        _refuse(path, table, "split", ~table["split"].isin(SPLITS), f"one of {', '.join(SPLITS)}")
    table["label"] = _labels(path, table)
    table = table.rename(columns={"domain": "domain_name", "group": "group_name"})
    table["domain"] = _codes(table["domain_name"])
    table["group"] = _codes(table["group_name"]) + table["domain"] * table["group_name"].nunique()
    table["group"] = np.unique(table["group"], return_inverse=True)[1]
    _check_counts(path, table)
    table["path"] = [str(path.parent.absolute() / file) for file in table["path"]]
    _check_files(path, table["path"])
    order = ("path", "label", "domain", "group", "domain_name", "group_name", "split")
    return table[[column for column in order if column in table.columns]]


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd

    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
        raise ImageTableError(f"images {path} {what}; give a .csv or .parquet file with the columns {_list(COLUMNS)}")
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            return _read_parquet(path)
        if kind == ".csv":
            check_csv(path)
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)  # else a row's extra fields are dropped
                return pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except ImageTableError:
        raise
    except UnicodeDecodeError:
        raise ImageTableError(f"images {path} cannot be read as csv: it is not UTF-8; save it as UTF-8") from None
    except Exception as error:  # pandas and pyarrow raise a dozen unrelated classes
        reason = f"{error}".strip().splitlines()[:1] or [type(error).__name__]
        raise ImageTableError(f"images {path} cannot be read as {kind[1:]}: {reason[0]}") from error
    raise ImageTableError(f"images {path} ends in {kind or 'nothing'!r}, expected .csv or .parquet")


def _read_parquet(path: Path) -> "pd.DataFrame":
    """The columns that are asked for, by Parquet's own dictionaries: one long text can stand in all rows."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names, rows = file.schema_arrow.names, file.metadata.num_rows
    _check_columns(path, [name.strip() for name in names])
    if rows > MAX_ROWS or len(names) > MAX_COLUMNS:
        raise ImageTableError(
            f"images {path} has {rows:,} rows and {len(names):,} columns, more than {MAX_ROWS:,} or {MAX_COLUMNS:,}"
        )
    kept = [name for name in names if name.strip() in (*COLUMNS, "split")]
    with pq.ParquetFile(path, read_dictionary=kept) as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        if (size := sum(group.total_byte_size for group in groups)) > MAX_TABLE_BYTES:
            raise ImageTableError(f"images {path} unpacks to {size / 2**20:,.0f} MiB, more than a table of images has")
        table = file.read(columns=kept)
    for name, column in zip(kept, table.columns, strict=True):
        for chunk in column.chunks:
            texts = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
            long = pa.types.is_string(texts.type) and (pc.max(pc.binary_length(texts)).as_py() or 0) > 4 * MAX_CELL
            if long:
                raise ImageTableError(
                    f"{path}: a cell of column {name!r} is long, expected at most {MAX_CELL} characters"
                )
    return table.to_pandas(ignore_metadata=True)


def _check_columns(path: Path, there: list[str]) -> None:
    for column in COLUMNS:
        if column not in there:
            raise ImageTableError(f"{path} has no column {column!r}, only {_list(there)}{_nearest(column, there)}")
    for column in (*COLUMNS, "split"):
        if there.count(column) > 1:
            raise ImageTableError(f"{path} has the column {column!r} twice; keep one")


def _as_text(column: "pd.Series") -> "pd.Series":
    """A column as it would stand in a csv: whole numbers without a point, nothing for a missing value."""
    values = [int(v) if isinstance(v, float) and v.is_integer() else v for v in column.tolist()]
    texts = ["" if missing else str(v).strip() for v, missing in zip(values, column.isna(), strict=True)]
    return type(column)(texts, dtype=object)


def _refuse(path: Path, table: "pd.DataFrame", column: str, bad: "pd.Series", expected: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ImageTableError(
            f"{path} row {row + 1} ({shown(table['path'].iloc[row], 120)}): {column} is "
            f"{shown(table[column].iloc[row])}, "
            f"expected {expected}"
        )


def _labels(path: Path, table: "pd.DataFrame") -> np.ndarray:
    wanted = "a whole number 0, 1, ... (number the classes; for tissue 0 is normal and 1 tumour)"
    numbers = table["label"].str.fullmatch(r"[0-9]{1,9}(\.0+)?")
    _refuse(path, table, "label", ~numbers.astype(bool), wanted)
    labels = table["label"].str.partition(".")[0].astype(np.int64)
    there = sorted(set(labels))
    if there != list(range(len(there))):
        raise ImageTableError(f"{path} has the labels {_list(there)}, expected {wanted} without a gap")
    if len(there) < 2:
        raise ImageTableError(f"{path} has one label, 0, in every row; networks that tell labels apart need two")
    return labels.to_numpy()


def _sorted(names: Iterable[str]) -> list[str]:
    """Names in their order: by number where all are whole numbers."""
    names = sorted(set(names))
    return sorted(names, key=int) if all(re.fullmatch(r"-?[0-9]{1,18}", name) for name in names) else names


def _codes(names: "pd.Series") -> np.ndarray:
    codes = {name: code for code, name in enumerate(_sorted(names))}
    return names.map(codes).to_numpy(np.int64)


def _check_counts(path: Path, table: "pd.DataFrame") -> None:
    if table["domain"].nunique() < 2:
        raise ImageTableError(
            f"{path} has one domain, {table['domain_name'].iloc[0]!r}, in every row; domains are compared, give two"
        )
    labels = table["label"].nunique()
    for name in _sorted(table["domain_name"]):
        images = table[table["domain_name"] == name]
        if len(images) < DOMAIN_IMAGES:
            raise ImageTableError(
                f"{path}: domain {name!r} has {len(images)} images; at least {DOMAIN_IMAGES} are needed to fit probes"
            )
        counts = np.bincount(images["label"], minlength=labels)
        if counts.min() < LABEL_IMAGES:
            raise ImageTableError(
                f"{path}: domain {name!r} has {counts.min()} images with label {counts.argmin()}; at least "
                f"{LABEL_IMAGES} of each label are needed in each domain"
            )
        if (groups := images["group"].nunique()) < DOMAIN_GROUPS:
            raise ImageTableError(
                f"{path}: domain {name!r} has {groups} group; at least {DOMAIN_GROUPS} are needed, because probes "
                "are fitted and judged on different groups"
            )


def _check_files(path: Path, files: "pd.Series") -> None:
    plain = files.map(os.path.normpath)
    if (twice := plain.duplicated()).any():
        row = int(np.flatnonzero(twice)[0])
        first = int(np.flatnonzero(plain == plain.iloc[row])[0])
        raise ImageTableError(f"{path} lists {files.iloc[row]} twice, in rows {first + 1} and {row + 1}")
    present: dict[Path, set[str]] = {}  # listed folder by folder: single look-ups take minutes on a network disk
    missing = []
    for file in map(Path, files):
        if file.parent not in present:
            present[file.parent] = _regular_files(path, file.parent)
        if file.name not in present[file.parent]:
            missing.append(file)
    if missing:
        raise ImageTableError(
            f"{path}: {len(missing)} of {len(files)} image files are missing, the first is {missing[0]}; paths are "
            "relative to the table's folder"
        )


def _regular_files(path: Path, folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise ImageTableError(f"{path}: the folder {folder} cannot be read: {error.strerror}") from None


def assign(table: "pd.DataFrame", held_out: Sequence[str] | None = None, *, seed: int = 0) -> "pd.DataFrame":
    """Give every image its split: as the table says, or by domain.

    Without a column `split`, the first held-out domain is ood_val and the second ood_test, whole. By default these are
    the last two of four or more domains; of fewer, none. The others are halved into the pool that probes are fitted on
    and id_val. A domain of `HALVED_GROUPS` or more is halved by group, as evenly in images and labels as a draw of
    many finds; one of fewer image by image within each group, so that both share its groups, as train and id_val do in
    WILDS (`count_splits` says which). With a column `split` that names no `probe`, id_val is halved so.

    Args:
        table: as `read_table` returns it.
        held_out: names of up to two domains; not with a column `split`.
        seed: of the halving.

    Returns:
        The table with the column `split`.

    Raises:
        ImageTableError: a domain is unknown or too few remain, or a split cannot serve its purpose.
    """
    if "split" not in table.columns:
        splits = _by_domain(table, held_out)
    elif held_out:
        raise ImageTableError("the table has a column 'split', so leave held_out empty (or take the column out)")
    else:
        splits = table["split"].to_numpy(object, copy=True)
    if "id_val" not in splits:
        raise ImageTableError(
            "the column 'split' names no id_val: images of the training domains that the network was not trained on"
        )
    if "probe" not in splits:
        kept = splits == "id_val"
        splits[kept] = np.where(_half(table[kept], seed), "probe", "id_val")
    table = table.assign(split=splits)
    _check_splits(table)
    return table


def _by_domain(table: "pd.DataFrame", held_out: Sequence[str] | None) -> np.ndarray:
    names = _sorted(table["domain_name"])
    if held_out is None:
        held_out = names[-2:] if len(names) >= 4 else []
    held_out = [held_out] if isinstance(held_out, str) else [str(name) for name in held_out]
    if len(held_out) > 2 or len(set(held_out)) < len(held_out):
        raise ImageTableError(f"held_out is {_list(held_out)}; expected up to two different domains")
    for name in held_out:
        if name not in names:
            raise ImageTableError(f"held_out: {name!r} is no domain of the table{_nearest(name, names)}")
    if len(names) - len(held_out) < 2:
        raise ImageTableError(
            f"held_out {_list(held_out)} leaves {len(names) - len(held_out)} of {len(names)} domains; probes need two"
        )
    splits = np.full(len(table), "id_val", dtype=object)
    for split, name in zip(("ood_val", "ood_test"), held_out, strict=False):
        splits[table["domain_name"] == name] = split
    return splits


def _half(table: "pd.DataFrame", seed: int) -> np.ndarray:
    """Which rows (n,) are the probe pool's half."""
    chosen = np.zeros(len(table), dtype=bool)
    labels, domains, groups = (table[name].to_numpy() for name in ("label", "domain", "group"))
    for domain in np.unique(domains):
        rng = np.random.default_rng([seed, domain])
        inside = np.flatnonzero(domains == domain)
        names, group = np.unique(groups[inside], return_inverse=True)
        if len(names) < HALVED_GROUPS:
            for name in names:
                for label in np.unique(labels):
                    cell = rng.permutation(inside[(groups[inside] == name) & (labels[inside] == label)])
                    chosen[cell[: (len(cell) + 1) // 2]] = True
            continue
        counts = np.zeros((len(names), labels.max() + 1))
        np.add.at(counts, (group, labels[inside]), 1)
        taken = rng.permuted(np.tile(np.arange(len(names)) % 2 == 0, (_DRAWS, 1)), axis=1)
        uneven = np.abs(2 * taken @ counts - counts.sum(axis=0)).sum(axis=1)
        chosen[inside] = taken[np.argmin(uneven)][group]
    return chosen


def _check_splits(table: "pd.DataFrame") -> None:
    labels = set(table["label"])
    for split, images in table.groupby("split"):
        if lacking := labels - set(images["label"]):
            raise ImageTableError(f"split {split} has no image with label {min(lacking)}; each split needs every label")
    pool = table[table["split"] == "probe"]
    if pool["domain"].nunique() < 2:
        raise ImageTableError(
            f"the probe pool has one domain, {pool['domain_name'].iloc[0]!r}; probes tell domains apart, give it two"
        )
    images, groups = pool["domain_name"].value_counts(), pool.groupby("domain_name")["group"].nunique()
    if images.min() < POOL_IMAGES:
        raise ImageTableError(
            f"the probe pool has {images.min()} images of domain {images.idxmin()!r}; at least {POOL_IMAGES} are needed"
        )
    if groups.min() < DOMAIN_GROUPS:
        raise ImageTableError(
            f"the probe pool has {groups.min()} group of domain {groups.idxmin()!r}; at least {DOMAIN_GROUPS} are "
            "needed, because probes are fitted and judged on different groups"
        )
    inside = set(table.loc[~table["split"].isin(["ood_val", "ood_test"]), "domain_name"])
    for split in ("ood_val", "ood_test"):
        if shared := inside & set(table.loc[table["split"] == split, "domain_name"]):
            raise ImageTableError(
                f"domain {_sorted(shared)[0]!r} is in {split} and in other splits; an OOD domain is held out whole"
            )


def count_splits(table: "pd.DataFrame") -> "pd.DataFrame":
    """What each split holds.

    Args:
        table: as `assign` returns it.

    Returns:
        One row a split and domain, in the order of `SPLITS` and of the domains: `split`, `domain` (its name), `images`,
        `groups`, `shared_groups` (those of them that the probe pool has too) and `label_0`, `label_1`, ... (images).
    """
    import pandas as pd

    pool = set(table.loc[table["split"] == "probe", "group"])
    rows = []
    for split in SPLITS:
        for _, images in table[table["split"] == split].groupby("domain"):
            groups = set(images["group"])
            row = {"split": split, "domain": images["domain_name"].iloc[0], "images": len(images)}
            row |= {"groups": len(groups), "shared_groups": len(groups & pool) if split != "probe" else 0}
            rows.append(row | {f"label_{v}": int((images["label"] == v).sum()) for v in sorted(set(table["label"]))})
    return pd.DataFrame(rows)


def pack(table: "pd.DataFrame", size: int | None = None) -> dict[str, Split]:
    """Read the images.

    Args:
        table: as `assign` returns it; its index becomes the row ids.
        size: pixels a side after averaging down (box filter); None takes images that all have the same size.

    Returns:
        Split name -> images as (n, height, width, 3) uint8, RGB; the splits that there are, in the order of `SPLITS`.

    Raises:
        ImageTableError: an image cannot be decoded or has a size that does not fit; the message names it.
    """
    shape = _check_sizes(table["path"], size)
    splits = {}
    for split in [name for name in SPLITS if (table["split"] == name).any()]:
        images = table[table["split"] == split]
        inputs = np.empty((len(images), *shape, 3), dtype=np.uint8)
        for i, path in enumerate(images["path"]):
            inputs[i] = _decode(path, shape)
        columns = (images[name].to_numpy(np.int64) for name in ("label", "domain", "group"))
        splits[split] = Split(inputs, *columns, images.index.to_numpy(np.int64))
    return splits


def _check_sizes(paths: "pd.Series", size: int | None) -> tuple[int, int]:
    """The height and width that all images shall have, from their headers alone."""
    first = None
    for path in paths:
        with _opened(path) as image:
            width, height = image.size
        here = f"{width}x{height} pixels"
        first = first or (path, (width, height))
        if size is None and (width, height) != first[1]:
            raise ImageTableError(
                f"image {path} is {here}, {first[0]} is {first[1][0]}x{first[1][1]}; give image_size to make them equal"
            )
        if size is not None and (width != height or width < size):
            raise ImageTableError(
                f"image {path} is {here}; expected a square of at least {size}x{size}: patches are never enlarged"
            )
    shape = (size, size) if size else first[1][::-1]
    if (total := len(paths) * shape[0] * shape[1] * 3) > MAX_BYTES:
        raise ImageTableError(
            f"{len(paths)} images of {shape[1]}x{shape[0]} pixels take {total / 2**30:.0f} GiB, more than "
            f"{MAX_BYTES / 2**30:.0f}; give a smaller image_size or list fewer"
        )
    return shape


def _decode(path: str, shape: tuple[int, int]) -> np.ndarray:
    """An image as (height, width, 3) uint8."""
    from PIL import Image

    with _opened(path) as image:
        if image.mode not in _MODES:
            raise ImageTableError(f"image {path} has pixels of mode {image.mode}; expected 8 bits a channel")
        try:
            pixels = image.convert("RGB")
        except Exception as error:  # Pillow raises half a dozen unrelated classes on a broken file
            raise ImageTableError(f"image {path} cannot be read: {error}") from error
    return np.asarray(pixels if pixels.size == shape[::-1] else pixels.resize(shape[::-1], Image.Resampling.BOX))


def _opened(path: str) -> "Image":
    try:
        return open_image(path)
    except ValueError as error:
        raise ImageTableError(f"image {path} {error}") from error


def _list(names: Iterable[object]) -> str:
    return ", ".join(map(str, names)) or "none"


def _nearest(name: str, known: Collection[str]) -> str:
    by_lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else f"; expected one of {_list(known)}"
