"""What stands behind a figure in numbers: runs, controls, tests and thresholds, read off the tables it is drawn from.

A new figure needs nothing here: what it is drawn from says which runs it shows.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from causalgrok.columns import RUN
from causalgrok.paper.wording import count, listed, number, runs_told, share, span
from causalgrok.plotting import FIGURES

Tables = Mapping[str, pd.DataFrame]

SHOWN: dict[str, Callable[[Tables], pd.DataFrame]] = {
    "domain_gap": lambda tables: tables["metrics"].query("split == 'id_val'"),
    "grokfast_alignment": lambda tables: tables["dynamics"].dropna(subset="grokfast_alignment"),
    "annotated_run": lambda tables: most_grokked(tables["outcomes"]),
}
"""Figure that leaves out some runs of its tables -> rows of those that it shows."""

FACTS: dict[str, Callable[[Tables], str]] = {}
"""Figure -> the function that tells more of it than its runs."""


def figure_facts(name: str, tables: Tables) -> str:
    """The sentences that end a figure's caption; empty where the tables it is drawn from are not there.

    Args:
        name: a key of `FIGURES`.
        tables: the study's tables by name.
    """
    needed = FIGURES[name].tables
    if any(table not in tables or tables[table].empty for table in needed):
        return ""
    of_runs = [tables[table] for table in needed if set(RUN) <= set(tables[table])]
    sentences = []
    if of_runs:
        shown = SHOWN[name](tables) if name in SHOWN else of_runs[0]
        sentences.append(f"Shown: {runs_told(shown)}." if len(shown) else "No run to show.")
    if name in FACTS:
        sentences.append(FACTS[name](tables))
    return " ".join(sentences)


def _of(*names: str) -> Callable[[Callable[[Tables], str]], Callable[[Tables], str]]:
    def register(function: Callable[[Tables], str]) -> Callable[[Tables], str]:
        FACTS.update(dict.fromkeys(names, function))
        return function

    return register


def most_grokked(outcomes: pd.DataFrame) -> pd.DataFrame:
    """The row of the run with the largest Delta_S, those that grokked first."""
    grokked = outcomes[outcomes["label"] == "grokked"]
    return (outcomes if grokked.empty else grokked).sort_values("delta_S").tail(1)


def _draws(frame: pd.DataFrame, column: str, names: Mapping[str, str]) -> str:
    """How many draws a run has of each control."""
    draws = frame.groupby(column)["repeat"].nunique()
    return listed(f"{draws[key]} {told}" for key, told in names.items() if key in draws)


@_of("sensitivity")
def _sensitivity(tables: Tables) -> str:
    frame = tables["sensitivity"]
    varied = {"delta": "delta", "rho": "rho", "train_converged": "train accuracy", "plateau": "plateau"}
    grid = "; ".join(f"{told} {span(frame[column])}" for column, told in varied.items())
    own = frame[frame["configured"]].drop_duplicates(list(varied))
    fixed = ", ".join(f"{told} {span(own[column])}" for column, told in varied.items())
    return f"Thresholds varied: {grid}. Fixed beforehand: {fixed}."


@_of("decline")
def _decline(tables: Tables) -> str:
    slides = tables["decline"]["slides"]
    return f"Slides of a hospital: {span(slides)} ({span(slides - 1)} degrees of freedom of the interval)."


@_of("comparisons")
def _comparisons(tables: Tables) -> str:
    frame = tables["statistics"]
    tests = listed(f"{name} ({size})" for name, size in frame["test"].value_counts(sort=False).items())
    return (
        f"Tests: {tests}, two-sided; runs an arm {span([*frame['runs_a'], *frame['runs_b']])}; smallest p that these "
        f"runs can give {span(frame['smallest_p'])}, after Holm {span(frame['smallest_p_holm'])}; margins "
        f"{span(frame['margin'])}; intervals at {span(frame['level'])}. Rejected after Holm: "
        f"{int(frame['rejected'].sum())} of {len(frame)}."
    )


@_of("verdicts")
def _verdicts(tables: Tables) -> str:
    frame = tables["verdicts"]
    frame = frame[frame["decisive"]]
    controls = listed(f"{span(rows)} {name}" for name, rows in frame.groupby("control")["controls"])
    return f"Decisive controls of a dot: {controls}; smallest p {span(frame['smallest_p'])}."


@_of("reliance")
def _reliance(tables: Tables) -> str:
    frame = tables["reliance"]
    return (
        f"Runs that are ranked: {span(frame['runs'])}; smallest p {span(frame['smallest_p'])}; of {len(frame)} "
        f"correlations of the table {int((frame['p'] <= 0.05).sum())} have p at most .05, uncorrected."
    )


@_of("steering", "interventions_per_run")
def _pooled(tables: Tables) -> str:
    subspace, steering = tables["subspace"], tables["steering"]
    steering = steering[steering["stage"] == "pooled"]
    kinds = {"matched": "covariance-matched", "permuted": "permuted by slide", "isotropic": "isotropic"}
    return (
        f"Draws a run and checkpoint: subspaces {_draws(subspace, 'method', kinds)}; directions "
        f"{_draws(steering, 'direction', kinds)}. alpha {span(steering['alpha'])}, strength "
        f"{span(subspace['strength'])}."
    )


@_of("stage_steering")
def _stages(tables: Tables) -> str:
    frame = tables["steering"]
    frame = frame[frame["stage"] != "pooled"]
    kinds = {"matched": "covariance-matched", "permuted": "permuted by slide"}
    draws = f"Draws a stage before pooling: {_draws(frame, 'direction', kinds)}; " if len(frame) else ""
    return f"{draws}images a split {span(frame['images'])}; largest |alpha| {number(frame['alpha'].abs().max())}."


@_of("neurons", "neurons_per_seed")
def _neurons(tables: Tables) -> str:
    kinds = {"matched": "matched in mean and variance", "permuted": "permuted by slide", "random": "random"}
    frame = tables["neurons"]
    return f"Draws for each K: {_draws(frame, 'selection', kinds)}. K: {', '.join(map(str, sorted(set(frame['k']))))}."


@_of("probing")
def _probing(tables: Tables) -> str:
    return _probes(tables["probing"])


@_of("erasure")
def _erasure(tables: Tables) -> str:
    return _probes(tables["erasure"])


def _probes(frame: pd.DataFrame) -> str:
    chance = listed(f"{target} {span(rows)}" for target, rows in frame.groupby("target")["chance"])
    return f"Probes fitted on {span(frame['n_fit'])} patches, judged on {span(frame['n_test'])}; chance: {chance}."


@_of("counterfactual")
def _counterfactual(tables: Tables) -> str:
    frame = tables["counterfactual"]
    last = frame[frame["epoch"] == frame.groupby(list(RUN))["epoch"].transform("max")]
    told = "; ".join(f"{split} {span(rows)}" for split, rows in last.groupby("split")["flip_fraction"])
    return f"Images a split {span(frame['images'])}. Fraction flipped at the end, a target hospital and run: {told}."


@_of("factorial")
def _factorial(tables: Tables) -> str:
    frame = tables["factorial"]
    return (
        f"Seeds: {span(frame['seeds'])} ({int(frame['left_out'].sum())} left out over all outcomes); smallest p "
        f"{span(frame['smallest_p'])}, after Holm {span(frame['smallest_p_holm'])}. Significant: "
        f"{int(frame['rejected'].sum())} of {len(frame)} effects."
    )


@_of("critical_size")
def _critical_size(tables: Tables) -> str:
    frame = tables["critical_size"]
    verdicts = listed(f"{size} {verdict}" for verdict, size in frame["verdict"].value_counts(sort=False).items())
    return f"Threshold {span(frame['threshold'])}; seeds {span(frame['seeds'])}; verdicts: {verdicts}."


@_of("reported")
def _reported(tables: Tables) -> str:
    frame = tables["reported"]
    verdicts = listed(f"{size} {verdict}" for verdict, size in frame["verdict"].value_counts(sort=False).items())
    return f"{count(len(frame), 'published figure')}: {verdicts}; tolerances {span(frame['tolerance'])}."


@_of("calibration")
def _calibration(tables: Tables) -> str:
    frame = tables["calibration"]
    met = frame[frame["assumption"] == "met"]
    return (
        f"Data sets a row {span(frame['repeats'])}; level {span(frame['alpha'])}; of {len(met)} rows whose assumptions "
        f"hold {int(met['inside'].sum())} lie inside."
    )


@_of("confusion")
def _confusion(tables: Tables) -> str:
    frame = tables["confusion"]
    wrong = frame[(frame["detected"] == "grokked") & (frame["true"] != "grokked")]
    return (
        f"Runs of a kind {span(frame['runs'])}; called grokked without being it: {share(wrong['rate'].max())} at most."
    )


@_of("validation")
def _validation(tables: Tables) -> str:
    return f"Generated feature sets a mark: {span(tables['validation']['repeats'])}."


@_of("recovery")
def _recovery(tables: Tables) -> str:
    return f"Generated feature sets a mark: {span(tables['recovery']['repeats'])}."
