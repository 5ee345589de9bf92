"""The PDF: templates, pictures and one JSON file in a folder of their own, which is all that the compiler can read.

The same inputs give the same bytes: no date is written, and no font is used that does not come with Typst.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from typst import Compiler

from causalgrok.paper import ASSETS
from causalgrok.paper.document import picture_name

CONTENT = "content.json"
"""What the templates read."""


def typeset(content: Mapping[str, object], pictures: Iterable[str | Path] = ()) -> bytes:
    """Set a paper.

    Args:
        content: as `document` gives it.
        pictures: the PDF files that it names.

    Returns:
        The PDF file.

    Raises:
        typst.TypstError: the templates cannot be compiled.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for asset in ASSETS:
            shutil.copyfile(asset, root / asset.name)
        for picture in map(Path, pictures):
            shutil.copyfile(picture, root / picture_name(picture))
        (root / CONTENT).write_text(json.dumps(content, ensure_ascii=False))
        compiler = Compiler(
            input=root / ASSETS[0].name,
            root=root,
            ignore_system_fonts=True,
            package_path=root / "packages",
            package_cache_path=root / "packages",
        )
        pdf, warnings = compiler.compile_with_warnings(format="pdf")
    for warning in warnings:
        print(f"typst: {warning}")
    return pdf
