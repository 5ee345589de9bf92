import functools
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from synthetic_study import study_tables

from causalgrok.analysis.claims.entries import Claim, Ledger
from causalgrok.analysis.claims.ledger import VERDICTS, judge_claims
from causalgrok.analysis.claims.page import claims_page
from causalgrok.analysis.claims.scope import Data, data_of
from causalgrok.analysis.dynamics import summarise_outcomes
from causalgrok.analysis.settings import DetectorSettings, Judgement
from causalgrok.analysis.verdicts import summarise_verdicts
from causalgrok.columns import COLUMNS, RUN
from causalgrok.validation import with_numbers

ROOT = Path(__file__).parents[3]
LEDGER = Ledger.model_validate(with_numbers(yaml.safe_load((ROOT / "workflow/claims.yaml").read_text())))
OFFICIAL, GENERATED = Data("WILDS release 1.0", True), Data("tissue, generated", False)


def claim(**changes) -> Claim:
    entry = {
        "source": ["s0"],
        "sentence": "It declines.",
        "family": "decline",
        "studies": {"reproduction": ["real"], "analogue": ["small", "demo"]},
        "measure": {"name": "value", "table": "outcomes", "column": "decline"},
        "test": {"name": "mean", "direction": "above"},
        "reported": "11 of 11",
    }
    return Claim.model_validate(entry | changes)


def outcomes(values: list[float], recipe="grokking") -> dict[str, pd.DataFrame]:
    rows = [{"task": "t", "recipe": recipe, "n": 10, "seed": i, "decline": value} for i, value in enumerate(values)]
    return {"outcomes": pd.DataFrame(rows)}


def judged(claims, tables, *, study="demo", data=GENERATED, absent=(), with_hospitals=None) -> pd.DataFrame:
    """The claims, judged; with hospitals are, unless said, the tasks of the sources that are about them."""
    ledger = LEDGER.model_copy(update={"claims": claims, "planned": list(absent)})
    if with_hospitals is None:
        about = any(LEDGER.sources[source].hospitals for entry in claims.values() for source in entry.source)
        with_hospitals = (
            {task for frame in tables.values() if "task" in frame for task in frame["task"].unique()} if about else ()
        )
    return judge_claims(ledger, tables, study=study, data=data, with_hospitals=with_hospitals)


STRONG, NOISE = list(np.linspace(0.9, 1.1, 8)), [-1.0, 1, -0.9, 0.9, -0.5, 0.5, -0.2, 0.2]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [(STRONG, "supported"), ([-value for value in STRONG], "contradicted"), (NOISE, "inconclusive"), ([], "not_run")],
)
def test_verdicts(values, verdict):
    tables = outcomes(values) if values else {"outcomes": outcomes([1.0])["outcomes"].iloc[:0]}
    row = judged({"a": claim()}, tables).iloc[0]
    assert (row["verdict"], row["scope"], row["study"]) == (verdict, "analogue", "demo")
    assert np.isnan(row["p"]) == (verdict == "not_run")


def test_what_is_said_of_hospitals_is_asked_of_no_other_task():
    arithmetic = outcomes([-value for value in STRONG])["outcomes"].assign(task="arithmetic", n=5000)
    tables = {"outcomes": pd.concat([outcomes(STRONG)["outcomes"], arithmetic])}
    both = {"a": claim(runs={"n": "largest"}), "b": claim(source=["s3"])}
    rows = judged(both, tables, with_hospitals={"t"}).set_index(["claim", "scope"])
    assert rows.loc[("a", "analogue"), "verdict"] == "supported", "the largest n of the tasks it is about"
    assert rows.loc[("b", "analogue"), "verdict"] == "contradicted"
    assert rows.loc[("b", "analogue"), "runs"] == len(STRONG)


def test_three_seeds_are_inconclusive_whatever_they_say():
    row = judged({"a": claim()}, outcomes([5.0, 5.1, 5.2])).iloc[0]
    assert (row["verdict"], row["p"], row["smallest_p"]) == ("inconclusive", 0.25, 0.25)
    assert row["low"] > 0
    assert row["reason"] == (
        "3 seeds cannot decide: no p below 0.25 is possible. The estimate lies above 0, as claimed"
    )


def test_reproduction_and_analogue_are_rows_of_their_own():
    rows = judged({"a": claim()}, outcomes(STRONG))
    assert rows[["scope", "study", "verdict"]].to_numpy().tolist() == [
        ["analogue", "demo", "supported"],
        ["reproduction", "real", "not_run"],
    ]
    assert rows["reason"].iloc[1] == "not part of this study: snakemake real decides it"
    rows = judged({"a": claim()}, outcomes(STRONG), absent=("real",))
    assert rows["reason"].iloc[1] == "the study real does not exist yet"


