"""Whether a file can be a csv table of a bounded size, before a parser takes it apart."""

import csv
from pathlib import Path

MAX_BYTES = 512 * 2**20
MAX_COLUMNS = 1000
_MAX_HEADER = 2**16


def header_of(path: Path) -> list[str]:
    """The column names of a csv file.

    Raises:
        ValueError: its first line is not one of names; the message goes on after the file's name.
    """
    with path.open("rb") as file:
        line = file.readline(_MAX_HEADER + 1)
    if len(line) > _MAX_HEADER:
        raise ValueError(f"has a first line of more than {_MAX_HEADER // 2**10} KiB, expected column names")
    try:
        names = next(csv.reader([line.decode("utf-8-sig")]), [])
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 in its first line; save it as UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"has no readable first line ({error})") from None
    if len(names) > MAX_COLUMNS:
        raise ValueError(f"has {len(names):,} columns, more than {MAX_COLUMNS:,}; keep those that are asked for")
    return names


def check_csv(path: Path) -> None:
    """Refuse a file that is too large, has too many columns, or holds NUL bytes, which parsers cut cells off at.

    Raises:
        ValueError: the message goes on after the file's name.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"has {size / 2**20:,.0f} MiB, more than {MAX_BYTES / 2**20:,.0f}; split the table")
    header_of(path)
    with path.open("rb") as file:
        while block := file.read(2**20):
            if b"\0" in block:
                raise ValueError("holds NUL bytes, which no text has; save it as UTF-8 csv")
