"""Write a finished study as an RO-Crate.

What a study shows lies inside: tables, figures, pages, the small files of its runs, the sources, the resolved config.
Files of arrays (packed splits, features, checkpoints, counterfactuals) are named with checksum and size and stay
outside: they are most of the bytes, and the jobs in the crate say how to make them again. A crate is checked before it
gets its name.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from causalgrok.crate.actions import add_run
from causalgrok.crate.archive import opened, write_archive
from causalgrok.crate.checks import problems
from causalgrok.crate.code import Sources
from causalgrok.crate.entities import (
    BIOSCHEMAS,
    add,
    add_file,
    add_value,
    compact,
    content,
    name_file,
    references,
    start,
    version_of,
    workflow_files,
)
from causalgrok.crate.metadata import read_crate
from causalgrok.crate.names import CODE, CONFIG, LEFT_OUT, RESULTS, inside, path_of
from causalgrok.crate.records import Job, NoRecord, jobs_behind
from causalgrok.files import whole

_DESCRIPTION = (
    "The tables, figures and pages of a study, and every job that led to them. Packed splits, features, checkpoints "
    "and counterfactuals (*.safetensors), and files that were there before, are named with sha256 and size, not inside."
)
_LEFT_OUT = "left out for its size; the job whose result it is makes it again"
_BEFORE = "was there before the study, and is no part of the crate"


def export_study(
    study: str, targets: Sequence[str], output: str | Path, *, root: Path, config: dict, records: Path
) -> None:
    """Write the crate of a finished study, whole or not at all.

    Args:
        study: its name.
        targets: its results, as paths from the working directory.
        output: the ZIP file.
        root: the folder of the sources, which holds the Snakefile.
        config: what the study was planned with, resolved.
        records: Snakemake's folder of records, `.snakemake/metadata`.

    Raises:
        NoRecord: it is not known how a file was made, or it was made by other code.
        ValueError: the crate does not pass its own check.
    """
    jobs = jobs_behind(targets, records, wanted_for=str(output))
    crate = start(f"causalgrok: study {study}", _DESCRIPTION, published=jobs[-1].ended)
    with tempfile.TemporaryDirectory() as folder, whole(output) as temporary:
        resolved = Path(folder, CONFIG)
        resolved.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        add_file(crate, CONFIG, resolved, description="what the study was planned with")
        _add_sources(crate, root, {job.script for job in jobs})
        codes = _add_code(crate, jobs, Sources(root), target=str(output))
        for path in sorted({path for job in jobs for path in (*job.inputs, *job.outputs)}):
            _add_result(crate, path)
        add_run(crate, jobs, targets, codes)
        compact(crate)
        write_archive(_contents(crate), temporary)
        _check(temporary, study)
        size = temporary.stat().st_size / 2**20
    print(f"{output}: {len(jobs)} jobs, {len(crate.data_entities)} files, {size:.1f} MiB")


def _add_sources(crate: ROCrate, root: Path, scripts: set[str]) -> None:
    """Add the workflow's files; the scripts that ran are the tools it has."""
    workflow = crate.add_workflow(root / "Snakefile", "Snakefile", main=True, lang="snakemake")
    kinds = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
    workflow.properties().update({"@type": kinds, "version": version_of(root), **content(root / "Snakefile")})
    workflow["conformsTo"] = add(crate, BIOSCHEMAS, "CreativeWork", name="Bioschemas ComputationalWorkflow")
    tools = []
    for path in workflow_files(root):
        if path in {f"workflow/scripts/{script}" for script in scripts}:
            tools.append(add_file(crate, path, root / path, "SoftwareSourceCode", version=version_of(root)))
        elif path == "README.md":
            add_file(crate, path, root / path, about=crate.root_dataset)
        elif path != "Snakefile":
            add_file(crate, path, root / path)
    workflow["hasPart"] = references(tools)


def _add_code(crate: ROCrate, jobs: Sequence[Job], sources: Sources, *, target: str) -> dict[str, Entity]:
    """Add the hash of every job's code, with the files it starts from: the script and what it finds at run time."""
    codes, foreign = {}, []
    for (script, digest), job in sorted({(job.script, job.code): job for job in jobs}.items()):
        modules = sources.modules_of(script, digest, job.params)
        if modules is None:
            foreign.append(f"{job.outputs[0]}: it was made by other code than there is now ({script}, {digest})")
            continue
        files = [f"workflow/scripts/{script}", *map(sources.file_of, modules)]
        codes[digest] = add_value(
            crate, "code", CODE, digest, valueReference=[crate.get(inside(path)) for path in files]
        )
    if foreign:
        raise NoRecord(foreign, target)
    return codes


def _add_result(crate: ROCrate, path: str) -> None:
    if not path.startswith(RESULTS):
        name_file(crate, path, _BEFORE)
    elif path.endswith(LEFT_OUT):
        name_file(crate, path, _LEFT_OUT)
    else:
        add_file(crate, path, Path(path))


def _contents(crate: ROCrate) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Every file by its name, the metadata last."""
    for entity in crate.get_entities():
        single = {
            key: value[0] for key, value in entity.properties().items() if isinstance(value, list) and len(value) == 1
        }
        entity.properties().update(single)
    for entity in [*sorted(crate.data_entities, key=lambda entity: entity.id), crate.metadata]:
        yield path_of(entity.id), (chunk for _, chunk in entity.stream())


def _check(archive: Path, study: str) -> None:
    with opened(archive) as folder:
        wrong = list(problems(read_crate(folder)))
    if wrong:
        raise ValueError(f"the crate of {study} would be wrong: {wrong[0]} (line 1 of {len(wrong)})")
