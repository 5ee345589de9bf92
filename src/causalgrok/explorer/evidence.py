"""From a claim to its evidence: the panel that shows what was measured, at its epoch, and the rows it was taken from.

The table `claims` says in words which rows a value was taken from (``table.column where column == value at place``) and
names every run that went in; a link states both in the part of the page's address behind the hash.
"""

import re
from collections.abc import Collection, Mapping
from html import escape
from urllib.parse import quote, urlencode

from causalgrok.explorer.panels import PANELS, Panel

_SHOWN = {
    "outcomes": ("training", "outcome"),
    "metrics": ("training",),
    "dynamics": ("weights",),
    "mechanism": ("weights", "mechanism"),
    "geometry": ("geometry",),
    "concentration": ("concentration",),
    "probing": ("probing_stages",),
    "subspace": ("ablation",),
    "steering": ("steering",),
    "neurons": ("neurons",),
    "counterfactual": ("counterfactual",),
    "verdicts": ("verdicts",),
}
"""Table that a claim is measured on -> the panels that show it, the most telling first."""

_DRAWN_FROM = {"angle_late": "angle_per_step", "angle_early": "angle_per_step", "decline_auroc": "auroc"}
"""Column of a table made from curves -> the measure of the curves."""

_SOURCE = re.compile(r"\b([a-z_]+)\.([A-Za-z_]+)(?: where (.*?))?(?= at |, of runs |$| being | - | / )")
_CONDITION = re.compile(r"(\w+) == '([^']*)'")
_PLACE = re.compile(r" at (first|last|init|memorised|selected|final|epoch \d+)\b")
_RUN = re.compile(r"^results/runs/(.+): ([^:]*)$", flags=re.MULTILINE)


def evidence(row: Mapping[str, object], *, panels: Collection[str], runs: Collection[str]) -> dict[str, str]:
    """Links from a row of `claims` to what is on the page.

    Args:
        row: the row.
        panels: names of the panels that the page has.
        runs: folders of the runs that it has.

    Returns:
        `look`, a link to the panel with the first run of the claim, and `traced`, the runs that went in with links to
        their rows, both HTML; nothing where the page does not show what the claim was measured on.
    """
    traced = [(run, value) for run, value in _RUN.findall(str(row["traced"])) if run in runs]
    source = _SOURCE.search(str(row["tables"]))
    shown = [PANELS[name] for name in _SHOWN.get(source[1], ()) if name in panels] if source else []
    if not traced or not shown:
        return {}
    options = _options(shown[0], source, str(row["tables"]))
    rows = shown[-1]
    items = [
        f"<li>{_link(run, shown[0], options, run)}: {escape(value)} "
        f"({_link(run, rows, _options(rows, source, str(row['tables'])) | {'view': 'table'}, 'rows')})</li>"
        for run, value in traced
    ]
    first, *others = (run for run, _ in traced)
    beside = [run for run in others if _paired(first, run)]
    if beside:
        options = options | {"with": beside[0]}
    return {
        "look": _link(first, shown[0], options, f"{shown[0].title} \N{RIGHTWARDS ARROW}"),
        "traced": f"<ul class=traced>{''.join(items)}</ul>",
    }


def _options(panel: Panel, source: re.Match[str], words: str) -> dict[str, str]:
    """What a panel is set to: epoch, measure and choices, as far as the claim says."""
    conditions = dict(_CONDITION.findall(source[3] or ""))
    place = _PLACE.search(words)
    options = {"epoch": place[1].removeprefix("epoch ") if place else conditions.pop("checkpoint", "last")}
    measures = (_DRAWN_FROM.get(source[2], source[2]), conditions.get("measure"))
    for measure in measures:
        if measure in panel.measures:
            options["y"] = measure
    return options | {name: value for name, value in conditions.items() if name in panel.choices}


def _paired(run: str, other: str) -> bool:
    """Whether two runs differ in the recipe alone: a claim about two recipes is looked at side by side."""
    (task, rest), (other_task, other_rest) = (folder.split("/", 1) for folder in (run, other))
    (recipe, *pair), (other_recipe, *other_pair) = (part.rsplit("/", 2) for part in (rest, other_rest))
    return (task, pair) == (other_task, other_pair) and recipe != other_recipe


def _link(run: str, panel: Panel, options: Mapping[str, str], text: str) -> str:
    state = urlencode({"run": run, "panel": panel.name} | dict(options), quote_via=quote, safe="/")
    return f'<a href="#{escape(state)}">{escape(text)}</a>'