def test_the_sources_own_study_reproduces_on_the_official_data_alone():
    rows = judged({"a": claim()}, outcomes(STRONG), study="real", data=OFFICIAL)
    assert rows[["scope", "study", "verdict"]].to_numpy().tolist() == [["reproduction", "real", "supported"]]
    rows = judged({"a": claim()}, outcomes(STRONG), study="real", data=GENERATED)
    assert rows[["scope", "study", "verdict"]].to_numpy().tolist() == [
        ["analogue", "real", "supported"],
        ["reproduction", "real", "not_run"],
    ]
    assert rows["reason"].iloc[1] == "the data are not the official ones: tissue, generated"


def test_a_small_study_is_an_analogue_on_the_official_data_too():
    rows = judged({"a": claim()}, outcomes(STRONG), study="small", data=OFFICIAL)
    assert rows.set_index("scope")["verdict"].to_dict() == {"analogue": "supported", "reproduction": "not_run"}


def test_a_study_that_no_claim_names_runs_none():
    rows = judged({"a": claim()}, outcomes(STRONG), study="other")
    assert rows[["scope", "verdict"]].to_numpy().tolist() == [["reproduction", "not_run"]]


def test_a_missing_table_and_missing_runs_are_told():
    probed = claim(measure={"name": "value", "table": "probing", "column": "accuracy", "at": "last"})
    standard = claim(runs={"recipe": ["standard"]})
    rows = judged({"a": probed, "b": standard}, outcomes(STRONG))
    rows = rows[rows["study"] == "demo"]
    assert rows["verdict"].tolist() == ["not_run"] * 2
    assert rows["reason"].tolist() == [
        "the study does not have the table probing",
        "no run that the claim is about has a value",
    ]


def test_holm_over_the_family_counts_claims_that_could_not_be_run():
    probed = {"name": "value", "table": "probing", "column": "accuracy", "at": "last"}
    claims = {"a": claim(), "b": claim(measure=probed), "c": claim(family="other")}
    rows = judged(claims, outcomes(STRONG)).set_index(["claim", "scope"])
    p = 2 / 2**8
    assert rows.loc[("a", "analogue"), ["p", "p_holm", "smallest_p_holm"]].tolist() == [p, 2 * p, 2 * p]
    assert rows.loc[("c", "analogue"), "p_holm"] == p, "another family is corrected by itself"
    alone = judged({"a": claim()}, outcomes(STRONG)).set_index("scope")
    assert alone.loc["analogue", "p_holm"] == p, "the reproduction that was not run here is no part of the family"


def test_every_verdict_names_its_rows_and_runs():
    row = judged({"a": claim(runs={"recipe": ["grokking"]})}, outcomes([1.0, -0.5])).iloc[0]
    assert row["tables"] == "outcomes.decline, of runs where recipe == 'grokking'"
    assert row["traced"] == "results/runs/t/grokking/n10/seed0: 1\nresults/runs/t/grokking/n10/seed1: -0.5"


def test_an_entry_that_its_measure_cannot_take_is_named():
    verdicts = pd.DataFrame([{"task": "t", "recipe": "r", "n": 1, "seed": 0, "p": 0.1, "controls": 9}] * 2)
    entry = claim(measure={"name": "beats_controls", "where": {}}, test={"name": "count", "holds": {"at_least": 1}})
    with pytest.raises(ValueError, match=r"^claims.yaml: claims.a: verdicts has 2 rows of run"):
        judged({"a": entry}, {"verdicts": verdicts})


SOURCE = {
    "name": "mirror",
    "origin": "hub@1",
    "root": "/data",
    "census": {"patches": 455_954},
    "matches_official": True,
}


@pytest.mark.parametrize(
    ("sources", "official", "told"),
    [
        ([SOURCE], True, "hub@1, the official counts, 455,954 patches in /data"),
        ([SOURCE | {"name": "local"}], True, "files have no published checksum"),
        ([SOURCE | {"matches_official": False}], False, "not the official counts or patch size"),
        ([SOURCE, {"name": "tissue", "root": "r", "census": {"patches": 2000}}], False, "tissue, generated, 2,000"),
        ([], True, "generated by its definition"),
    ],
)
def test_scope_follows_from_what_was_found_on_disk(sources, official, told):
    data = data_of(sources)
    assert data.official == official
    assert told in data.told


def test_published_files_are_named_beside_the_sources():
    assert data_of([], ["mnist"]) == ("mnist, files with the published checksums", True)
    assert data_of([SOURCE], ["mnist"]).told.endswith("in /data; mnist, files with the published checksums")


# Every entry of workflow/claims.yaml


def names(entry: Claim, column: str, otherwise: tuple) -> tuple:
    found = [name for _, runs in entry.filters for name in getattr(runs, column) or ()]
    return tuple(sorted(set(found))) or otherwise


