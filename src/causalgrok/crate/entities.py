"""What stands in the crate's metadata, entity by entity, in the words of RO-Crate and schema.org."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.model.file import File
from rocrate.rocrate import ROCrate

from causalgrok.crate.names import outside
from causalgrok.files import sha256

CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
LICENCE = "https://spdx.org/licenses/MIT"

# Not mimetypes: what that knows differs from machine to machine.
_FORMATS = {
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".html": "text/html",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".py": "text/x-python",
    ".smk": "text/x-python",
    **dict.fromkeys((".rst", ".toml", ".lock", ".txt", ""), "text/plain"),
}


def start(name: str, description: str, published: float) -> ROCrate:
    """A crate with its profiles and licence, and nothing in it."""
    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(CONTEXT)
    crate.name, crate.description, crate.datePublished = name, description, moment(published)
    crate.license = add(crate, LICENCE, "CreativeWork", name="MIT License")
    crate.root_dataset["conformsTo"] = [
        add(crate, profile, "CreativeWork", name=name, version=profile.rpartition("/")[2])
        for profile, name in PROFILES.items()
    ]
    return crate


def add(crate: ROCrate, identifier: str, kind: str, **properties: object) -> Entity:
    """Add an entity that is no file of the crate, or give the one that is there."""
    found = crate.get(identifier)
    return found or crate.add(ContextEntity(crate, identifier, {"@type": kind, **properties}))


def add_file(crate: ROCrate, path: str, source: Path, *kinds: str, **properties: object) -> File:
    """Put a file into the crate, with its checksum and size."""
    types = ["File", *kinds] if kinds else "File"
    return crate.add_file(source, path, properties={"@type": types, "name": path, **content(source), **properties})


def name_file(crate: ROCrate, path: str, why: str) -> Entity:
    """Name a file that stays outside, by its path, checksum and size."""
    return add(crate, outside(path), "CreativeWork", name=path, description=why, **content(Path(path)))


def add_value(crate: ROCrate, kind: str, name: str, value: str, **properties: object) -> Entity:
    """A value with a name; the same one again is the same entity."""
    digest = hashlib.sha256(f"{name}\0{value}".encode()).hexdigest()[:16]
    return add(crate, f"#{kind}/{digest}", "PropertyValue", name=name, value=value, **properties)


def moment(seconds: float) -> str:
    """A time as the profiles want it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def workflow_files(root: Path) -> list[str]:
    """The files that are the workflow: what it takes to plan and run the study again."""
    single = ["Snakefile", "config.yaml", "requirements.lock", "pyproject.toml", "LICENSE", "README.md", "Makefile"]
    folders = ["workflow", "src/causalgrok", "envs", "profiles"]
    below = (path for folder in folders for path in (root / folder).rglob("*"))
    paths = [*(root / name for name in single), *below]
    return sorted({str(path.relative_to(root)) for path in paths if path.is_file() and not _private(path, root)})


def version_of(root: Path) -> str:
    """The version of the sources, as pyproject.toml states it."""
    path = root / "pyproject.toml"
    match = re.search(r'^version = "(.+)"$', path.read_text() if path.is_file() else "", flags=re.MULTILINE)
    return match[1] if match else "unknown"


def references(entities: Iterable[Entity]) -> Sequence[Entity]:
    """Entities in the order of their identifiers, each once."""
    return sorted({entity.id: entity for entity in entities}.values(), key=lambda entity: entity.id)


def compact(crate: ROCrate) -> None:
    """Write lists of one value as that value, as the specification asks."""
    for properties in (entity.properties() for entity in crate.get_entities()):
        lists = {key: value for key, value in properties.items() if isinstance(value, list)}
        properties.update({key: value[0] for key, value in lists.items() if len(value) == 1})


def _private(path: Path, root: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(root).parts)


def content(path: Path) -> dict[str, str]:
    """What is said of every file, inside or outside: checksum, size, format."""
    encoding = _FORMATS.get(path.suffix, "application/octet-stream")
    return {"sha256": sha256(path), "contentSize": str(path.stat().st_size), "encodingFormat": encoding}
