from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from causalgrok.analysis.claims.ledger import VERDICTS
from causalgrok.analysis.claims.page import claims_page
from causalgrok.columns import COLUMNS

NASTY = '<script>alert("&")</script>'


def row(**changes) -> dict:
    numbers = {"threshold": 0.0, "margin": np.nan, "observed": 0.5, "low": 0.4, "high": 0.6, "level": 0.95}
    numbers |= {"p": 0.01, "p_holm": 0.02, "smallest_p": 0.002, "smallest_p_holm": 0.004, "alpha": 0.05, "runs": 2}
    fixed = {
        "scope": "analogue",
        "verdict": "supported",
        "direction": "above",
        "family": "f",
        "source": "s0",
        "claim": "a",
    }
    return dict.fromkeys(COLUMNS["claims"], "text") | numbers | fixed | changes


def page(*rows: dict, **titles) -> str:
    frame = pd.DataFrame(rows, columns=list(COLUMNS["claims"]))
    return claims_page(frame, **({"study": "demo", "sources": {"s0": "A study"}, "families": {"f": "Why?"}} | titles))


NOT_RUN = {
    "scope": "reproduction",
    "verdict": "not_run",
    **dict.fromkeys(("observed", "low", "high", "p", "p_holm", "smallest_p", "smallest_p_holm"), np.nan),
}


class Checker(HTMLParser):
    """Counts elements, and fails where one is closed that is not open."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert not checker.open
    return checker


def test_every_text_is_escaped():
    texts = (
        "sentence",
        "reported",
        "reason",
        "note",
        "tables",
        "traced",
        "study",
        "data",
        "test",
        "design",
        "estimate",
    )
    for text in texts:
        found = page(row(**{text: NASTY}))
        assert "<script" not in found, text
        assert "&lt;script&gt;" in found, text
        parsed(found)
    found = page(row(), study=NASTY, sources={"s0": NASTY}, families={"f": NASTY})
    assert "<script" not in found
    parsed(found)


def test_an_attribute_cannot_be_left():
    found = parsed(page(row(claim='a" onclick="x', study='"><b>')))
    assert not any(name.startswith("on") for name, _ in found.attributes)
    assert "b" not in found.seen


def test_the_page_stands_by_itself():
    found = parsed(page(row(), row(**NOT_RUN)))
    assert not set(found.seen) & {"script", "link", "img", "iframe"}
    assert not any(name in ("src", "href") for name, _ in found.attributes)
    assert "url(" not in page(row())


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_verdict_is_told_by_its_word(verdict):
    found = page(row(**(NOT_RUN if verdict == "not_run" else {"verdict": verdict})))
    assert found.count(f'class="chip {verdict}"') >= 2, "in the legend and in its line"
    assert verdict.replace("_", " ") in found


def test_a_line_opens_on_its_evidence():
    found = page(row(tables="outcomes.decline", traced="results/runs/x: 1", reason="because"))
    evidence = found[found.index("<details") :]
    assert all(text in evidence for text in ("outcomes.decline", "results/runs/x: 1", "because", "Why?"))
    assert "0.01, Holm 0.02" in evidence and "smallest 0.002, Holm 0.004" in evidence
    assert "0.5 (95%: 0.4 to 0.6)" in evidence


def test_scopes_stand_apart_and_what_was_run_comes_first():
    found = page(row(**NOT_RUN), row(claim="b"))
    assert found.index("Analogue: ") < found.index("Reproduction: ")
    both = page(row(), row(scope="reproduction"))
    assert both.index("Reproduction: ") < both.index("Analogue: ")


def test_a_scope_without_any_run_is_folded():
    assert "all 2 of them" in page(row(), row(**NOT_RUN), row(**NOT_RUN, claim="b"))


def test_questions_without_any_run_are_folded_below_the_others():
    here = NOT_RUN | {"scope": "analogue"}
    found = page(row(**here, family="g", claim="b"), row(), row(**here, claim="c"), families={"g": "How?", "f": "Why?"})
    order = ['id="analogue-a-', 'id="analogue-c-', "1 of other questions", 'id="analogue-b-']
    assert [found.index(text) for text in order] == sorted(found.index(text) for text in order)
    assert "of other questions" not in page(row(), row(**here, claim="c"))


def test_missing_numbers_are_left_blank():
    found = page(row(**NOT_RUN, threshold=np.nan), row(low=np.nan, high=np.nan))
    assert "nan" not in found
    assert "(no interval)" in found
    assert "claimed above chance" in found
