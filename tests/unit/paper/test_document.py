import numpy as np
import pandas as pd
import pytest
from synthetic_paper import CAPTION, content, judged, picture, write_record

from causalgrok.analysis.claims.page import WORDS
from causalgrok.paper.origins import LISTED_FILES, LISTED_RUNS
from causalgrok.paper.summary import abstract


def outcomes(**columns):
    rows = {"task": "t", "recipe": "r", "n": 10, "seed": range(4), "split": "ood_test"}
    rows |= {"label": ["grokked", "plateau", "plateau", None], "memorised_epoch": [5, 5, 9, np.nan]}
    return pd.DataFrame(rows | {"decline": [0.1, -0.1, 0.2, np.nan]} | columns)


def test_the_abstract_counts_what_the_tables_hold():
    flips = [0.1, 0.3, np.nan, 0.7]
    shown = pd.DataFrame({"task": "t", "recipe": "r", "n": 10, "seed": 0, "method": "rendered", "flip_fraction": flips})
    shown = shown.assign(epoch=[9, 9, 9, 0], split=["ood_test", "ood_val", "ood_test", "ood_test"])
    told = " ".join(abstract({"outcomes": outcomes(), "counterfactual": shown}))
    assert "Measured were 4 runs of t / r" in told
    assert "3 of 4 memorised their training set; 1 grokked and 2 stayed on a plateau." in told
    assert "in 2 of 3 runs (mean fall 0.0667, 95 % t interval" in told
    assert "changed 0.20 to 0.20 of their decisions" in told, "of the last epoch, missing ones left out"


def test_an_effect_counts_if_it_beats_every_decisive_control():
    keys = {"task": "t", "recipe": "r", "n": 10, "seed": 0, "probe": "neurons", "stage": "pooled", "measure": "flips"}
    rows = {"target": [*"aabbc"], "size": 8.0, "p": [0.01, 0.2, 0.02, 0.03, 0.01], "split": "ood_test"}
    verdicts = pd.DataFrame(keys | rows | {"decisive": [True] * 4 + [False], "checkpoint": "final"})
    assert "Of 2 effects of probes at the final checkpoint, 1 had p" in " ".join(abstract({"verdicts": verdicts}))


def test_a_study_with_nothing_in_it_has_an_empty_abstract():
    assert abstract({}) == []
    nothing = outcomes(label=None, memorised_epoch=np.nan, decline=np.nan)
    assert abstract({"outcomes": nothing})[1:] == ["0 of 4 memorised their training set."]


def test_claims_are_told_by_verdict_and_those_not_run_by_name(study):
    claims = study["claims"].copy()
    claims.loc[0, "verdict"], claims.loc[1, "verdict"] = "not_run", "contradicted"
    told = content({"claims": claims})["claims"]
    assert told["scopes"][0]["not_run"] == [claims["claim"][0]]
    rows = [row for family in told["scopes"][0]["families"] for row in family["rows"]]
    assert [row["claim"] for row in rows] == claims["claim"].tolist()[1:]
    assert rows[0]["p"] == "0.01, Holm 0.02" and rows[0]["smallest"] == "0.002, Holm 0.004"
    assert told["families"] == [
        {"question": "Is it so?", "scope": "analogue", "rows": 3, "supported": 2, "contradicted": 1}
        | {"inconclusive": 0, "not_run": 0}
    ]
    assert set(told["words"]) == set(WORDS)
    assert content({})["claims"] is None


def test_pictures_stand_under_the_reports_headings_in_its_order(study, tmp_path):
    data = tmp_path / "tissue"
    data.mkdir()
    pictures = [picture(tmp_path, "probing"), picture(tmp_path, "weight_norm", width=3.4), picture(data, "patches")]
    sections = content(study, pictures=pictures, captions={"probing": CAPTION})["sections"]
    assert [section["title"] for section in sections] == ["Data", "Training", "Probing"]
    patches, norms, probing = (section["figures"][0] for section in sections)
    assert (norms["wide"], probing["wide"]) == (False, True)
    assert (probing["width"], probing["height"]) == pytest.approx((504, 72))
    assert patches["file"] == "tissue-patches.pdf"
    assert "Probes fitted on" in probing["facts"] and len(probing["remarks"]) == 2


def test_a_picture_without_a_size_is_named(tmp_path):
    (tmp_path / "probing.pdf").write_bytes(b"%PDF")
    with pytest.raises(ValueError, match=r"probing\.pdf: no PDF page of stated size"):
        content({}, pictures=[tmp_path / "probing.pdf"])


def test_tasks_that_are_judged_alike_share_their_thresholds(study):
    tasks = {"a": judged()["camelyon17"], "b": judged()["camelyon17"], "c": judged(ceiling=1.0)["camelyon17"]}
    detectors = content(study, judgements=tasks)["detectors"]
    assert [detector["tasks"] for detector in detectors] == [["a", "b"], ["c"]]
    assert detectors[0]["thresholds"]["ceiling"] == "none" and detectors[1]["thresholds"]["ceiling"] == "1"


def test_runs_are_listed_with_what_they_cost_and_came_from(tmp_path):
    told = content({}, records=[write_record(tmp_path)])
    (row,) = told["runs"]
    assert row["run"] == "camelyon17/grokking/n300/seed0" and row["config"] == "c" * 12 and row["code"] == "d" * 12
    assert (row["steps"], row["exposure"], row["seconds"], row["device"]) == ("96,000", "0.48", "12.5", "cpu")
    assert told["data"] == [{"file": "results/data/x/y/z.safetensors", "sha256": "e" * 12}]
    assert told["environments"][0]["versions"] == "python 3.11.7, torch 2.13.0"
    assert told["settings"][0]["grokfast"] == "0.98, 2"


def test_many_runs_are_listed_by_arm_and_many_files_by_folder(tmp_path):
    records = [
        write_record(tmp_path, f"t/r/n10/seed{seed}", seconds=seed, data={f"results/data/x/seed{seed}/z": f"{seed}"})
        for seed in range(LISTED_RUNS + 1)
    ]
    told = content({}, records=records)
    (row,) = told["runs"]
    assert (row["run"], row["runs"], row["seconds"], row["code"]) == ("t/r/n10", "61", "0 to 60", "d" * 12)
    assert len(records) > LISTED_FILES and told["data"][0]["file"] == "results/data/x/ (61 files)"


def test_networks_that_somebody_else_trained_have_a_row_too(tmp_path):
    path = write_record(tmp_path)
    path.write_text('{"architecture": {"depth": 18}, "data": {"a.pth": "0123456789abcdef"}}')
    told = content({}, records=[path])
    assert told["runs"][0]["seconds"] == "\N{EN DASH}" and told["settings"] == [] == told["environments"]


def test_the_fingerprint_changes_with_results_and_not_with_seconds(tmp_path):
    table = tmp_path / "metrics.parquet"

    def fingerprint(folder, text="table", **changes):
        table.write_text(text)
        return content({}, sources=[table], records=[write_record(tmp_path / folder, **changes)])["fingerprint"]

    first = fingerprint("a")
    assert fingerprint("b", seconds=99.0) == first
    assert fingerprint("c", text="other") != first
    assert fingerprint("d", config_hash="f" * 64) != first
    assert fingerprint("e", data={"x": "1"}) != first
