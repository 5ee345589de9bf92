"""From workflow/reported.csv to checked figures, or to one clear line for each problem; used at planning.

A line of the file is one figure of a source: source, study, task, step, quantity, reported, tolerance. A tolerance in
per cent is one of the figure itself.
"""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from causalgrok.config import Config
from causalgrok.refusals import nearest

COLUMNS = ("source", "study", "task", "step", "quantity", "reported", "tolerance")

QUANTITIES = ("train_accuracy", "validation_accuracy", "test_accuracy", "weight_norm", "summed_norm")
"""What a source may print; `causalgrok.analysis.reported` says where it is read from."""


def read_reported(path: str | Path, config: Config) -> dict[str, list[dict]]:
    """Read the figures and hold their names against the config.

    Args:
        path: the file.
        config: the checked config.

    Returns:
        Study -> its figures, each with the keys of `causalgrok.analysis.reported.compare_reported`.

    Raises:
        ValueError: a line for each problem: file, line, what is wrong, what is expected.
    """
    with Path(path).open(newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path}: columns {reader.fieldnames}, expected {', '.join(COLUMNS)}")
        try:
            lines = list(enumerate(reader, start=2))
        except csv.Error as error:
            raise ValueError(f"{path}: line {reader.line_num} is no csv: {error}") from None
    found: list[str] = []
    figures: dict[str, list[dict]] = {}
    for number, line in lines:
        problems = list(_problems(line, config))
        found += [f"{path} line {number}: {problem}" for problem in problems]
        if not problems:
            figures.setdefault(line["study"], []).append(_figure(line))
    found += [
        f"config: studies.{name}.reported: {path} has no figure of this study; add them, or leave it out"
        for name, study in config.studies.items()
        if study.reported and name not in figures and not found
    ]
    if found:
        raise ValueError("\n".join(found))
    return figures


def _problems(line: dict[str, str], config: Config) -> Iterator[str]:
    if None in line or None in line.values():
        yield f"has other than {len(COLUMNS)} cells"
        return
    if line["quantity"] not in QUANTITIES:
        yield f"quantity {line['quantity']!r} is unknown: {nearest(line['quantity'], QUANTITIES)}"
    study = config.studies.get(line["study"])
    # A study may be taken out of a config; a task that a study does not train cannot be compared.
    if study and line["task"] not in {run.task for run in study.all_runs}:
        yield f"task {line['task']!r} is not one that studies.{line['study']} trains"
    for column in ("step", "reported", "tolerance"):
        try:
            if not 0 < _number(line[column]) < math.inf:
                yield f"{column} {line[column]!r} is not above 0, or not finite"
        except (TypeError, ValueError):
            yield f"{column} {line[column]!r} is no number"


def _number(text: str) -> float:
    return float(text.removesuffix("%"))


def _figure(line: dict[str, str]) -> dict:
    reported, tolerance = float(line["reported"]), _number(line["tolerance"])
    if line["tolerance"].endswith("%"):
        tolerance *= reported / 100
    named = {key: line[key] for key in ("source", "task", "quantity")}
    return named | {"step": int(line["step"]), "reported": reported, "tolerance": tolerance}
