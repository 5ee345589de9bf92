"""Check a crate, or show what a file in it comes from.

Run as ``python -m causalgrok.crate CRATE [FILE]``, where CRATE is a ZIP file or the folder it was unpacked into: a line
for everything that is wrong, and a non-zero end if there is any. Needs nothing but Python and this library.
"""

import sys
from pathlib import Path

from causalgrok.crate.archive import opened
from causalgrok.crate.chain import chain
from causalgrok.crate.checks import problems
from causalgrok.crate.metadata import read_crate
from causalgrok.crate.names import METADATA
from causalgrok.files import sha256
from causalgrok.refusals import one_line


def main() -> None:
    """Check the crate that the command line names, or print the chain of a file in it."""
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m causalgrok.crate CRATE [FILE]")
    path = Path(sys.argv[1])
    try:
        with opened(path) as folder:
            crate = read_crate(folder)
            if sys.argv[2:]:
                print("\n".join(map(one_line, chain(crate, sys.argv[2]))))
                return
            lines = list(problems(crate))
            digest = sha256(folder / METADATA)
    except ValueError as error:
        sys.exit(one_line(f"crate: {error}"))
    for line in lines:
        print(one_line(line))
    if lines:
        sys.exit(f"crate: {len(lines)} things in {path} are wrong")
    print(
        f"{path}: {len(crate.actions)} jobs, {len(crate.files)} files, all as they were; {METADATA} has sha256 {digest}"
    )


if __name__ == "__main__":
    main()