@functools.cache
def shortcut_tables() -> dict[str, pd.DataFrame]:
    tables = study_tables(seeds=(0, 1, 2, 3), sizes=(300, 1000), evaluations=(0, 1, *range(200, 3001, 200)))
    asked = ("checkpoints", "steering", "subspace", "neurons")
    return tables | {"verdicts": summarise_verdicts(**{name: tables[name] for name in asked})}


def curves(tasks: tuple, recipes: tuple, sizes: tuple) -> dict[str, pd.DataFrame]:
    """What claims ask of tasks without hospitals, and of the factorial, long enough for every place that they name."""
    rng = np.random.default_rng(0)
    metrics, dynamics, mechanism = [], [], []
    for (task, recipe, n), seed in itertools.product(itertools.product(tasks, recipes, sizes), range(4)):
        run = dict(zip(RUN, (task, recipe, n, seed), strict=True))
        mechanism.append(run | {"group": "convolution", "angle_late": rng.uniform(1e-4, 2e-4)})
        for step in range(0, 500_001, 10_000):
            at = run | {"epoch": step // 100, "step": step}
            metrics.append(at | {"split": "train", "accuracy": min(1.0, 0.2 + step / 1e4)})
            late = 0.9 + rng.normal(0, 0.01) if step > 2e5 else 0.2
            metrics += [at | {"split": split, "accuracy": late} for split in ("test", "validation")]
            for group, norm in (("total", 100 - step / 1e4), ("head", 1 + step / 1e5), ("convolution", 90)):
                norm += rng.normal(0, 0.1)
                dynamics.append(at | {"group": group, "weight_norm": norm, "summed_norm": norm})
    metrics = pd.DataFrame(metrics).assign(auroc=np.nan)
    judgement = Judgement(0.1, DetectorSettings())
    outcomes = summarise_outcomes(metrics, dict.fromkeys(tasks, judgement))
    made = {"dynamics": pd.DataFrame(dynamics), "mechanism": pd.DataFrame(mechanism)}
    return {"metrics": metrics, "outcomes": outcomes} | made


def tables_for(entry: Claim) -> dict[str, pd.DataFrame]:
    tasks, recipes = names(entry, "task", ("t",)), names(entry, "recipe", ("standard",))
    if not set(entry.studies.all) & {"camelyon17", "critical_size"}:
        sizes = (4000, 5000) if entry.test.name == "trend" or isinstance(entry.runs.n, list) else (1000,)
        return curves(tasks if len(tasks) > 1 else (*tasks, f"{tasks[0]}_too"), recipes, sizes)
    return shortcut_tables()


@pytest.mark.parametrize("name", LEDGER.claims)
def test_every_entry_can_be_decided(name):
    entry = LEDGER.claims[name]
    study = entry.studies.reproduction[0]
    row = judged({name: entry}, tables_for(entry), study=study, data=OFFICIAL).iloc[0]
    assert row["verdict"] in VERDICTS[:3], row["reason"]
    assert 0 < row["p"] <= 1 and row["smallest_p"] <= row["p"] + 1e-12
    assert row["p_holm"] >= row["p"]
    assert row["traced"].count("\n") + 1 == row["runs"] > 0
    assert np.isnan(row["low"]) or row["low"] <= row["observed"] <= row["high"]


def test_the_ledger_of_a_study_is_the_declared_table_and_a_page():
    rows = judged(LEDGER.claims, shortcut_tables(), absent=tuple(LEDGER.planned))
    assert list(rows.columns) == list(COLUMNS["claims"])
    assert not rows.duplicated(["claim", "scope", "study"]).any()
    assert set(rows["claim"]) == set(LEDGER.claims)
    assert (rows.loc[rows["scope"] == "reproduction", "verdict"] == "not_run").all()
    page = claims_page(rows, study="demo", sources={"s0": "A study"}, families=LEDGER.families)
    assert all(f"<code>{name}</code>" in page for name in LEDGER.claims)


STUDY_TABLE = (
    *("ungrokking", "standard_too", "no_gain", "no_threshold", "later_not_better", "memorised_early"),
    *("train_stays_perfect", "high_start", "random_features_above_chance", "norm_growth", "head_growth"),
    *("grokfast_head", "bn_explains", "wd_is_lr", "rank_collapse", "standard_rank_equal", "concentration"),
    *("steering_monotone", "neurons_k64", "ablation_hurts", "probe_depth", "same_ceiling", "delayed_start"),
)


def test_no_claim_of_the_sources_is_left_out():
    assert set(STUDY_TABLE) <= set(LEDGER.claims)
    assert {source for entry in LEDGER.claims.values() for source in entry.source} == set(LEDGER.sources)
    assert {entry.family for entry in LEDGER.claims.values()} == set(LEDGER.families)
