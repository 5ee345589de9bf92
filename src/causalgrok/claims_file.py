"""From workflow/claims.yaml to a checked `Ledger`, or to one clear line for each problem; used at planning."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from causalgrok.analysis.claims.entries import Claim, Ledger
from causalgrok.analysis.claims.measure_entries import PLACES, Curve, Rows, Value
from causalgrok.analysis.claims.test_entries import Count
from causalgrok.columns import COLUMNS, RUN_TABLES, STUDY_TABLES
from causalgrok.config import Config
from causalgrok.config_file import KeyPath, PlainLoader
from causalgrok.refusals import nearest
from causalgrok.validation import explain, located, with_numbers

TITLE = "claims"
"""What a problem's line begins with."""

_OF_MANY_RUNS = {"reliance", "claims"}
"""Study tables whose rows are not of one run."""

_Problems = Iterator[tuple[KeyPath, str]]


def read_claims(path: str | Path, config: Config) -> Ledger:
    """Read the claims and hold their names against the tables and the config.

    Args:
        path: the file.
        config: the checked config.

    Raises:
        ConfigError: a line for each problem: key path, what is wrong, what is expected, file and line.
    """
    try:
        raw = load_claims(path)
    except (OSError, yaml.YAMLError) as error:
        reason = str(error).replace("\n", " ")
        raise located([((), f"cannot be read: {reason}")], [path], TITLE) from None
    try:
        ledger = Ledger.model_validate(raw)
    except ValidationError as error:
        raise located(explain(raw, error, Ledger), [path], TITLE) from None
    if found := list(_problems(ledger, config)):
        raise located(found, [path], TITLE)
    return ledger


def load_claims(path: str | Path) -> Any:
    """What stands in the file, unchecked.

    Raises:
        OSError: it cannot be opened.
        yaml.YAMLError: it is no YAML, or a key stands twice.
    """
    return with_numbers(yaml.load(Path(path).read_text(), Loader=PlainLoader))


def _problems(ledger: Ledger, config: Config) -> _Problems:
    """What the typed models cannot see: names that do not exist and settings that do not fit each other."""
    studies = {*config.studies, *ledger.planned}
    recipes = {*config.recipes, *(run.recipe for study in config.studies.values() for run in study.all_runs)}
    for name, claim in ledger.claims.items():
        path = ("claims", name)
        for i, source in enumerate(claim.source):
            yield from _unknown((*path, "source", i), source, ledger.sources, "sources")
        yield from _unknown((*path, "family"), claim.family, ledger.families, "families")
        for kind in ("reproduction", "analogue"):
            for i, study in enumerate(getattr(claim.studies, kind)):
                yield from _unknown(
                    (*path, "studies", kind, i), study, studies, "studies, neither of config nor planned"
                )
        if set(claim.studies.all) & set(config.studies):
            yield from _names_of_runs(path, claim, {"task": set(config.tasks), "recipe": recipes})
        yield from _names_of_tables((*path, "measure"), claim.measure)
        if isinstance(claim.test, Count) and claim.test.chance is None and not _has_controls(claim):
            yield (
                (*path, "test", "chance"),
                f"missing: the measure {claim.measure.name} has no controls to take it from",
            )


def _unknown(path: KeyPath, name: str, known: Any, kind: str) -> _Problems:
    if name not in known:
        yield path, f"{name!r} is not one of {kind}: {nearest(name, known)}"


def _has_controls(claim: Claim) -> bool:
    return claim.measure.name in ("beats_controls", "monotone_steering")


def _names_of_runs(path: KeyPath, claim: Claim, columns: dict[str, set[str]]) -> _Problems:
    """Tasks and recipes that no study has; those of planned studies cannot be known."""
    for where, runs in claim.filters:
        for column, known in columns.items():
            for i, name in enumerate(getattr(runs, column) or ()):
                yield from _unknown((*path, *where, column, i), name, known, f"{column}s")


def _names_of_tables(path: KeyPath, measure: Any) -> _Problems:
    if isinstance(measure, Curve):
        yield from _unknown((*path, "column"), measure.column, COLUMNS["metrics"], "the columns of metrics")
    if isinstance(measure, Value):
        known = [table for table in (*RUN_TABLES, *STUDY_TABLES) if table not in _OF_MANY_RUNS]
        if measure.table not in known:
            yield from _unknown((*path, "table"), measure.table, known, "the tables of runs")
            return
        columns = COLUMNS[measure.table]
        yield from _unknown((*path, "column"), measure.column, columns, f"the columns of {measure.table}")
        if measure.against_column:
            kind = f"the columns of {measure.table}"
            yield from _unknown((*path, "against_column"), measure.against_column, columns, kind)
        yield from _rows(path, measure, measure.table)
        if measure.against:
            yield from _rows((*path, "against"), measure.against, measure.table)
    elif hasattr(measure, "where"):
        yield from _rows(path, Rows(where=measure.where), "verdicts")


def _rows(path: KeyPath, rows: Rows, table: str) -> _Problems:
    columns = COLUMNS[table]
    for column in rows.where:
        yield from _unknown((*path, "where", column), column, columns, f"the columns of {table}")
    if rows.at:
        needed = "step" if rows.at.startswith("step") else "epoch"
        if needed not in columns:
            yield (*path, "at"), f"{rows.at!r}: {table} has no column {needed}; leave it out"
        elif table == "checkpoints" and rows.at in PLACES[2:]:
            yield (*path, "at"), f"{rows.at!r}: give where: {{name: {rows.at}}}"
