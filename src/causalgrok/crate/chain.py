"""What a file in a crate comes from, as text: jobs, code, config, data, environment, each with its hash."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import PurePosixPath

from causalgrok.crate.metadata import Action, Crate, values
from causalgrok.crate.names import CONFIG, ORIGIN

_DIGITS = 16
_WIDTH = 160
_MANY = 6
"""So many results of one job in one folder are shown as the folder."""


def chain(crate: Crate, file: str) -> Iterator[str]:
    """The lines of a file's chain; a hash is cut to its first 16 digits, but for the file's own.

    Raises:
        ValueError: the crate does not name the file, or it comes from itself.
    """
    described = crate.describe(file)
    if not described:
        raise ValueError(f"{file}: the crate does not name it; give a path such as {min(crate.makers, default=CONFIG)}")
    yield file
    yield f"  sha256 {described.get('sha256')}"
    jobs = crate.behind(file)
    if not jobs:
        yield "  no job made it: it is a part of the workflow, or was there before"
        return
    yield "jobs, the last first: what they made of it, by which rule and code"
    wanted = {file, *(path for job in jobs for path in job.inputs)}
    for job in jobs:
        yield from _results(crate, job, [path for path in job.outputs if path in wanted])
    yield "code: hash, and the files it is taken over with all they import"
    for digest, starts in sorted({(job.code, job.starts) for job in jobs}):
        yield f"  {digest}  {', '.join(starts)}"
    yield "config"
    yield f"  {_sha(crate, CONFIG)}  {CONFIG}"
    yield from _configs(crate, jobs)
    yield "data: what was there before, or was generated or fetched by a job that read nothing"
    yield from _data(crate, jobs)
    yield "environment"
    yield from _environments(crate, jobs)


def _sha(crate: Crate, path: str) -> str:
    return str(crate.describe(path).get("sha256"))[:_DIGITS]


def _results(crate: Crate, job: Action, paths: Iterable[str]) -> Iterator[str]:
    for folder, grouped in groupby(paths, key=lambda path: PurePosixPath(path).parent):
        files = list(grouped)
        if len(files) < _MANY:
            yield from (f"  {_sha(crate, path)}  {path}  {job.rule} {job.code}" for path in files)
        else:
            yield f"  {f'{len(files)} files':{_DIGITS}}  {folder}/  {job.rule} {job.code}"


def _configs(crate: Crate, jobs: Iterable[Action]) -> Iterator[str]:
    """The config hashes that runs state."""
    for path in sorted(path for job in jobs for path in job.outputs if path.endswith("/run.json")):
        stated = json.loads((crate.folder / path).read_bytes())
        yield f"  {str(stated.get('config_hash'))[:_DIGITS]}  {path}"


def _data(crate: Crate, jobs: list[Action]) -> Iterator[str]:
    for job in jobs:
        origins = [path for path in job.inputs if f"#{path}".startswith(ORIGIN)]
        for path in origins:
            yield f"  {crate.describe(path).get('description')}"
        if len(origins) == len(job.inputs):
            yield from _results(crate, job, job.outputs)
    for path in sorted({path for job in jobs for path in job.inputs} - set(crate.makers)):
        if not f"#{path}".startswith(ORIGIN):
            yield f"  {_sha(crate, path)}  {path}  {crate.describe(path).get('description')}"


def _environments(crate: Crate, jobs: Iterable[Action]) -> Iterator[str]:
    if "requirements.lock" in crate.files:
        yield f"  {_sha(crate, 'requirements.lock')}  requirements.lock"
    found = {name: crate.entities.get(name, {}) for job in jobs for name in job.environment}
    for name, value in sorted(found.items(), key=lambda item: (str(item[1].get("name")), item[0])):
        lines = "".join(values(value, "value")).splitlines()
        text = " ".join(line.strip("- ") for line in lines if not line.startswith("#"))
        text = text if len(text) < _WIDTH else f"{text[: _WIDTH - 3]}..."
        yield f"  {name.rpartition('/')[2]:{_DIGITS}}  {value.get('name')}: {text}"
