"""The jobs behind a study, from Snakemake's own records.

Snakemake leaves one JSON file an output in `.snakemake/metadata`. Its name is the output's path in URL-safe base64; a
name too long for the file system is cut, and all its parts but the last are folders that begin with "@".
"""

import ast
import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from causalgrok.files import sha256

RESULTS = "results"
"""The folder of what jobs make; a file elsewhere may be there without one."""

_NO_SOFTWARE = hashlib.md5(usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Job:
    """A job that ran, as Snakemake recorded it; a folder among its files stands as the files it holds."""

    rule: str
    script: str
    """Its name below workflow/scripts."""

    code: str
    """The hash of the code that ran."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: tuple[str, ...]
    """As Python prints them; Snakemake keeps no names."""

    environment: str
    """The conda environment that its rule names, as YAML, and the container if there is one."""

    deployed: bool
    """Whether Snakemake made that environment and ran it there; else it ran in Snakemake's own."""

    started: float
    ended: float


class NoRecord(ValueError):
    """It is not known how a result was made; the message says what to do."""

    def __init__(self, problems: list[str], target: str):
        """Name the first file, and how to make it again on the way to a target."""
        file, _, reason = problems[0].partition(": ")
        more = f" ({len(problems) - 1} more files are like it)" if problems[1:] else ""
        super().__init__(f"{file}: {reason}{more}; make it again with: snakemake {target} -R {file} --cores 1")


def jobs_behind(targets: Iterable[str], folder: Path, *, wanted_for: str) -> list[Job]:
    """Every job that some files come from, walking back to those that read no results; the last to end comes last.

    Outputs of these jobs that nothing asked for are among their outputs where they exist.

    Args:
        targets: files below `RESULTS`, relative to the working directory.
        folder: Snakemake's records.
        wanted_for: the file that all this is for, named where something must be made again.

    Raises:
        NoRecord: a file or its record is missing, or a file changed after a job read it.
    """
    records = read_records(folder)
    siblings: dict[str, list[str]] = {}
    for path, record in records.items():
        siblings.setdefault(_identity(record), []).append(path)
    waiting, seen, jobs, problems = sorted(targets, reverse=True), set(), {}, []
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if not Path(path).exists():
            problems.append(f"{path}: it is gone")
        elif (maker := _maker(path, records)) is not None:
            record = records[maker]
            if (identity := _identity(record)) not in jobs:
                together = [records[sibling] for sibling in siblings[identity]]
                jobs[identity] = _job(record, together, siblings[identity])
                problems += _changed(record, maker)
                waiting += record["input"]
        elif Path(path).parts[0] == RESULTS:
            problems.append(f"{path}: Snakemake has no record of how it was made")
    if problems:
        raise NoRecord(sorted(problems), wanted_for)
    return sorted(jobs.values(), key=lambda job: (job.ended, job.outputs))


def read_records(folder: Path) -> dict[str, dict]:
    """Output -> its record; what a job did not finish, or is no record, is left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            *parts, last = path.relative_to(folder).parts
            try:
                name = base64.urlsafe_b64decode("".join(part.removeprefix("@") for part in parts) + last).decode()
                record = json.loads(path.read_bytes())
                if record["rule"] and not record["incomplete"]:
                    found[name] = record
            except (ValueError, KeyError, TypeError):
                continue
    return found


def files_of(path: str) -> list[str]:
    """A file, or the files of a folder that a job made or read; hidden ones are Snakemake's."""
    if not Path(path).is_dir():
        return [path]
    return sorted(str(file) for file in Path(path).rglob("*") if file.is_file() and not file.name.startswith("."))


def _maker(path: str, records: Mapping[str, dict]) -> str | None:
    """The output that a file is, or lies in."""
    return next((str(one) for one in (Path(path), *Path(path).parents) if str(one) in records), None)


def _identity(record: dict) -> str:
    """What the records of one job's outputs have in common; every job has a log of its own."""
    return json.dumps([record[key] for key in ("rule", "log", "input", "params", "job_hash")])


def _job(record: dict, together: list[dict], outputs: list[str]) -> Job:
    hashes = [match[1] for text in record["params"] if (match := re.fullmatch(r"'([0-9a-f]{16})'", text))]
    if len(hashes) != 1:
        raise ValueError(f"{outputs[0]}: the job of rule {record['rule']} has no hash of its code among its params")
    return Job(
        rule=record["rule"],
        script=Path(ast.literal_eval(record["code"].strip())).name,
        code=hashes[0],
        inputs=tuple(file for path in sorted(record["input"]) for file in files_of(path)),
        outputs=tuple(file for path in sorted(outputs) if Path(path).exists() for file in files_of(path)),
        params=tuple(text for text in record["params"] if text != repr(hashes[0])),
        environment=_environment(record),
        deployed=record["software_stack_hash"] not in (None, _NO_SOFTWARE),
        started=min(one["starttime"] for one in together),
        ended=max(one["endtime"] for one in together),
    )


def _environment(record: dict) -> str:
    container = f"container: {record['container_img_url']}\n" if record["container_img_url"] else ""
    return base64.b64decode(record["conda_env"] or "").decode() + container


def _changed(record: dict, output: str) -> Iterator[str]:
    """Inputs that are not what the job read; Snakemake keeps checksums of small files that were new to it."""
    for path, checksum in record["input_checksums"].items():
        if Path(path).is_file() and checksum != f"sha256:{sha256(path)}":
            yield f"{output}: {path} has changed since it was made from it"
