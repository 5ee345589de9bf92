"""What clusters look like: of each class and cluster the images nearest to the centroid."""

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from causalgrok.plotting import style


@mpl.rc_context(style.CONTEXT)
def clusters(
    images: np.ndarray, labels: np.ndarray, numbers: np.ndarray, distances: np.ndarray, *, each: int = 8
) -> Figure:
    """Draw a row for each class and a panel for each of its clusters, titled with its share of the class.

    Args:
        images: (n, h, w) uint8, light on dark.
        labels: their classes (n,).
        numbers: their clusters (n,), from 0 in every class.
        distances: how far (n,) they lie from the centroid.
        each: images a cluster, the nearest first.

    Raises:
        ValueError: a class lacks one of the clusters.
    """
    classes, count = np.unique(labels), int(numbers.max()) + 1
    figure = Figure(figsize=(style.TWO_COLUMNS, 0.5 * len(classes) + 0.3), layout="constrained")
    axes = figure.subplots(len(classes), count, squeeze=False)
    for row, label in zip(axes, classes, strict=True):
        for number, panel in enumerate(row):
            own = np.flatnonzero((labels == label) & (numbers == number))
            if not len(own):
                raise ValueError(f"class {label} has no image of cluster {number}")
            nearest = own[np.argsort(distances[own], kind="stable")[:each]]
            panel.imshow(np.concatenate(255 - images[nearest], axis=1), cmap="gray", vmin=0, vmax=255)
            panel.set_xticks([])
            panel.set_yticks([])
            panel.spines[:].set_visible(False)
            share = len(own) / np.count_nonzero(labels == label)
            panel.set_title(f"cluster {number}: {len(own)} images, {share:.0%}", pad=2)
        row[0].set_ylabel(f"class {label}", rotation=0, ha="right", va="center")
    return figure
