"""The ledger: one row a claim, scope and study, with what was found, the verdict and its reason.

Scope is `reproduction` where a study at the source's own settings ran on the official data, `analogue` everywhere else.
The two are never merged: a reproduction that was not run is a row that says so, beside whatever an analogue found.

The verdict follows from p, corrected by Holm over the claims of the family that the study can decide, whether they
could be run or not:

    supported     p <= alpha, the estimate lies where the claim says
    contradicted  p <= alpha, it lies on the other side
    inconclusive  p > alpha, be it that the runs are too few for any p to get there
    not_run       no runs, no table, or not the data
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from causalgrok.analysis.claims.decisions import decide
from causalgrok.analysis.claims.entries import Claim, Ledger
from causalgrok.analysis.claims.findings import Finding, NotRun, in_words, kept
from causalgrok.analysis.claims.measures import Tables, measure
from causalgrok.analysis.claims.scope import Data
from causalgrok.analysis.claims.test_entries import Count, CountDifference
from causalgrok.analysis.statistics.families import holm
from causalgrok.columns import COLUMNS, RUN

VERDICTS = ("supported", "contradicted", "inconclusive", "not_run")


def judge_claims(
    ledger: Ledger, tables: Tables, *, study: str, data: Data, with_hospitals: Collection[str]
) -> pd.DataFrame:
    """Judge every claim on one study.

    Args:
        ledger: the claims; `planned` are studies that do not exist.
        tables: the study's tables; a claim whose table is not among them was not run.
        study: the study's name.
        data: what the study's runs were trained on.
        with_hospitals: the study's tasks whose data come from hospitals: what sources say of these is asked of no
            other.

    Returns:
        The table `claims`: a row for every claim that this study can decide, and one for every other study that could
        reproduce it, which was not run here.

    Raises:
        ValueError: a claim's entry selects what its measure is not defined for; the message names the claim.
    """
    rows = []
    for name, claim in ledger.claims.items():
        reproduces = study in claim.studies.reproduction
        if reproduces or study in claim.studies.analogue:
            scope = "reproduction" if reproduces and data.official else "analogue"
            kinds = {ledger.sources[source].hospitals for source in claim.source}
            found = _tested(name, claim, tables, lambda task, kinds=kinds: (task in with_hospitals) in kinds)
            rows.append(_named(name, claim, study, scope) | {"data": data.told} | found)
        for other in claim.studies.reproduction:
            if other == study and data.official:
                continue
            if other == study:
                reason = f"the data are not the official ones: {data.told}"
            elif other in ledger.planned:
                reason = f"the study {other} does not exist yet"
            else:
                reason = f"not part of this study: snakemake {other} decides it"
            rows.append(_named(name, claim, other, "reproduction") | _not_run(claim, reason, here=False))
    frame = pd.DataFrame(rows)
    # What other studies decide is no part of the families of this one.
    group = (frame["scope"] + "/" + frame["family"]).where(frame["here"], "elsewhere")
    alpha = ledger.alpha
    corrected = holm(frame.assign(family=group), alpha=alpha).assign(family=frame["family"], alpha=alpha)
    corrected["verdict"] = [_verdict(row, alpha) for row in corrected.to_dict("records")]
    corrected["reason"] = [_reason(row) for row in corrected.to_dict("records")]
    return corrected[list(COLUMNS["claims"])]


def _named(name: str, claim: Claim, study: str, scope: str) -> dict[str, Any]:
    """What a row says before anything is measured."""
    return {
        "claim": name,
        "source": ", ".join(claim.source),
        "sentence": claim.sentence,
        "study": study,
        "scope": scope,
        "family": claim.family,
        "measure": claim.measure.name,
        "test": _test_in_words(claim),
        "direction": claim.test.direction,
        "threshold": _threshold(claim),
        "margin": getattr(claim.test, "margin", None) or np.nan,
        "data": "",
        "reported": claim.reported,
        "note": claim.note,
    }


def _test_in_words(claim: Claim) -> str:
    test = claim.test
    words = [test.name.replace("_", " of ") if isinstance(test, CountDifference) else test.name]
    if holds := getattr(test, "holds", None):
        name, bound = holds.bound
        words.append(f"of runs {name.replace('_', ' ')} {bound:g}")
    if hasattr(test, "of"):
        words.append(f"where {in_words(test.of)} against {in_words(test.against)}")
    return " ".join(words)


def _threshold(claim: Claim) -> float:
    if isinstance(claim.test, Count):
        return claim.test.chance or np.nan
    return 0.0 if isinstance(claim.test, CountDifference) else claim.test.threshold


def _tested(name: str, claim: Claim, tables: Tables, concerns: Callable[[str], bool]) -> dict[str, Any]:
    """What the study's tables say about a claim, of those tasks that it concerns."""
    if missing := [table for table in claim.measure.tables if table not in tables]:
        return _not_run(claim, f"the study does not have the table {' and '.join(missing)}", here=True)
    try:
        measured = measure(claim.measure, tables)
        values = kept(measured.values[measured.values["task"].map(concerns).astype(bool)], claim.runs)
        if values["value"].isna().all():
            raise NotRun("no run that the claim is about has a value")
        found = decide(claim.test, values)
    except NotRun as error:
        return _not_run(claim, str(error), here=True)
    except ValueError as error:
        raise ValueError(f"claims.yaml: claims.{name}: {error}") from error
    without = int(values["value"].isna().sum())
    runs = in_words(claim.runs)
    return {
        "here": True,
        "design": found.design,
        "runs": len(found.runs),
        "estimate": found.units,
        "observed": found.estimate,
        "low": found.low,
        "high": found.high,
        "level": found.level,
        "threshold": found.threshold,
        "p": found.p,
        "smallest_p": found.smallest_p,
        "claimed": found.claimed,
        "without": without,
        "tables": measured.rows + (f", of runs where {runs}" if runs else ""),
        "traced": _traced(found),
    }


