"""The ledger as a page: one self-contained HTML file without scripts, a line a verdict that opens on its evidence.

Every text of the table is escaped. Verdicts are told by word and sign as well as by colour (Okabe & Ito's, which
colour-blind readers tell apart).
"""

from collections.abc import Callable, Mapping
from html import escape

import pandas as pd

Links = Callable[[Mapping], Mapping[str, str]]
"""A claim's row -> what else its line shows, as HTML."""

WORDS = {
    "supported": ("✓", "supported", "the estimate lies where the claim says, and p is at most alpha"),
    "contradicted": ("✗", "contradicted", "it lies on the other side, and p is at most alpha"),
    "inconclusive": ("?", "inconclusive", "p is above alpha; too few runs can make it so whatever they say"),
    "not_run": ("\N{EN DASH}", "not run", "nothing was measured"),
}
"""Verdict -> its sign, its word and what it means, as `ledger.VERDICTS` orders them."""

SCOPES = {
    "reproduction": "Reproduction: the sources' own settings on the official data",
    "analogue": "Analogue: other data or smaller networks. What it finds says nothing about the sources' own runs",
}
"""Scope -> its heading."""

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, "Segoe UI", "DejaVu Sans", Arial, sans-serif; color: #1b1b1b; background: #fff;
  max-width: 72rem; margin: 0 auto; padding: 1.2rem 1.2rem 3rem; }
h1 { font-size: 1.45rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .4rem; }
p { max-width: 52rem; margin: .35rem 0; }
.chip { display: inline-block; min-width: 7.6rem; padding: .1rem .5rem; border-radius: .8rem; font-size: .85rem;
  font-weight: 600; text-align: center; border: 1.5px solid; white-space: nowrap; }
