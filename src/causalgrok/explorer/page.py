"""The explorer's file: claims and patches as HTML, Plotly, and the data that the page's script draws.

What all runs share stands in the page as JSON; the rows of each run are JSON of their own, compressed, which the
browser unpacks when that run is chosen, so that a study of hundreds of runs costs no more to look at than one of two.
Nothing is loaded: the page's own policy forbids it.
"""

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape

import numpy as np
import pandas as pd
from plotly.offline import get_plotlyjs

from causalgrok.analysis.claims.page import STYLE, claims_body
from causalgrok.columns import COLUMNS, RUN
from causalgrok.explorer.evidence import evidence
from causalgrok.explorer.panels import ASSETS, NAMES, PANELS, START
from causalgrok.plotting.frames import RUN_KEYS
from causalgrok.plotting.palette import colours

JUDGED = ("ood_test", "test", "validation", "ood_val", "id_val", "train")
"""Splits of the overview of all runs: of each task the first that it has."""

DIGITS = 4
"""Significant digits of the numbers in the page."""

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""What the page may load: nothing that is not in it."""


def explorer_page(
    reduced: Mapping[str, pd.DataFrame],
    *,
    study: str,
    description: str = "",
    checkpoints: pd.DataFrame | None = None,
    claims: pd.DataFrame | None = None,
    titles: Mapping[str, Mapping[str, str]] | None = None,
    patches: str = "",
) -> str:
    """The page of one study.

    Args:
        reduced: name -> rows, as `reduction.reduce_table` gives them; at least one.
        study: the study's name.
        description: what the study asks.
        checkpoints: the study table; None where the checkpoints have no names.
        claims: the study table; None for a study without claims.
        titles: `sources` and `families` of the claims, as `claims_body` takes them.
        patches: HTML of `gallery`; empty where the study has no images.
    """
    names = [name for name, panel in PANELS.items() if panel.rows in reduced]
    runs = _runs(reduced, checkpoints)
    shared = {
        "study": study,
        "runs": runs,
        "panels": [_panel(name, reduced) for name in names],
        "overview": _overview(reduced.get("training")),
        "names": NAMES,
        "start": START,
        "told": {column: text for name in names for column, text in COLUMNS[PANELS[name].table].items()} | RUN,
    }
    sections = {}
    if claims is not None:
        known = {"panels": names, "runs": [run["folder"] for run in runs]}
        sections["Claims"] = claims_body(
            claims, study=study, **(titles or {}), links=lambda row: evidence(row, **known)
        )
    sections["Runs"] = '<div id="explorer"><noscript><p>This part needs JavaScript.</p></noscript></div>'
    if patches:
        sections["Patches"] = f"<h2>Patches by hospital and label</h2>\n{patches}"
    return _html(study, description, sections, _scripts(shared, reduced))


def _runs(reduced: Mapping[str, pd.DataFrame], checkpoints: pd.DataFrame | None) -> list[dict[str, object]]:
    """Every run with its folder, its recipe's colour and the epochs of its named checkpoints."""
    runs = pd.concat([rows[RUN_KEYS].drop_duplicates() for rows in reduced.values()]).drop_duplicates()
    palette = colours(runs["recipe"])
    named = defaultdict(dict)
    if checkpoints is not None:
        for *run, name, epoch in checkpoints[[*RUN_KEYS, "name", "epoch"]].itertuples(index=False):
            named[tuple(run)][name] = epoch
    return [
        dict(zip(RUN_KEYS, run, strict=True))
        | {"folder": _folder(run), "colour": palette[run[1]], "checkpoints": named[run]}
        for run in runs.itertuples(index=False, name=None)
    ]


def _folder(run: Sequence[object]) -> str:
    """A run's folder under results/runs/, which names it in links."""
    task, recipe, n, seed = run
    return f"{task}/{recipe}/n{n}/seed{seed}"


def _panel(name: str, reduced: Mapping[str, pd.DataFrame]) -> dict[str, object]:
    """A panel's declaration with the measures that there are."""
    panel = PANELS[name]
    present = set(reduced[panel.rows].dropna(axis="columns", how="all"))
    measures = {column: label for column, label in panel.measures.items() if column in present}
    return asdict(panel) | {"measures": measures, "rows": panel.rows}


def _overview(training: pd.DataFrame | None) -> dict[str, dict[str, object]]:
    """Folder -> the accuracy of every evaluation on the split that judges the run."""
    if training is None:
        return {}
    curves = {}
    for run, rows in training.groupby(RUN_KEYS, sort=False):
        split = next((split for split in JUDGED if split in set(rows["split"])), rows["split"].iloc[0])
        curves[_folder(run)] = {"split": split} | _columnar(rows.loc[rows["split"] == split, ["epoch", "accuracy"]])
    return curves


def _scripts(shared: Mapping[str, object], reduced: Mapping[str, pd.DataFrame]) -> list[str]:
    """The page's scripts: shared data, the rows of every run, Plotly, and the glue."""
    grouped = {name: dict(list(rows.groupby(RUN_KEYS, sort=False))) for name, rows in reduced.items()}
    scripts = [f'<script type="application/json" id="study">{_json(shared)}</script>']
    for index, run in enumerate(shared["runs"]):
        key = tuple(run[column] for column in RUN_KEYS)
        of_run = {name: _columnar(rows[key].drop(columns=RUN_KEYS)) for name, rows in grouped.items() if key in rows}
        packed = base64.b64encode(gzip.compress(_json(of_run).encode(), mtime=0)).decode()
        scripts.append(f'<script type="text/plain" id="run-{index}">{packed}</script>')
    return [*scripts, f"<script>{get_plotlyjs()}</script>", f"<script>{ASSETS[1].read_text()}</script>"]


def _columnar(rows: pd.DataFrame) -> dict[str, list]:
    """Column -> values, with no more digits than `DIGITS`; what is not finite is missing."""
    return {column: [_plain(value) for value in rows[column].tolist()] for column in rows}


def _plain(value: object) -> object:
    if not isinstance(value, float):
        return None if value is pd.NA else value
    if not np.isfinite(value):
        return None
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded


def _json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False, default=_number).replace("<", "\\u003c")


def _number(value: object) -> object:
    """NumPy's numbers as Python's."""
    return value.item()


def _html(study: str, description: str, sections: Mapping[str, str], scripts: Sequence[str]) -> str:
    nav = "".join(f'<a href="#{name.lower()}">{name}</a>' for name in sections)
    body = "\n".join(f'<section id="{name.lower()}">\n{content}\n</section>' for name, content in sections.items())
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Explorer: {escape(study)}</title>\n<style>{STYLE}{ASSETS[0].read_text()}</style>\n</head>\n"
    )
    return (
        f'{head}<body>\n<header><span class="product">causalgrok explorer</span> <strong>{escape(study)}</strong>'
        f"<nav>{nav}</nav></header>\n<main>\n<p class=description>{escape(description)}</p>\n{body}\n</main>\n"
        + "\n".join(scripts)
        + "\n</body>\n</html>\n"
    )
