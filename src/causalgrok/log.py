"""A job's log: everything it prints, on the terminal and in its file, tracebacks included.

A log that cannot be written, on a full disk for instance, never hides the error that the job ended with.
"""

import contextlib
import errno
import faulthandler
import gc
import io
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


class _Log(io.FileIO):
    """The file of a log, which loses what the disk does not take."""

    def write(self, content) -> int:
        with contextlib.suppress(OSError):
            super().write(content)
        return len(content)


class _Tee:
    """Writes to a terminal as it comes and to a log line by line; of a line redrawn with \\r the log gets the last."""

    def __init__(self, terminal: TextIO, log: TextIO):
        self._terminal, self._log, self._line = terminal, log, ""

    def write(self, text: str) -> int:
        self._terminal.write(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._log.write(line.rsplit("\r", 1)[-1] + "\n")
        return len(text)

    def end(self) -> None:
        """Write a last line that no newline ended."""
        if self._line:
            self._log.write(self._line.rsplit("\r", 1)[-1] + "\n")

    def flush(self) -> None:
        self._terminal.flush()
        self._log.flush()

    def __getattr__(self, name: str):
        return getattr(self._terminal, name)


@contextlib.contextmanager
def logged(path: str, *, append: bool = False) -> Iterator[None]:
    """Copy standard output, standard error and an error's traceback into a log file.

    With `append`, what an earlier attempt logged is kept.

    An error that is the user's (a ``ValueError`` or ``OSError`` with a message, or memory that there is not) still ends
    the job, and the log ends with its one line.
    """
    # Importing torch or pandas makes objects by the hundred thousand, of which none is garbage.
    gc.set_threshold(50_000)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with io.TextIOWrapper(_Log(path, "a" if append else "w"), encoding="utf-8", write_through=True) as log:
        faulthandler.enable(log)
        out, err = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Tee(out, log), _Tee(err, log)
        try:
            yield
        except BaseException as error:
            traceback.print_exc(file=log)
            if (isinstance(error, ValueError | OSError) or _no_memory(error)) and str(error):
                err.write(f"{type(error).__name__}: {error}{_advice(error)}\n")
                sys.exit(1)
            raise
        finally:
            sys.stdout.end()
            sys.stderr.end()
            sys.stdout, sys.stderr = out, err
            faulthandler.enable(err if hasattr(err, "fileno") and _has_descriptor(err) else sys.__stderr__)
            # An interpreter that ends looks through all objects, half a second's work where torch is imported.
            gc.freeze()


def _no_memory(error: BaseException) -> bool:
    # torch has no class for it on a CPU.
    told = re.search("(can't allocate|out of) memory", str(error)) is not None
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and told)


def _advice(error: BaseException) -> str:
    if _no_memory(error):
        return "; take fewer or smaller examples, a smaller network or a smaller batch, or a machine with more memory"
    if getattr(error, "errno", None) != errno.ENOSPC:
        return ""
    return f"; make room on the disk of {Path.cwd()} and start again: what was finished is kept"


def _has_descriptor(stream: TextIO) -> bool:
    try:
        os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return True
