"""Hashes of code, kept from one start of the pipeline to the next: parsing all sources takes longer than most plans.

They are kept beside Python's own bytecode and count as long as not one byte of any source has changed.
"""

import atexit
import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

from causalgrok.provenance import SOURCE, code_hash

FILE = Path("__pycache__", "code_hashes.json")
"""Where they are kept, below the package."""


class KnownHashes:
    """Hashes of the code that scripts reach, computed where they are not known.

    Args:
        scripts: the folder of the scripts.
        package: the folder of this package's sources.
    """

    def __init__(self, scripts: Path, package: Path = SOURCE):
        self._scripts, self._package = scripts, package
        self._sources = self._digest()
        self._hashes = self._kept()
        self._number = len(self._hashes)
        atexit.register(self.keep)

    def of(self, script: str, *modules: str) -> str:
        """The hash of a script by its name, and of modules it imports by names made at run time: see `code_hash`."""
        name = " ".join((script, *modules))
        if name not in self._hashes:
            self._hashes[name] = code_hash(self._scripts / f"{script}.py", *modules)
        return self._hashes[name]

    def keep(self) -> None:
        """Write new ones, unless a source has changed meanwhile; a folder that is read-only goes without."""
        if len(self._hashes) == self._number or self._digest() != self._sources:
            return
        path = self._package / FILE
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            temporary.write_text(json.dumps({"sources": self._sources, "hashes": self._hashes}))
            temporary.replace(path)
        self._number = len(self._hashes)

    def _kept(self) -> dict[str, str]:
        try:
            kept = json.loads((self._package / FILE).read_text())
            return kept["hashes"] if kept["sources"] == self._sources else {}
        except (OSError, ValueError, TypeError, KeyError):
            return {}

    def _digest(self) -> str:
        """The sha256 of all sources, and of the Python that would parse them."""
        digest = hashlib.sha256(sys.version.encode())
        for folder in (self._package, self._scripts):
            for path in sorted(folder.rglob("*.py")):
                content = path.read_bytes()
                digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()
