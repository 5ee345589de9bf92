"""What figures are made of, for tests that look into them."""

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from causalgrok.plotting import style

BLUE, RED = "#0072b2", "#d55e00"


def panel(figure: Figure, title: str):
    """The panel whose title holds every word of `title`."""
    found = [axes for axes in figure.axes if all(word in axes.get_title("left") for word in title.split())]
    assert len(found) == 1, [axes.get_title("left") for axes in figure.axes]
    return found[0]


def lines(axes, width=None, colour=None):
    return [
        line
        for line in axes.lines
        if len(line.get_xdata()) > 2
        and line.get_linestyle() != "None"
        and (width is None or line.get_linewidth() == width)
        and (colour is None or to_hex(line.get_color()) == colour)
    ]


def bands(axes):
    """Bands drawn in a panel: {(x, low, high), ...} each."""
    drawn = [band for band in axes.collections if isinstance(band, PolyCollection) and band.get_paths()]
    return [band.get_paths()[0].vertices for band in drawn]


def intervals(axes) -> np.ndarray:
    """The vertical bars of a panel (m, 3): x, low, high."""
    drawn = [one for lines in axes.collections if isinstance(lines, LineCollection) for one in lines.get_segments()]
    return np.array([(ends[0, 0], ends[0, 1], ends[1, 1]) for ends in drawn])


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def rows(frame: pd.DataFrame, **values) -> pd.DataFrame:
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return frame


def overlapping(figure: Figure) -> list[str]:
    """Pairs of texts that run into each other, and texts that leave the figure."""
    with mpl.rc_context(style.CONTEXT):
        figure.draw_without_rendering()
        axes = [axes for axes in figure.axes if axes.get_visible()]
        texts = [axes._left_title for axes in axes] + [text for key in figure.legends for text in key.get_texts()]
        for axis in (axis for panel in axes for axis in (panel.xaxis, panel.yaxis)):
            # The ticks that are drawn; get_ticklabels also has those beyond the limits.
            texts += [axis.label, *(tick.label1 for tick in axis._update_ticks() if axis is axis.axes.xaxis)]
        boxes = [
            (text.get_text(), text.get_window_extent()) for text in texts if text.get_visible() and text.get_text()
        ]
    bad = [
        f"{one} | {two}"
        for (one, box), (two, other) in itertools.combinations(boxes, 2)
        if min(box.x1, other.x1) - max(box.x0, other.x0) > 1 and min(box.y1, other.y1) - max(box.y0, other.y0) > 1
    ]
    edge = figure.bbox
    return bad + [
        text for text, box in boxes if box.x0 < -1 or box.y0 < -1 or box.x1 > edge.x1 + 1 or box.y1 > edge.y1 + 1
    ]
