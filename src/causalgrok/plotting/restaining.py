"""What the counterfactual patches look like: the same tissue shown as every hospital's."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalgrok.plotting import style

_METHODS = {"rendered": "Rendered anew", "macenko": "Re-stained, Macenko", "reinhard": "Re-stained, Reinhard"}
_TILE = 0.62
"""Inches a side of a patch."""


@mpl.rc_context(style.CONTEXT)
def restaining(
    original: np.ndarray, by_method: Mapping[str, np.ndarray], hospitals: np.ndarray, targets: np.ndarray
) -> Figure:
    """Draw one patch of every hospital (rows), as it is and as each hospital's (columns), a block a method.

    A patch shown as its own hospital's is framed.

    Args:
        original: (m, height, width, 3) uint8 patches.
        by_method: method -> (t, m, height, width, 3) uint8, the same patches shown as each target's.
        hospitals: (m,) hospital of every patch; the first patch of each is drawn.
        targets: (t,) hospitals as which the patches are shown.

    Raises:
        ValueError: shapes that do not belong together, or nothing to draw.
    """
    hospitals, targets = np.asarray(hospitals), np.asarray(targets)
    if not by_method:
        raise ValueError("by_method: no method; expected method -> (targets, patches, height, width, 3)")
    if not len(original) or len(hospitals) != len(original):
        raise ValueError(
            f"hospitals: {len(hospitals)} for {len(original)} patches; expected one each, and one at least"
        )
    for method, shown in by_method.items():
        expected = (len(targets), *original.shape)
        if shown.shape != expected:
            raise ValueError(f"by_method[{method!r}]: shape {shown.shape}, expected {expected}")
    names, first = np.unique(hospitals, return_index=True)
    size = (_TILE * (1 + len(targets)) + 0.8, (_TILE * len(names) + 0.6) * len(by_method))
    figure = Figure(figsize=size, layout="constrained")
    for block, (method, shown) in zip(
        figure.subfigures(len(by_method), 1, squeeze=False).flat, by_method.items(), strict=True
    ):
        block.suptitle(_METHODS.get(method, method), fontsize=8, x=0.01, ha="left")
        axes = block.subplots(len(names), 1 + len(targets), squeeze=False)
        for row, hospital, patch in zip(axes, names, first, strict=True):
            _draw_patch(row[0], original[patch], framed=False)
            row[0].set_ylabel(f"hospital {hospital}", rotation=0, ha="right", va="center")
            for panel, target, images in zip(row[1:], targets, shown, strict=True):
                _draw_patch(panel, images[patch], framed=target == hospital)
        axes[0, 0].set_title("original")
        for panel, target in zip(axes[0, 1:], targets, strict=True):
            panel.set_title(f"as {target}")
    return figure


def _draw_patch(axes: Axes, image: np.ndarray, *, framed: bool) -> None:
    # Vector files keep the pixels as they are.
    axes.imshow(image, interpolation="none")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(framed)
        side.set_linewidth(2)