def _traced(found: Finding) -> str:
    """Every run that went in with its value, a line each."""
    runs = found.runs.sort_values(list(RUN))
    return "\n".join(
        f"results/runs/{task}/{recipe}/n{n}/seed{seed}: {value:.6g}"
        for task, recipe, n, seed, value in runs[[*RUN, "value"]].itertuples(index=False)
    )


def _not_run(claim: Claim, reason: str, *, here: bool) -> dict[str, Any]:
    """The columns of a claim that was not decided; `here` tells this study's rows from other studies'."""
    missing = dict.fromkeys(("observed", "low", "high", "level", "p", "smallest_p"), np.nan)
    texts = {"design": "", "estimate": "", "traced": "", "tables": ", ".join(claim.measure.tables)}
    return missing | texts | {"runs": 0, "here": here, "why": reason}


def _verdict(row: Mapping[str, Any], alpha: float) -> str:
    if np.isnan(row["p"]):
        return "not_run"
    if row["p_holm"] > alpha:
        return "inconclusive"
    return "supported" if row["claimed"] else "contradicted"


def _reason(row: Mapping[str, Any]) -> str:
    """Why the verdict is what it is, in a sentence or two."""
    if row["verdict"] == "not_run":
        return row["why"]
    corrected = "" if row["p_holm"] == row["p"] else f", {_p(row['p_holm'])} after Holm"
    p = f"p = {_p(row['p'])}{corrected}"
    place = _place(row)
    if row["verdict"] != "inconclusive":
        reason = f"{place}, {p}"
    elif row["smallest_p_holm"] > row["alpha"]:
        after = "" if row["smallest_p_holm"] == row["smallest_p"] else f", {_p(row['smallest_p_holm'])} after Holm"
        reason = (
            f"{row['design']} cannot decide: no p below {_p(row['smallest_p'])} is possible{after}. The "
            f"estimate lies {place}"
        )
    else:
        reason = f"{p}; the estimate lies {place}"
    left_out = f" ({int(row['without'])} runs have no value)" if row["without"] else ""
    return reason + left_out


def _place(row: Mapping[str, Any]) -> str:
    threshold = f"{row['threshold']:.3g}"
    if row["direction"] == "within":
        return f"{'within' if row['claimed'] else 'outside'} {row['margin']:.3g} of {threshold}"
    side = "above" if row["observed"] > row["threshold"] else "below"
    if row["observed"] == row["threshold"]:
        side = "at"
    return f"{side} {threshold}, {'as' if row['claimed'] else 'not as'} claimed"


def _p(value: float) -> str:
    return f"{value:.2g}"
