"""What a start is about to do, and what it came to, in people's words.

Times are those that jobs of the same kind took in this folder before (Snakemake's benchmark files). Nothing is guessed:
a kind that was never timed here is said to be unknown.
"""

import contextlib
import json
import re
import shutil
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

_SAMPLES = 5
"""Benchmark files that a kind of job is judged by."""

_NAMED = 5
"""Claims of one verdict that are named at the end."""


class Job(NamedTuple):
    """A job to be done, as far as it matters here.

    Attributes:
        rule: the name of its rule.
        benchmark: where its time is written, ``benchmarks/<rule>/<task or study>/...``; empty: nowhere.
        run: the folder of the run that it makes, for jobs that train; else empty.
        cores: CPU cores it takes.
        gpus: GPUs it takes.
        figures: how many figures it draws.
    """

    rule: str
    benchmark: str = ""
    run: str = ""
    cores: int = 1
    gpus: int = 0
    figures: int = 0


def plan(jobs: Sequence[Job], cores: int | None) -> list[str]:
    """What is to be done, how long that takes and how much room it needs, a line each.

    Args:
        jobs: the jobs to be done.
        cores: CPU cores given; empty: there is no one number, as on a cluster.
    """
    runs = [Path(job.run) for job in jobs if job.run]
    others = sum(not (job.run or job.figures) for job in jobs)
    parts = (
        _count(len(runs), "network to train", "networks to train"),
        _count(sum(job.figures for job in jobs), "figure", "figures"),
        _count(others, "other job", "other jobs"),
    )
    return [f"To do: {', '.join(part for part in parts if part)}.", *_time(jobs, cores), *_room(runs)] if jobs else []


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}" if number else ""


def _time(jobs: Sequence[Job], cores: int | None) -> list[str]:
    """How long, in hours of cores and GPUs, from jobs timed before."""
    seconds = _seconds_of_kinds({_kind(job) for job in jobs})
    timed = [(job, seconds[_kind(job)]) for job in jobs if _kind(job) in seconds]
    if not timed:
        return ["How long it takes is not known: no job of these kinds has been timed in this folder."]
    busy = sum(job.cores * took for job, took in timed)
    gpu = sum(job.gpus * took for job, took in timed)
    expected = f"{_duration(busy)} of a core"
    if cores:
        expected = f"{_duration(busy / cores)} on {_count(cores, 'core', 'cores')}"
    if gpu:
        expected += f", {_duration(gpu)} of a GPU"
    unknown = len(jobs) - len(timed)
    rest = f"; {_count(unknown, 'job is', 'jobs are')} of a kind not timed here" if unknown else ""
    return [f"Expected, by jobs timed here before: {expected}{rest}."]


def _kind(job: Job) -> tuple[str, ...]:
    """The rule, and the task or study that it works for."""
    return Path(job.benchmark).parts[:3] if job.benchmark else (job.rule,)


def _seconds_of_kinds(kinds: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
    """The median seconds of the kinds of jobs of which some were timed."""
    found = {kind: _samples(Path(*kind)) for kind in kinds}
    return {kind: statistics.median(seconds) for kind, seconds in found.items() if seconds}


def _samples(place: Path) -> list[float]:
    """Seconds that a few jobs took; what is half-written or of another form is left out."""
    seconds = []
    for path in [place] if place.is_file() else place.rglob("*.jsonl"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            seconds += [float(json.loads(line)["s"]) for line in path.read_text().splitlines()]
        if len(seconds) >= _SAMPLES:
            break
    return seconds


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _room(runs: Sequence[Path]) -> list[str]:
    """How much disk the runs take, by finished runs of the same task; nothing if there are none."""
    sizes = {task: _size_of_run(task) for task in {Path(*run.parts[:-3]) for run in runs}}
    if not runs or not all(sizes.values()):
        return []
    needed = sum(sizes[Path(*run.parts[:-3])] for run in runs)
    free = shutil.disk_usage(Path.cwd()).free
    enough = "" if needed < free else ": not enough"
    expected = f"about {_gigabytes(needed)} for the runs, by those finished here"
    return [f"Disk: {expected}; {_gigabytes(free)} are free{enough}."]


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2g} GB" if size < 1e10 else f"{size / 1e9:,.0f} GB"


def _size_of_run(task: Path) -> int:
    """The bytes of a finished run of a task; 0 if there is none."""
    finished = next(task.glob("*/*/*/run.json"), None)
    return sum(path.stat().st_size for path in finished.parent.rglob("*") if path.is_file()) if finished else 0


def ending(studies: Iterable[str], results: Path = Path("results")) -> list[str]:
    """Where the results of the studies lie, and what they say, at most five lines each.

    Args:
        studies: names of studies that have been built whole.
        results: their folder.
    """
    lines = []
    for study in studies:
        folder = results / study
        claims = folder / "tables/claims.parquet"
        if claims.exists():
            lines += [f"{study}: {line}" for line in _verdicts(claims)]
        pages = [str(folder / page) for page in ("explorer.html", "report.html") if (folder / page).exists()]
        lines += [f"{study}: look at {' and '.join(pages)}"] if pages else []
        lines += [f"{study}: tables in {folder / 'tables'}, figures in {folder / 'figures'}"]
    return lines


def _verdicts(claims: Path) -> list[str]:
    """How many claims were judged how, and some of those that are decided."""
    rows = pq.read_table(claims, columns=["claim", "verdict"]).to_pylist()
    counts = Counter(row["verdict"].replace("_", " ") for row in rows).most_common()
    told = ["claims: " + ", ".join(f"{count} {verdict}" for verdict, count in counts)]
    for verdict in ("supported", "contradicted"):
        named = sorted(row["claim"] for row in rows if row["verdict"] == verdict)
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        told += [f"{verdict}: {', '.join(named[:_NAMED])}{more}"] if named else []
    return told


_FAILED = re.compile(r"^Error in rule (?P<rule>\w+):$(?P<about>(?:\n    .*|\n)*)", re.MULTILINE)
_LOG = re.compile(r"^    log: (?P<path>\S+)", re.MULTILINE)


def failures(*logs: Path) -> list[str]:
    """The jobs that failed, a line each: the last line of the job's log, which says why, and where that log is.

    Args:
        logs: the logs of Snakemake itself.
    """
    text = "\n".join(log.read_text(errors="replace") for log in logs if log.is_file())
    jobs = dict.fromkeys((match["rule"], _log_of(match["about"])) for match in _FAILED.finditer(text))
    return [f"{rule} failed: {_last_line(log)}" + (f" (log: {log})" if log else "") for rule, log in jobs]


def _log_of(about: str) -> str:
    match = _LOG.search(about)
    return match["path"] if match else ""


def _last_line(log: str) -> str:
    with contextlib.suppress(OSError):
        lines = [line for line in Path(log).read_text(errors="replace").splitlines() if line.strip()]
        if log and lines:
            return lines[-1].strip()[:500]
    return "it left no message"
