"""Check a whole results tree: every table, every file of arrays, and that every run's data are still what it saw.

Run as ``make verify`` or ``python -m causalgrok.verify [FOLDER]``; a line for everything that is wrong, each with the
command that mends it, and a non-zero end if there is any.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from causalgrok.arrays import check_arrays
from causalgrok.files import DamagedFile, sha256
from causalgrok.tables import read_table


def damage(folder: Path) -> Iterator[str]:
    """A line for every damaged file below a folder; hidden files are work in progress and left out."""
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts) or not path.is_file():
            continue
        try:
            if path.suffix == ".safetensors":
                check_arrays(path)
            elif path.suffix == ".parquet":
                read_table(path)
            elif path.name == "run.json":
                _check_run(path)
            elif not path.stat().st_size:
                raise DamagedFile(path, "it is empty")
        except DamagedFile as error:
            yield str(error)


def _check_run(path: Path) -> None:
    """Compare the files that a run was made from, named as seen from a folder above it, with what they were then."""
    try:
        data = dict(json.loads(path.read_bytes())["data"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFile(path, "it is not the provenance of a run") from error
    for source, digest in data.items():
        file = next((above / source for above in path.absolute().parents if (above / source).is_file()), None)
        if file is None:
            raise DamagedFile(path, f"{source}, which the run was made from, is gone")
        if sha256(file) != digest:
            raise DamagedFile(path, f"{source} is not what the run was made from")


def main() -> None:
    """Check the folder that the command line names, or results/."""
    folder = Path(*sys.argv[1:2] or ["results"])
    if not folder.is_dir():
        sys.exit(f"verify: {folder} is not a folder; give the folder of results")
    lines = list(damage(folder))
    for line in lines:
        print(line)
    count = sum(path.is_file() for path in folder.rglob("*"))
    sys.exit(f"verify: {len(lines)} of {count} files in {folder} are damaged" if lines else None)


if __name__ == "__main__":
    main()
