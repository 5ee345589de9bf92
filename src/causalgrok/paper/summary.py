"""The abstract and the table of arms: what became of a study's runs, in numbers."""

from collections.abc import Iterator, Mapping

import pandas as pd

from causalgrok.analysis.statistics.intervals import t_interval
from causalgrok.columns import RUN
from causalgrok.paper.ledger import verdict_counts
from causalgrok.paper.wording import SIZE, count, listed, number, runs_told, share, span

Tables = Mapping[str, pd.DataFrame]

LABELS = {
    "grokked": "grokked",
    "semi_grokked": "semi-grokked",
    "peak_decline": "rose to a peak and declined",
    "plateau": "stayed on a plateau",
    "never_memorised": "never memorised",
}
"""Label of the detector -> what a run so labelled did."""


def abstract(tables: Tables) -> list[str]:
    """Sentences about runs, decline, reliance, probes and claims; of those tables that the study has."""
    parts = (_runs, _decline, _reliance, _probes, _planted, _claims)
    return [sentence for part in parts for sentence in part(tables)]


def _runs(tables: Tables) -> Iterator[str]:
    outcomes, metrics = tables.get("outcomes"), tables.get("metrics")
    if outcomes is None or outcomes.empty:
        if metrics is not None and not metrics.empty:
            yield f"Measured were {runs_told(metrics)}."
        return
    yield f"Measured were {runs_told(outcomes)}."
    labels = outcomes["label"].value_counts()
    memorised = int(outcomes["memorised_epoch"].notna().sum())
    found = listed(f"{labels[label]} {did}" for label, did in LABELS.items() if label in labels) if len(labels) else ""
    yield f"{memorised} of {len(outcomes)} memorised their training set" + (f"; {found}." if found else ".")


def _decline(tables: Tables) -> Iterator[str]:
    outcomes = tables.get("outcomes", pd.DataFrame(columns=["split", "decline"]))
    fall = outcomes.loc[outcomes["split"] == "ood_test", "decline"].dropna()
    if len(fall):
        fallen = int((fall > 0).sum())
        mean = t_interval(fall)
        told = f", 95 % t interval {number(mean.low)} to {number(mean.high)}" if pd.notna(mean.low) else ""
        yield (
            f"Accuracy at the unseen hospital fell from early after memorisation to the end in {fallen} of "
            f"{count(len(fall), 'run')} (mean fall {number(mean.estimate)}{told})."
        )


def _reliance(tables: Tables) -> Iterator[str]:
    frame = tables.get("counterfactual")
    if frame is None or frame.empty:
        return
    last = frame[frame["epoch"] == frame.groupby(list(RUN))["epoch"].transform("max")]
    last = last[last["split"].isin(["ood_val", "ood_test"])]
    flipped = last.groupby([*RUN, "method"])["flip_fraction"].mean().dropna()
    if len(flipped):
        yield (
            "Shown the same tissue in another hospital's stain, the trained networks changed "
            f"{share(flipped.min())} to {share(flipped.max())} of their decisions at unseen hospitals."
        )


def _probes(tables: Tables) -> Iterator[str]:
    frame = tables.get("verdicts")
    if frame is None or frame.empty:
        return
    frame = frame[frame["decisive"] & (frame["split"] == "ood_test") & (frame["checkpoint"] == "final")]
    effects = frame.groupby([*RUN, "probe", "stage", "target", "size", "measure"], dropna=False)["p"].max().dropna()
    if len(effects):
        yield (
            f"Of {len(effects):,} effects of probes at the final checkpoint, {int((effects <= 0.05).sum()):,} had p at "
            "most .05 against every decisive control, uncorrected."
        )


def _planted(tables: Tables) -> Iterator[str]:
    if "validation" in tables:
        frame = tables["validation"]
        yield f"Probes were tried on generated features ({span(frame['repeats'])} sets a case) whose shortcut is known."
    if "calibration" in tables:
        met = tables["calibration"]
        met = met[met["assumption"] == "met"]
        yield (
            f"Of {len(met)} cases in which a test's assumptions hold, {int(met['inside'].sum())} rejected as often as "
            "the test promises."
        )


def _claims(tables: Tables) -> Iterator[str]:
    for scope, counts in verdict_counts(tables.get("claims")).items():
        tested = sum(counts.values()) - counts["not_run"]
        if tested:
            found = listed(f"{counts[verdict]} {verdict}" for verdict in ("supported", "contradicted", "inconclusive"))
            undecidable = _undecidable(tables["claims"], scope)
            told = f" ({undecidable} could not have been decided by so few runs, whatever they say)"
            yield f"{tested} claims of the sources were tested as {scope}: {found}{told if undecidable else ''}."


def _undecidable(claims: pd.DataFrame, scope: str) -> int:
    """How many claims no data of so few runs could have decided."""
    tested = claims[(claims["scope"] == scope) & (claims["verdict"] != "not_run")]
    return int((tested["smallest_p_holm"] > tested["alpha"]).sum())


def arm_rows(arms: pd.DataFrame | None) -> list[dict[str, str]]:
    """A row an arm: task, recipe, n, runs, how many memorised and grokked, accuracy at the start and the end."""
    if arms is None:
        return []
    return [
        {
            "arm": f"{row['task']} / {row['recipe']}, {SIZE}{row['n']}",
            "runs": f"{row['seeds']}",
            "memorised": f"{row['memorised']}",
            "grokked": f"{row['grokked']}",
            "start": share(row["start"]),
            "end": share(row["end"]) + _interval(row["end_low"], row["end_high"]),
            "chance": share(row["chance"]),
        }
        for row in arms.to_dict("records")
    ]


def _interval(low: float, high: float) -> str:
    return "" if pd.isna(low) else f" ({share(low)} to {share(high)})"
