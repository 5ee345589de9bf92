import re
from pathlib import Path

import pytest
from synthetic_paper import CAPTION

from causalgrok.paper import ASSETS
from causalgrok.paper.captions import parse_caption

CAPTIONS = sorted((Path(__file__).parents[3] / "workflow/report").glob("*.rst"))


def test_a_caption_is_cut_into_what_is_shown_and_what_is_said_of_it():
    caption = parse_caption(CAPTION, {"study": "demo"})
    assert [(piece["style"], piece["text"]) for piece in caption.shows] == [
        ("strong", "What is drawn"),
        ("plain", ": the "),
        ("code", "table"),
        ("plain", " of "),
        ("math", "\\kappa"),
        ("plain", " and "),
        ("emphasis", "more"),
        ("plain", ", over two lines."),
    ]
    assert ["".join(piece["text"] for piece in remark) for remark in caption.remarks] == [
        "How to read it. From left to right.",
        "What it cannot say. Anything else.",
    ]


def test_wildcards_are_filled_in_after_marks_are_read():
    shows = parse_caption("Data *{{ snakemake.wildcards.examples }}*.", {"examples": "a*b*``c``"}).shows
    assert shows[1] == {"style": "emphasis", "text": "a*b*``c``"}


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.stem)
def test_every_caption_is_read_whole(path):
    caption = parse_caption(path.read_text(), {"study": "demo", "dataset": "tissue"})
    told = [piece for part in (caption.shows, *caption.remarks) for piece in part]
    assert caption.shows[0]["style"] == "strong" or path.stem in ("claims", "index")
    left = [
        piece["text"] for piece in told if piece["style"] != "math" and re.search(r"\*|`|\{\{|:math:", piece["text"])
    ]
    assert not left or path.stem == "index", "a link, which only the report's first page has"
    template = ASSETS[0].read_text()
    for piece in told:
        if piece["style"] == "math":
            assert '"' + piece["text"].replace("\\", "\\\\") + '": $' in template, "add it to `formulas` in paper.typ"