.supported { background: #0072b2; border-color: #0072b2; color: #fff; }
.contradicted { background: #fff; border-color: #b34700; color: #a03f00; box-shadow: inset 0 0 0 1.5px #b34700; }
.inconclusive { background: #e8e8e8; border-color: #8a8a8a; color: #333; }
.not_run { background: #fff; border-color: #a8a8a8; border-style: dashed; color: #555; }
ul.legend { list-style: none; margin: .7rem 0; padding: 0; } ul.legend li { margin: .25rem 0; }
ul.legend span + span { margin-left: .6rem; }
details { border-top: 1px solid #d9d9d9; } details:last-of-type { border-bottom: 1px solid #d9d9d9; }
summary { display: grid; grid-template-columns: 8.8rem minmax(0, 1fr) 16rem 11rem; gap: .3rem .9rem;
  padding: .5rem .3rem; cursor: pointer; align-items: baseline; }
summary.folded { display: block; }
summary::-webkit-details-marker { display: none; }
summary:hover, summary:focus-visible { background: #f4f7fa; }
summary code { font-size: .85rem; color: #444; }
.figure { font-variant-numeric: tabular-nums; font-size: .9rem; } .small { color: #555; font-size: .85rem; }
.head { display: grid; grid-template-columns: 8.8rem minmax(0, 1fr) 16rem 11rem; gap: .9rem; padding: .2rem .3rem;
  font-size: .82rem; color: #555; }
h3 { font-size: .95rem; font-weight: 600; margin: 1.1rem 0 .25rem .3rem; }
dl { display: grid; grid-template-columns: 8.8rem minmax(0, 1fr); gap: .25rem .9rem; margin: .2rem .3rem 1rem;
  font-size: .9rem; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; } dd pre { margin: 0; font-size: .82rem;
  white-space: pre-wrap; }
@media (max-width: 52rem) { summary { grid-template-columns: 8.8rem minmax(0, 1fr); } .head { display: none; }
  summary .figure { grid-column: 2; } }
@media print { details { break-inside: avoid; } }
"""


def claims_page(claims: pd.DataFrame, *, study: str, sources: Mapping[str, str], families: Mapping[str, str]) -> str:
    """The table `claims` as HTML.

    Args:
        claims: the table.
        study: the study that it is of.
        sources: key of a source -> its title.
        families: family -> the question that its claims answer together.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Claims: {escape(study)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + claims_body(claims, study=study, sources=sources, families=families)
        + "\n</body>\n</html>\n"
    )


def claims_body(
    claims: pd.DataFrame,
    *,
    study: str,
    sources: Mapping[str, str],
    families: Mapping[str, str],
    links: Links = lambda row: {},
) -> str:
    """What stands in the page, for other pages that show it in `STYLE`.

    Args:
        claims: as in `claims_page`.
        study: as there.
        sources: as there.
        families: as there.
        links: row -> HTML of `look`, a link beside its sentence, and `traced`, its runs; either may be missing.
    """
    alpha = claims["alpha"].iloc[0]
    counts = claims[claims["verdict"] != "not_run"].groupby("scope").size()
    order = sorted(SCOPES, key=lambda scope: (-counts.get(scope, 0), list(SCOPES).index(scope)))
    body = [
        f"<h1>What study <em>{escape(study)}</em> says about the sources' claims</h1>",
        "<p>Each line holds one claim of a source against measurements. It opens on the evidence: what was measured, "
        "the test, the table rows and the runs. Tests are exact; p is two-sided, or the larger of two one-sided values "
        "where a claim is that there is no difference, and is corrected by Holm over the claims of a family. Beside "
        f"every p stands the smallest that the runs could give: above {alpha:g}, no data could have decided.</p>",
        _legend(claims),
        *(_scope(claims[claims["scope"] == scope], scope, sources, families, links) for scope in order),
        "<h2>Sources</h2>",
        "<dl>" + "".join(f"<dt>{escape(key)}</dt><dd>{escape(title)}</dd>" for key, title in sources.items()) + "</dl>",
    ]
    return "\n".join(body)


def _legend(claims: pd.DataFrame) -> str:
    items = []
    for verdict in WORDS:
        found = claims.loc[claims["verdict"] == verdict, "scope"].value_counts()
        told = ", ".join(f"{found[scope]} {scope}" for scope in SCOPES if scope in found) or "none"
        items.append(
            f"<li>{_chip(verdict)}<span>{escape(told)}</span> <span class=small>{WORDS[verdict][2]}</span></li>"
        )
    return f"<ul class=legend>{''.join(items)}</ul>"


def _chip(verdict: str) -> str:
    sign, word, _ = WORDS[verdict]
    return f'<span class="chip {verdict}">{sign} {word}</span>'


def _scope(
    rows: pd.DataFrame, scope: str, sources: Mapping[str, str], families: Mapping[str, str], links: Links
) -> str:
    if rows.empty:
        return ""
    nothing = rows.groupby("family")["verdict"].transform(lambda verdicts: (verdicts == "not_run").all())
    parts = [f"<h2>{escape(SCOPES[scope])}</h2>"]
    if not nothing.all():
        parts.append(_questions(rows[~nothing], sources, families, links))
    if nothing.any():
        which = f"all {len(rows)} of them" if nothing.all() else f"{nothing.sum()} of other questions"
        told = _questions(rows[nothing], sources, families, links)
        parts.append(f"<details><summary class=folded>{_chip('not_run')} {which}</summary>\n{told}\n</details>")
    return "\n".join(parts)


def _questions(rows: pd.DataFrame, sources: Mapping[str, str], families: Mapping[str, str], links: Links) -> str:
    parts = [
        "<div class=head><span>verdict</span><span>claim</span><span>observed, with interval</span>"
        "<span>p, and the smallest possible</span></div>"
    ]
    for family, question in families.items():
        of_family = rows[rows["family"] == family]
        # What was not run comes last; otherwise the order is that of the file.
        of_family = of_family.sort_values("verdict", key=lambda verdict: verdict == "not_run", kind="stable")
        if len(of_family):
            parts.append(f"<h3>{escape(question)}</h3>")
            parts += [_line(row, sources, families, links(row)) for row in of_family.to_dict("records")]
    return "\n".join(parts)


def _line(row: Mapping, sources: Mapping[str, str], families: Mapping[str, str], linked: Mapping[str, str]) -> str:
    look = f" <span class=look>{linked['look']}</span>" if "look" in linked else ""
    figure, p = f"study {escape(row['study'])}", ""
    if row["verdict"] != "not_run":
        figure = f"{_number(row['observed'])} {interval(row)}"
        p = (
            f"p {with_holm(row['p'], row['p_holm'])}<br>"
            f"<span class=small>smallest {with_holm(row['smallest_p'], row['smallest_p_holm'])}</span>"
        )
    return (
        f'<details id="{escape(row["scope"])}-{escape(row["claim"])}-{escape(row["study"])}"><summary>'
        f"{_chip(row['verdict'])}"
        f"<span>{escape(row['sentence'])} <code>{escape(row['claim'])}</code>{look}</span>"
        f"<span class=figure>{figure}<br><span class=small>claimed {claimed_place(row)}; "
        f"reported {escape(row['reported'])}</span></span>"
        f"<span class=figure>{p}</span></summary>{_evidence(row, sources, families, linked)}</details>"
    )


def _evidence(row: Mapping, sources: Mapping[str, str], families: Mapping[str, str], linked: Mapping[str, str]) -> str:
    keys = row["source"].split(", ")
    told = {
        "why": row["reason"],
        "claim": f"{row['claim']}: {'; '.join(sources.get(key, key) for key in keys)}",
        "study": f"{row['study']} ({row['scope']})",
        "test": _test(row),
        "family": f"{row['family']}: {families.get(row['family'], '')}",
        "table rows": row["tables"],
        "data": row["data"],
        "note": row["note"],
    }
    items = [f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in told.items() if text]
    if row["traced"]:
        traced = linked.get("traced") or f"<pre>{escape(row['traced'])}</pre>"
        items.append(f"<dt>{row['runs']} runs</dt><dd>{traced}</dd>")
    return f"<dl>{''.join(items)}</dl>"


def _test(row: Mapping) -> str:
    told = f"{row['test']}, claimed {claimed_place(row)}"
    if row["verdict"] == "not_run":
        return told
    p, smallest = with_holm(row["p"], row["p_holm"]), with_holm(row["smallest_p"], row["smallest_p_holm"])
    return f"{told}; {row['design']}; {row['estimate']}: {_number(row['observed'])}; p {p}, smallest {smallest}"


def claimed_place(row: Mapping) -> str:
    """Where a claim says that the estimate lies."""
    threshold = _number(row["threshold"]) or "chance"
    return (
        f"within {_number(row['margin'])} of {threshold}"
        if row["direction"] == "within"
        else f"{row['direction']} {threshold}"
    )


def with_holm(p: float, holm: float) -> str:
    """A p-value, and the corrected one where that differs."""
    return _p(p) if p == holm else f"{_p(p)}, Holm {_p(holm)}"


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def interval(row: Mapping) -> str:
    """The interval of a claim's estimate with its level."""
    if pd.isna(row["low"]):
        return "(no interval)"
    return f"({row['level']:.0%}: {_number(row['low'])} to {_number(row['high'])})"


def _p(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.2g}".replace("-", "\N{MINUS SIGN}")  # at a hyphen a line may break
