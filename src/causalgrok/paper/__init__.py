"""A study as a paper: its tables, figures and run records as JSON, set by Typst templates into a PDF.

`captions` (the report's captions as pieces of text), `facts` (the numbers behind a figure), `summary` (the abstract
and the table of arms), `ledger` (the claims), `origins` (runs, data, environments, checksums), `document` (all of it as
one plain value), `typesetting` (that value and the templates -> PDF).

Nothing that comes from config, data or tables is ever part of a template: Typst reads it from JSON as text, so a name
can be no code.
"""

from pathlib import Path

ASSETS = tuple(
    Path(__file__).with_name(name) for name in ("paper.typ", "methods.typ", "appendix.typ", "references.yml")
)
"""The templates: the paper itself, its methods, its tables over the whole width, and the works it may cite."""
