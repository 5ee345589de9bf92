"""Everything that a paper says about one study, as one plain value that goes to the templates as JSON."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from causalgrok.folders import dataset_of
from causalgrok.paper.captions import parse_caption
from causalgrok.paper.facts import figure_facts
from causalgrok.paper.ledger import claims_content
from causalgrok.paper.origins import (
    data_rows,
    environments,
    file_rows,
    fingerprint,
    read_records,
    run_rows,
    settings_rows,
)
from causalgrok.paper.summary import abstract, arm_rows
from causalgrok.paper.wording import number
from causalgrok.plotting import FIGURES

ONE_COLUMN = 250
"""Points up to which a figure is set in one column; figures are drawn 245 or 504 points wide."""

DATA_FIGURES = {
    "patches": "Patches by hospital and label",
    "restaining": "The same tissue as every hospital's",
    "clusters": "Images nearest to the centroids of clusters",
}
"""Figures of a dataset, which are no study's -> their titles."""

_SIZE = re.compile(rb"/MediaBox \[ *[\d.]+ [\d.]+ ([\d.]+) ([\d.]+) *\]")


def document(
    tables: Mapping[str, pd.DataFrame],
    *,
    study: str,
    description: str = "",
    pictures: Sequence[str | Path] = (),
    captions: Mapping[str, str] | None = None,
    records: Sequence[str | Path] = (),
    sources: Sequence[str | Path] = (),
    titles: Mapping[str, Mapping[str, str]] | None = None,
    judgements: Mapping[str, Mapping] | None = None,
) -> dict[str, object]:
    """The value that the templates set.

    Args:
        tables: the study's tables by name.
        study: its name.
        description: what it asks.
        pictures: its figures, PDF files named as in `FIGURES` or `DATA_FIGURES`, in any order.
        captions: figure -> its caption as reStructuredText.
        records: run.json of its runs.
        sources: the files that the tables were read from, for their checksums.
        titles: `sources` and `families` of the claims.
        judgements: task -> `chance` and the `detector`'s thresholds.
    """
    runs = read_records(records)
    files = file_rows([*sources, *pictures])
    return {
        "study": study,
        "description": description,
        "version": version("causalgrok"),
        "abstract": abstract(tables),
        "tables": sorted(tables),
        "sections": _sections(tables, [Path(picture) for picture in pictures], captions or {}, study),
        "arms": arm_rows(tables.get("arms")),
        "claims": claims_content(tables.get("claims"), titles or {}),
        "detectors": _detectors(judgements or {}) if "outcomes" in tables else [],
        "settings": settings_rows(runs),
        "runs": run_rows(runs),
        "environments": environments(runs),
        "data": data_rows(runs),
        "files": files,
        "fingerprint": fingerprint(files, runs),
    }


def _sections(
    tables: Mapping[str, pd.DataFrame], pictures: Iterable[Path], captions: Mapping[str, str], study: str
) -> list[dict[str, object]]:
    """The figures under the headings of the report, in the order of `FIGURES`; pictures of the data come first."""
    order = [*DATA_FIGURES, *FIGURES]
    sections: dict[str, list[dict]] = {}
    for path in sorted(pictures, key=lambda path: (order.index(path.stem), path.parts)):
        spec = FIGURES.get(path.stem)
        category = spec.category if spec else "Data"
        told = figure_facts(path.stem, tables) if spec else ""
        figure = _figure(path, captions.get(path.stem, ""), study)
        title = spec.title if spec else DATA_FIGURES[path.stem]
        sections.setdefault(category, []).append(figure | {"title": title, "facts": told})
    return [{"title": category, "figures": figures} for category, figures in sections.items()]


def _figure(path: Path, caption: str, study: str) -> dict[str, object]:
    parsed = parse_caption(caption, {"study": study, "examples": dataset_of(path.parent)})
    width, height = picture_size(path)
    return {
        "file": picture_name(path),
        "width": width,
        "height": height,
        "wide": width > ONE_COLUMN,
        "caption": parsed.shows,
        "remarks": parsed.remarks,
    }


def picture_name(path: Path) -> str:
    """The name under which a paper has a picture: those of several datasets have one name each."""
    return f"{dataset_of(path.parent)}-{path.name}"


def picture_size(path: Path) -> tuple[float, float]:
    """Width and height in points of a PDF file with one page.

    Raises:
        ValueError: the file states none where Matplotlib would state it.
    """
    found = _SIZE.search(path.read_bytes())
    if not found:
        raise ValueError(f"{path}: no PDF page of stated size in it; draw it again")
    return float(found[1]), float(found[2])


def _detectors(judgements: Mapping[str, Mapping]) -> list[dict[str, object]]:
    """The thresholds of every detector with the tasks that it judges."""
    detectors: list[dict[str, object]] = []
    for task, judged in judgements.items():
        thresholds = {name: "none" if value is None else number(value) for name, value in judged["detector"].items()}
        same = next((known for known in detectors if known["thresholds"] == thresholds), None)
        if same:
            same["tasks"].append(task)
        else:
            detectors.append({"tasks": [task], "thresholds": thresholds})
    return detectors
