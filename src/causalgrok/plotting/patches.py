"""What the patches look like: a few of every hospital and label."""

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from causalgrok.data.splits import Split
from causalgrok.plotting import style

_LABELS = {0: "normal", 1: "tumour"}


@mpl.rc_context(style.CONTEXT)
def patches(splits: dict[str, Split], *, each: int = 5) -> Figure:
    """Draw the first patches of every hospital (rows) and label (left and right); of many labels the first two.

    Args:
        splits: split name -> its examples; hospitals are labelled with the split they belong to.
        each: patches a hospital and label.
    """
    tissue = all(set(split.labels.tolist()) <= set(_LABELS) for split in splits.values())
    labels = _LABELS if tissue else {label: f"label {label}" for label in _LABELS}
    rows = sorted((hospital, name) for name, split in splits.items() for hospital in np.unique(split.domains).tolist())
    figure = Figure(figsize=(style.TWO_COLUMNS, 0.6 * len(rows) + 0.3), layout="constrained")
    axes = figure.subplots(len(rows), 2, squeeze=False)
    for row, (hospital, name) in zip(axes, rows, strict=True):
        split = splits[name]
        for panel, (label, title) in zip(row, labels.items(), strict=True):
            chosen = split.inputs[(split.domains == hospital) & (split.labels == label)][:each]
            gap = np.full((chosen.shape[1], 1, 3), 255, dtype=np.uint8)
            panel.imshow(np.concatenate([tile for image in chosen for tile in (image, gap)], axis=1))
            panel.set_xticks([])
            panel.set_yticks([])
            for side in panel.spines.values():
                side.set_visible(False)
            panel.set_title(title if row[0] is axes[0, 0] else "")
        row[0].set_ylabel(f"hospital {hospital}\n{style.SPLITS.get(name, name)}", rotation=0, ha="right", va="center")
    return figure
