import re
import shutil
import subprocess

import pytest
import yaml
from synthetic_explorer import claim, claims
from synthetic_paper import CAPTION, NASTY, content, picture, write_record
from synthetic_study import study_tables
from typst import TypstError

from causalgrok.paper import ASSETS
from causalgrok.paper.typesetting import typeset

PLAIN = ("metrics", "dynamics", "outcomes", "arms")
"""Tables of a study without hospitals."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    return [picture(folder, "probing"), picture(folder, "annotated_run", width=3.4)]


@pytest.fixture(scope="module")
def paper(study, pictures, tmp_path_factory):
    captions = dict.fromkeys(("probing", "annotated_run"), CAPTION)
    records = [write_record(tmp_path_factory.mktemp("runs"))]
    told = content(study, pictures=pictures, captions=captions, records=records)
    return told, typeset(told, pictures)


def test_a_paper_holds_figures_verdicts_definitions_and_provenance(paper, read_back):
    text = read_back(paper[1])
    for part in ("What is it?", "Abstract.", "Results", "Methods", "References", "Claims", "Provenance"):
        assert part in text
    assert "Figure 1: What is drawn: the table of 𝜅 and more, over two lines. Shown: " in text
    assert "How to read it. From left to right." in text
    assert "drawn probing" in text and "drawn annotated_run" in text
    for term in ("Memorised, grokked", "Decodability", "five ways", "Steering", "Neurons", "Reliance: stain", "Holm"):
        assert term in text
    assert "✓ supported" in text and "smallest 0.002, Holm 0.004" in text
    assert f"fingerprint {paper[0]['fingerprint']}" in text and "c" * 12 in text
    assert "(1 run): python 3.11.7, torch 2.13.0; a processor, 2 cores, Linux." in text


def test_the_same_inputs_give_the_same_bytes(paper, pictures):
    assert typeset(paper[0], pictures) == paper[1]
    assert b"CreationDate" not in paper[1] and b"ModDate" not in paper[1]


def test_every_font_is_embedded(paper, tmp_path):
    program = shutil.which("pdffonts")
    if not program:
        pytest.skip("no pdffonts on the PATH")
    (tmp_path / "paper.pdf").write_bytes(paper[1])
    lines = subprocess.run([program, tmp_path / "paper.pdf"], capture_output=True, text=True).stdout.splitlines()[2:]
    assert any("DejaVuSans " in line for line in lines), "those of the figures"
    assert all(re.search(r" yes (yes|no) +(yes|no) +\d+ +\d+$", line) for line in lines)


def test_parts_whose_tables_a_study_lacks_are_left_out(study, read_back):
    plain = {name: study[name] for name in PLAIN}
    text = read_back(typeset(content(plain)))
    assert "Memorised, grokked" in text and "Norms and angles" in text
    for absent in ("Steering", "Neurons", "Reliance", "Claims", "Decodability", "Verdicts on claims", "Belrose"):
        assert absent not in text


def test_a_study_without_anything_is_set(read_back):
    text = read_back(typeset(content({}, description="", titles={}, judgements={})))
    assert "Study small" in text and "Methods" in text


@pytest.mark.parametrize("left_out", ["metrics", "outcomes", "arms", "claims", "verdicts", "statistics"])
def test_no_table_is_needed_by_what_another_says(study, left_out):
    kept = {name: table for name, table in study.items() if name != left_out}
    assert typeset(content(kept)).startswith(b"%PDF")


def test_what_comes_from_config_and_data_is_text(pictures, tmp_path, read_back):
    tables = study_tables(recipes=("standard", NASTY), seeds=(0, 1), sizes=(300,))
    tables["claims"] = claims().assign(
        **{column: NASTY for column in ("sentence", "reported", "test", "claim", "source")}
    )
    path = write_record(tmp_path, device=NASTY, data={NASTY: NASTY})
    told = content(
        tables,
        study=NASTY,
        description=NASTY,
        titles={"sources": {NASTY: NASTY}, "families": {"f": NASTY}},
        judgements={NASTY: content(tables)["detectors"] and {"chance": 0.5, "detector": {"delta": 0.1}}},
        records=[path],
        pictures=pictures,
        captions={"probing": CAPTION, "annotated_run": "**{{ snakemake.wildcards.study }}** is *shown*."},
    )
    text = read_back(typeset(told, pictures))
    found = text.replace(" ", "")
    assert found.count(NASTY.replace(" ", "")) >= 4
    assert "root:" not in text


def test_the_compiler_reads_nothing_outside_its_folder(paper, pictures, tmp_path):
    outside = tmp_path / "outside.pdf"
    shutil.copy(pictures[0], outside)
    for name in (str(outside), "../" * 12 + str(outside)):
        told = paper[0] | {
            "sections": [{"title": "t", "figures": [paper[0]["sections"][0]["figures"][0] | {"file": name}]}]
        }
        with pytest.raises(TypstError, match=r"not found|outside|root"):
            typeset(told, pictures)


def test_a_claim_that_no_family_knows_is_set(read_back):
    told = content({"claims": claims().head(0)})
    assert told["claims"] is None
    alone = claims().head(1).assign(**claim(family="unheard", verdict="inconclusive", claim="alone"))
    text = read_back(typeset(content({"claims": alone})))
    assert "unheard" in text and "? inconclusive" in text


def test_every_work_is_cited_and_every_citation_is_known():
    known = set(yaml.safe_load(ASSETS[-1].read_text()))
    cited = set(re.findall(r"@([a-z]+\d{4})", ASSETS[1].read_text()))
    assert cited == known
