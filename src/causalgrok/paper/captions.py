"""The captions of the report (workflow/report/*.rst) as pieces of styled text, for other media than Snakemake's report.

A caption has a first paragraph, which says what a figure shows, and further ones that begin with *How to read it.* and
*What it cannot say.* Read is the part of reStructuredText that captions use: **strong**, *emphasis*, ``code``, `code`
and :math:`formulas`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

Piece = dict[str, str]
"""`style` (plain, strong, emphasis, code or math) and `text`."""

_STYLES = {"strong": r"\*\*(.+?)\*\*", "emphasis": r"\*(.+?)\*", "math": r":math:`(.+?)`"}
_STYLES |= {"code": r"``(.+?)``", "single": r"`(.+?)`"}
_MARKS = re.compile("|".join(f"(?:{pattern})" for pattern in _STYLES.values()), re.DOTALL)
_WILDCARD = re.compile(r"\{\{ snakemake\.wildcards\.(\w+) \}\}")
_STUDY = re.compile(r"\s*\(study\s+\*\{\{ snakemake\.wildcards\.study \}\}\*\)")


@dataclass(frozen=True)
class Caption:
    """A caption cut into what stands under a figure and what is said about it elsewhere."""

    shows: list[Piece]
    """What the figure shows."""

    remarks: list[list[Piece]]
    """How to read it, what it cannot say: paragraphs."""


def parse_caption(text: str, wildcards: Mapping[str, str]) -> Caption:
    """Read one caption.

    Args:
        text: reStructuredText, as above.
        wildcards: name -> value of Snakemake's wildcards in it; its study is left out, since a paper is of one study.
    """
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", _STUDY.sub("", text.strip()))]
    first, *others = [pieces(paragraph, wildcards) for paragraph in paragraphs]
    return Caption(first, others)


def pieces(paragraph: str, wildcards: Mapping[str, str]) -> list[Piece]:
    """A paragraph of reStructuredText as pieces of one style each."""
    found, end = [], 0
    for match in _MARKS.finditer(paragraph):
        index = next(i for i, group in enumerate(match.groups()) if group is not None)
        style = list(_STYLES)[index]
        found += [
            ("plain", paragraph[end : match.start()]),
            ("code" if style == "single" else style, match.group(index + 1)),
        ]
        end = match.end()
    found.append(("plain", paragraph[end:]))
    return [{"style": style, "text": _filled(text, wildcards)} for style, text in found if text]


def _filled(text: str, wildcards: Mapping[str, str]) -> str:
    return _WILDCARD.sub(lambda match: wildcards.get(match.group(1), ""), text)
