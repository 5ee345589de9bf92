"""Read what a crate says of itself, without trusting it: text and references, whatever else it may hold."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from causalgrok.crate.names import CODE, METADATA, RUN, inside, outside, path_of

_MOST_METADATA = 2**29


@dataclass(frozen=True)
class Action:
    """One job."""

    id: str
    rule: str
    script: str
    """The path of its script in the crate."""

    code: str
    starts: tuple[str, ...]
    """The files that its code hash is taken over, with all they reach: the script, then modules."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: tuple[str, ...]
    environment: tuple[str, ...]
    """Identifiers of values."""

    ended: str


@dataclass(frozen=True)
class Crate:
    """An unpacked crate: identifier -> what its metadata say, and the folder it lies in."""

    folder: Path
    entities: dict[str, dict]

    @cached_property
    def files(self) -> dict[str, dict]:
        """Path -> description, of every file it says it holds."""
        described = {name: entity for name, entity in self.entities.items() if "File" in values(entity, "@type")}
        return {path_of(name): entity for name, entity in described.items() if name[:1] != "#" and name != METADATA}

    @cached_property
    def actions(self) -> list[Action]:
        """Every job."""
        found = self.entities.items()
        return [self._action(name, e) for name, e in found if "CreateAction" in values(e, "@type") and name != RUN]

    @cached_property
    def makers(self) -> dict[str, Action]:
        """Path -> the job that made it."""
        return {path: action for action in self.actions for path in action.outputs}

    def describe(self, path: str) -> dict:
        """What is said of a file, inside or outside; nothing if it is not named."""
        return self.entities.get(inside(path)) or self.entities.get(outside(path)) or {}

    def behind(self, *paths: str) -> list[Action]:
        """The jobs that files come from, their own first and every other one after those that read its results.

        Raises:
            ValueError: they lead back to themselves.
        """
        done: dict[str, Action] = {}
        begun, waiting = set(), [(path, False) for path in paths]
        while waiting:
            path, left = waiting.pop()
            action = self.makers.get(path)
            if action is None or action.id in done:
                continue
            if left:
                done[action.id] = action
            elif action.id in begun:
                raise ValueError(f"{path}: it comes from itself")
            else:
                begun.add(action.id)
                waiting.append((path, True))
                waiting += [(file, False) for file in action.inputs]
        return list(done.values())[::-1]

    def _action(self, name: str, entity: dict) -> Action:
        objects = [(one, self.entities.get(one, {})) for one in values(entity, "object")]
        told = [(one, e) for one, e in objects if "PropertyValue" in values(e, "@type")]
        codes = [e for _, e in told if e.get("name") == CODE]
        given = {one for one, _ in told}
        return Action(
            id=name,
            rule=str(entity.get("name")),
            script=path_of("".join(values(entity, "instrument")[:1])),
            code=str(codes[0].get("value")) if len(codes) == 1 else "",
            starts=tuple(map(path_of, values(codes[0], "valueReference"))) if len(codes) == 1 else (),
            inputs=tuple(path_of(one) for one, _ in objects if one not in given),
            outputs=tuple(map(path_of, values(entity, "result"))),
            params=tuple(str(e.get("value")) for _, e in told if e.get("name") != CODE),
            environment=tuple(values(entity, "environment")),
            ended=str(entity.get("endTime")),
        )


def read_crate(folder: Path) -> Crate:
    """Read the metadata of an unpacked crate.

    Raises:
        ValueError: there are none, or they are none of a crate.
    """
    path = folder / METADATA
    if not path.is_file() or path.is_symlink() or path.stat().st_size > _MOST_METADATA:
        raise ValueError(f"{METADATA} is not there; give the ZIP file of a crate or the folder it was unpacked into")
    try:
        graph = json.loads(path.read_bytes())["@graph"]
        entities = {entity["@id"]: entity for entity in graph}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{METADATA} is not the metadata of a crate ({error})") from None
    if (
        not isinstance(graph, list)
        or len(entities) != len(graph)
        or not all(isinstance(name, str) for name in entities)
    ):
        raise ValueError(f"{METADATA} describes something twice, or without a name")
    return Crate(folder, entities)


def values(entity: dict, key: str) -> list[str]:
    """The texts and references that a property has, none, one or many."""
    return list(_values(entity.get(key, [])))


def _values(found: object) -> Iterator[str]:
    for one in found if isinstance(found, list) else [found]:
        text = one.get("@id") if isinstance(one, dict) else one
        if isinstance(text, str):
            yield text
