"""What stands in the file, without a browser."""

import base64
import gzip
import json
import re

import numpy as np
import pandas as pd
import pytest
from plotly.offline import get_plotlyjs
from synthetic_explorer import NASTY, OTHER, PLAIN, RUN, claim, page, reduced, splits

from causalgrok.columns import COLUMNS
from causalgrok.explorer.evidence import evidence
from causalgrok.explorer.gallery import gallery
from causalgrok.explorer.page import explorer_page
from causalgrok.explorer.panels import ASSETS, PANELS, TABLES
from causalgrok.explorer.reduction import averaged, reduce_table


def shared(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="study">(.*?)</script>', html, flags=re.DOTALL)[1])


def of_run(html: str, index: int) -> dict:
    packed = re.search(rf'id="run-{index}">([^<]*)</script>', html)[1]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_hostile_text_ends_no_element_and_starts_none(html):
    ours = html.replace(get_plotlyjs(), "").replace(ASSETS[1].read_text(), "")
    runs = len(shared(html)["runs"])
    assert ours.count("<script") == ours.count("</script>") == 1 + runs + 2
    assert "alert(" not in re.sub(r"<script.*?</script>", "", ours, flags=re.DOTALL).replace("&lt;script&gt;alert(", "")
    assert "<b>bold" not in ours
    assert NASTY in {run["recipe"] for run in shared(html)["runs"]}


def test_nothing_is_loaded_from_elsewhere(html):
    ours = html.replace(get_plotlyjs(), "")
    assert "default-src 'none'" in ours
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", ours)


def test_the_same_study_gives_the_same_bytes(study, html):
    assert page(study) == html


def test_rows_of_a_run_are_those_of_the_table(study, html):
    index = [run["folder"] for run in shared(html)["runs"]].index(RUN)
    rows = pd.DataFrame(of_run(html, index)["training"])
    metrics = study["metrics"].query("recipe == 'standard' and seed == 0").reset_index(drop=True)
    for column in ("epoch", "split"):
        assert rows[column].tolist() == metrics[column].tolist()
    assert np.allclose(rows["loss"].astype(float), metrics["loss"], rtol=1e-3)


def test_a_study_has_the_panels_whose_tables_it_has(study):
    names = [panel["name"] for panel in shared(explorer_page(reduced(study, PLAIN), study="plain"))["panels"]]
    assert names == ["training", "weights", "geometry", "outcome"]
    everything = [panel["name"] for panel in shared(page(study))["panels"]]
    assert everything == list(PANELS)


def test_a_measure_that_was_never_taken_is_not_offered(study):
    metrics = study["metrics"].assign(auroc=np.nan)
    (training,) = shared(explorer_page(reduce_table("metrics", metrics), study="plain"))["panels"]
    assert "auroc" not in training["measures"] and "loss" in training["measures"]


def test_what_is_not_finite_is_missing(study):
    metrics = study["metrics"].query("seed == 0 and recipe == 'standard'").assign(loss=np.inf)
    html = explorer_page(reduce_table("metrics", metrics), study="plain")
    assert set(of_run(html, 0)["training"]["loss"]) == {None}


def test_every_table_of_a_panel_is_a_table_and_every_column_is_told(study):
    assert set(TABLES) <= set(COLUMNS)
    for name, panel in PANELS.items():
        rows = reduce_table(panel.table, study[panel.table])[panel.rows]
        assert {*panel.choices, *([panel.series] if panel.series else [])} <= set(rows), name
        assert set(panel.measures) & set(rows) or panel.kind == "facts", name


def test_repeats_are_averaged_and_their_range_is_kept():
    frame = pd.DataFrame({"task": "t", "recipe": "r", "n": 1, "seed": 0, "kind": ["one", *["many"] * 41]})
    frame["accuracy"] = [0.5, *np.linspace(0, 1, 41)]
    rows = averaged(frame, ["kind"], ["accuracy"]).set_index("kind")
    assert rows.loc["many", ["accuracy_low", "accuracy", "accuracy_high"]].tolist() == pytest.approx(
        [0.025, 0.5, 0.975]
    )
    assert rows.loc["one", ["accuracy_low", "accuracy_high"]].isna().all()


def test_steering_by_stage_is_the_change_from_no_push(study):
    rows = reduce_table("steering", study["steering"])["steering_stages"]
    table = study["steering"].query("direction == 'hospital' and stage == 'pooled' and split == 'ood_test'")
    table = table.query("recipe == 'standard' and seed == 0 and epoch == 3000").groupby("alpha")["accuracy"].mean()
    strongest = table.index.max()
    expected = (table[strongest] + table[-strongest]) / 2 - table[0]
    drawn = rows.query("recipe == 'standard' and seed == 0 and epoch == 3000 and direction == 'hospital'")
    assert drawn.query("stage == 'pooled' and split == 'ood_test'")["accuracy"].item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("words", "panel", "options"),
    [
        ("outcomes.decline, of runs where n the largest", "training", "epoch=last"),
        ("metrics.auroc where split == 'ood_test' at epoch 1", "training", "epoch=1&y=auroc"),
        ("log of mechanism.angle_late where group == 'head'", "weights", "epoch=last&y=angle_per_step"),
        (
            "verdicts.p where checkpoint == 'selected' and probe == 'neurons' and target == 'hospital, zero' and "
            "measure == 'accuracy_drop' and size nearest to 0.25 of the largest at or below 0.05",
            "verdicts",
            "epoch=selected&y=p&probe=neurons&measure=accuracy_drop",
        ),
        (
            "concentration.value where measure == 'inlp_area' at last - concentration.null where measure == "
            "'inlp_area' at last",
            "concentration",
            "epoch=last&y=inlp_area",
        ),
    ],
)
def test_a_claim_leads_to_what_it_was_measured_on(words, panel, options):
    links = evidence(claim(tables=words), panels=list(PANELS), runs=[RUN])
    address = re.search(r'href="#([^"]*)"', links["look"])[1].replace("&amp;", "&")
    assert address == f"run={RUN}&panel={panel}&{options}"
    assert "view=table" in links["traced"] and "0.25" in links["traced"]


def test_a_claim_about_two_recipes_shows_both():
    links = evidence(claim(tables="outcomes.decline"), panels=["training"], runs=[RUN, OTHER])
    assert "with=camelyon17/%3C/script" in links["look"]


@pytest.mark.parametrize(
    "changes", [{"tables": "factorial.estimate"}, {"traced": ""}, {"traced": "results/runs/a/b/n1/seed0: 1"}]
)
def test_what_the_page_does_not_show_has_no_link(changes):
    row = {"tables": "outcomes.decline"} | changes
    assert evidence(claim(**row), panels=list(PANELS), runs=[RUN]) == {}


def test_the_gallery_has_every_hospital_and_label():
    html = gallery({"tissue": splits()}, each=3)
    assert html.count("<img") == 2 * 2 * 3
    assert html.count("tumour, hospital 1, row") == 3
    assert gallery({}) == ""
