"""Patches to look at: a few of every split, hospital and label, each an image inside the page."""

import base64
import io
from collections.abc import Mapping
from html import escape

import numpy as np
from PIL import Image

from causalgrok.data.splits import Split
from causalgrok.explorer.panels import SPLITS

LABELS = {0: "normal", 1: "tumour"}
"""What the labels of tissue are called; of other images the first two are shown by their numbers."""


def gallery(datasets: Mapping[str, Mapping[str, Split]], *, each: int = 6) -> str:
    """The first patches of every hospital and label as HTML.

    Args:
        datasets: dataset -> split -> its examples, images.
        each: patches a split, hospital and label.
    """
    parts = []
    for dataset, splits in datasets.items():
        rows = sorted((hospital, name) for name, split in splits.items() for hospital in set(split.domains.tolist()))
        tissue = all(set(split.labels.tolist()) <= set(LABELS) for split in splits.values())
        labels = LABELS if tissue else {label: f"label {label}" for label in LABELS}
        lines = [_row(splits[name], hospital, name, each, labels) for hospital, name in rows]
        heads = "".join(f"<th scope=col>{escape(name)}</th>" for name in ("hospital", *labels.values()))
        parts.append(
            f"<h3>{escape(dataset)}</h3>\n<table class=patches><thead><tr>{heads}</tr></thead>\n<tbody>\n"
            + "\n".join(lines)
            + "\n</tbody></table>"
        )
    return "\n".join(parts)


def _row(split: Split, hospital: int, name: str, each: int, labels: Mapping[int, str]) -> str:
    title = SPLITS[name].label if name in SPLITS else name
    cells = []
    for label, told in labels.items():
        chosen = split[np.flatnonzero((split.domains == hospital) & (split.labels == label))[:each]]
        images = [
            f'<img src="{_source(image)}" alt="{escape(told)}, hospital {hospital}, row {row}" '
            f'title="row {row}, slide {slide}" width={image.shape[1]} height={image.shape[0]} loading=lazy>'
            for image, row, slide in zip(chosen.inputs, chosen.rows, chosen.groups, strict=True)
        ]
        cells.append(f"<td><div>{''.join(images)}</div></td>")
    return f"<tr><th scope=row>hospital {hospital}<span class=small>{escape(title)}</span></th>{''.join(cells)}</tr>"


def _source(image: np.ndarray) -> str:
    """An image (height, width, 3) uint8 as a data URI, of the same pixels."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "WEBP", lossless=True, method=6)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"
