"""The claims of a study as rows of a paper's table; what is not a verdict is counted and named only."""

from collections.abc import Mapping

import pandas as pd

from causalgrok.analysis.claims.page import SCOPES, WORDS, claimed_place, interval, with_holm
from causalgrok.paper.wording import number


def verdict_counts(claims: pd.DataFrame | None) -> dict[str, dict[str, int]]:
    """Scope -> verdict -> number of claims; every verdict of every scope that the table has."""
    if claims is None:
        return {}
    return {
        scope: {verdict: int((rows["verdict"] == verdict).sum()) for verdict in WORDS}
        for scope in SCOPES
        if len(rows := claims[claims["scope"] == scope])
    }


def claims_content(claims: pd.DataFrame | None, titles: Mapping[str, Mapping[str, str]]) -> dict | None:
    """What a paper says of the claims.

    Args:
        claims: the study table; None where the study has none.
        titles: `sources` and `families` of the claims, by key.

    Returns:
        Level, sources, verdicts by family, and by scope the rows of what was tested and the names of what was not run;
        None without claims.
    """
    if claims is None or claims.empty:
        return None
    families = titles.get("families", {})
    return {
        "alpha": number(claims["alpha"].iloc[0]),
        "sources": dict(titles.get("sources", {})),
        "words": {
            verdict: {"sign": sign, "word": word, "means": means} for verdict, (sign, word, means) in WORDS.items()
        },
        "families": _by_family(claims, families),
        "scopes": [
            {
                "name": scope,
                "title": SCOPES[scope],
                "families": [
                    {
                        "question": families.get(family, family),
                        "rows": [_row(row) for row in of_family.to_dict("records")],
                    }
                    for family, of_family in rows[rows["verdict"] != "not_run"].groupby("family", sort=False)
                ],
                "not_run": rows.loc[rows["verdict"] == "not_run", "claim"].unique().tolist(),
            }
            for scope, rows in claims.groupby("scope", sort=False)
        ],
    }


def _by_family(claims: pd.DataFrame, families: Mapping[str, str]) -> list[dict[str, object]]:
    tested = claims[claims["verdict"] != "not_run"]
    return [
        {"question": families.get(family, family), "scope": scope, "rows": len(rows)}
        | {verdict: int((rows["verdict"] == verdict).sum()) for verdict in WORDS}
        for (scope, family), rows in tested.groupby(["scope", "family"], sort=False)
    ]


def _row(row: Mapping) -> dict[str, str]:
    return {
        "claim": row["claim"],
        "sentence": row["sentence"],
        "source": row["source"],
        "verdict": row["verdict"],
        "observed": f"{number(row['observed'], 4)} {interval(row)}",
        "claimed": claimed_place(row),
        "reported": row["reported"],
        "test": f"{row['test']}; {row['design']}, {row['runs']} runs",
        "p": with_holm(row["p"], row["p_holm"]),
        "smallest": with_holm(row["smallest_p"], row["smallest_p_holm"]),
    }
