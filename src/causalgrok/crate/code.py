"""The hash of a job's code, taken over sources that are not the running ones: a checkout, or what a crate holds.

`causalgrok.provenance` stays as it is, since training reaches it: a new parameter there would be a change of code, and
everything trained before would have to be trained again. So it is loaded a second time, and told where to look.
"""

import functools
import importlib.util
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType


class Sources:
    """The sources of this project, wherever they lie; they are parsed, never run.

    Args:
        root: the folder that holds `workflow` and `src`.
    """

    def __init__(self, root: Path):
        self._root = root
        self._package = root / "src/causalgrok"
        self._searches: dict[str, tuple[dict[str, tuple[str, ...]], Iterator[tuple[str, ...]]]] = {}

    @functools.cached_property
    def _provenance(self) -> ModuleType:
        spec = importlib.util.find_spec("causalgrok.provenance")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.SOURCE = self._package
        return module

    def code_hash(self, script: str, *modules: str) -> str:
        """The hash of a script below workflow/scripts, of modules it finds at run time, and of all they reach.

        Raises:
            ValueError: a file is missing or is not Python.
        """
        try:
            return self._provenance.code_hash(self._root / "workflow/scripts" / script, *modules)
        except (OSError, SyntaxError, UnicodeDecodeError, RecursionError, MemoryError) as error:
            raise ValueError(f"its code cannot be read ({error})") from error

    def modules_of(self, script: str, digest: str, params: Iterable[str] = ()) -> tuple[str, ...] | None:
        """The modules a script was given at run time, found by the hash they lead to; None if nothing leads to it.

        A job states its hash, and in its params the modules of the figures it draws. What a task names is one at most.
        """
        known, candidates = self._searches.setdefault(script, ({}, self._candidates()))
        named = tuple(sorted({module for text in params for module in re.findall(r"'(causalgrok(?:\.\w+)+)'", text)}))
        if named and all((self._root / self.file_of(module)).is_file() for module in named):
            known.setdefault(self.code_hash(script, *named), named)
        while digest not in known:
            modules = next(candidates, None)
            if modules is None:
                return None
            known.setdefault(self.code_hash(script, *modules), modules)
        return known[digest]

    def _candidates(self) -> Iterator[tuple[str, ...]]:
        yield ()
        for path in sorted(self._package.rglob("*.py")):
            if path.name != "__init__.py":
                yield (self.module_of(path.relative_to(self._root).as_posix()),)

    @staticmethod
    def module_of(path: str) -> str:
        """The name of a module by its path from the root."""
        return ".".join(Path(path).relative_to("src").with_suffix("").parts)

    @staticmethod
    def file_of(module: str) -> str:
        """The path of a module from the root."""
        return f"src/{module.replace('.', '/')}.py"
