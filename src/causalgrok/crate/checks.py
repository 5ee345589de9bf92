"""Is a crate still what was written, and does everything in it come from somewhere? A line for whatever is wrong."""

import ast
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from causalgrok.crate.code import Sources
from causalgrok.crate.metadata import Action, Crate, values
from causalgrok.crate.names import CONFIG, METADATA, ORIGIN, RESULTS, RUN
from causalgrok.files import sha256
from causalgrok.provenance import settings_hash

_SCRIPTS = "workflow/scripts"


def problems(crate: Crate) -> Iterator[str]:
    """Everything that is wrong with a crate, a line each, which begins with the file it is about."""
    links = list(_links(crate.folder))
    yield from (f"{path}: it is a link; a crate holds files alone" for path in links)
    yield from _files(crate)
    yield from _chains(crate)
    if not links:
        yield from _code(crate)
        yield from _runs(crate)


def _below(folder: Path) -> Iterator[Path]:
    for base, folders, files in os.walk(folder):
        yield from (Path(base, name) for name in sorted([*files, *folders]))


def _links(folder: Path) -> Iterator[str]:
    for path in _below(folder):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            yield path.relative_to(folder).as_posix()


def _held(crate: Crate) -> dict[str, Path]:
    regular = (path for path in _below(crate.folder) if path.is_file() and not path.is_symlink())
    return {path.relative_to(crate.folder).as_posix(): path for path in regular}


def _files(crate: Crate) -> Iterator[str]:
    """Every file is described, every description has its file, and they agree."""
    found = _held(crate)
    for name in sorted({*found, *crate.files} - {METADATA}):
        stated, path = crate.files.get(name), found.get(name)
        if stated is None:
            yield f"{name}: it is in the crate, which does not name it"
        elif path is None:
            yield f"{name}: the crate names it, and does not hold it"
        elif stated.get("contentSize") != str(path.stat().st_size):
            yield f"{name}: it has {path.stat().st_size} bytes, the crate says {stated.get('contentSize')}"
        elif stated.get("sha256") != (digest := sha256(path)):
            yield f"{name}: its sha256 is {digest}, the crate says {stated.get('sha256')}"


def _chains(crate: Crate) -> Iterator[str]:
    """Every result was made by a job, from results of others or from named sources, and by named code."""
    if CONFIG not in values(crate.entities.get(RUN, {}), "object") or CONFIG not in crate.files:
        yield f"{CONFIG}: the crate does not say what the study was planned with"
    results = sorted(path for path in crate.files if path.startswith(RESULTS))
    made = Counter(path for action in crate.actions for path in action.outputs)
    yield from (f"{path}: two jobs made it" for path, count in sorted(made.items()) if count > 1)
    yield from (f"{path}: no job made it" for path in results if path not in crate.makers)
    for action in crate.actions:
        about = action.outputs[0] if action.outputs else action.id
        if not action.code or action.script not in action.starts[:1] or action.script not in crate.files:
            yield f"{about}: the crate does not say what code made it"
        for path in action.inputs:
            if path in crate.makers or f"#{path}".startswith(ORIGIN):
                continue
            if path.startswith(RESULTS):
                yield f"{about}: it was made from {path}, which no job made"
            elif "sha256" not in crate.describe(path):
                yield f"{about}: it was made from {path}, which the crate does not name"
    try:
        crate.behind(*crate.makers)
    except ValueError as error:
        yield str(error)


def _code(crate: Crate) -> Iterator[str]:
    """Every job's code hash is that of the sources in the crate."""
    sources, held = Sources(crate.folder), _held(crate)
    jobs = {(action.code, action.starts): action for action in crate.actions if action.starts and action.outputs}
    for (digest, starts), action in sorted(jobs.items()):
        about = f"{action.outputs[0]} ({action.rule})"
        if not set(starts) <= set(held) or Path(starts[0]).parent.as_posix() != _SCRIPTS:
            yield f"{about}: its code is not in the crate"
            continue
        try:
            found = sources.code_hash(Path(starts[0]).name, *map(sources.module_of, starts[1:]))
        except ValueError as error:
            yield f"{about}: {error}"
            continue
        if found != digest:
            yield f"{about}: it was made by code {digest}, and {starts[0]} with all it imports is {found}"


def _runs(crate: Crate) -> Iterator[str]:
    """What a run says of itself: its config has its hash and is what the job was told; its data are those named."""
    held = _held(crate)
    for path in sorted(path for path in crate.files if path.startswith(RESULTS) and path.endswith("/run.json")):
        action = crate.makers.get(path)
        if action is None or path not in held:
            continue
        try:
            stated = json.loads(held[path].read_bytes())
            config, data = stated.get("config"), dict(stated["data"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            yield f"{path}: it is not the provenance of a run"
            continue
        if stated.get("code_hash") != action.code:
            yield f"{path}: it states code {stated.get('code_hash')}, its job ran {action.code}"
        if config is not None and settings_hash(config) != stated.get("config_hash"):
            yield f"{path}: its config does not have the hash it states"
        if config is not None and not _told(config, action):
            yield f"{path}: its config is not what its job was told"
        for source, digest in sorted(data.items()):
            if crate.describe(source).get("sha256") != digest:
                yield f"{path}: {source} is not what the run was made from"


def _told(config: object, action: Action) -> bool:
    for text in action.params:
        try:
            if ast.literal_eval(text) == config:
                return True
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return False
