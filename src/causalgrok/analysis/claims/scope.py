"""What a study's runs were trained on, and whether that is the data of the sources."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Data(NamedTuple):
    """The data of a study."""

    told: str
    """What they are, in words."""

    official: bool
    """Whether every dataset has the official counts and files."""


def data_of(sources: Iterable[Mapping[str, Any]]) -> Data:
    """What the study's datasets come from.

    Args:
        sources: for each, what its `source.json` says: name, root, origin, census, and `matches_official`, which is
            true where counts and files are those of the release; generated data and stand-ins lack it or deny it.
    """
    sources = list({str(source): source for source in sources}.values())
    official = bool(sources) and all(source.get("matches_official") is True for source in sources)
    return Data("; ".join(map(_told, sources)) or "unknown", official)


def _told(source: Mapping[str, Any]) -> str:
    counted = f"{source['census']['patches']:,} patches in {source['root']}"
    if "matches_official" not in source:
        return f"{source['name']}, generated, {counted}"
    if not source["matches_official"]:
        return f"{source['origin']}, not the official counts or patch size, {counted}"
    unverified = ", whose files have no published checksum" if source["name"] == "local" else ""
    return f"{source['origin']}, the official counts{unverified}, {counted}"
