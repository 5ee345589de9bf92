import numpy as np

from causalgrok.data.splits import Split
from causalgrok.plotting.patches import patches


def test_a_row_a_hospital_and_a_panel_a_label():
    index = np.arange(40)
    images = np.zeros((40, 8, 8, 3), np.uint8) + index[:, None, None, None].astype(np.uint8)
    split = Split(images, index % 2, index % 4 // 2 * 3, index, index)
    figure = patches({"id_val": split, "ood_val": split[split.domains == 3]}, each=3)
    assert len(figure.axes) == 2 * 3, "hospital 0, and hospital 3 of either split"
    assert [panel.get_title("left") for panel in figure.axes[:4]] == ["normal", "tumour", "", ""]
    shown = figure.axes[1].images[0].get_array()
    assert shown.shape == (8, 3 * 9, 3)
    assert [int(shown[0, 9 * i, 0]) for i in range(3)] == [1, 5, 9], "tumours of hospital 0"
