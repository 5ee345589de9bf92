"""Pictures of clusters: the nearest images of each, in the order of their distance."""

import numpy as np
import pytest

from causalgrok.plotting.clusters import clusters


def test_each_cluster_shows_its_nearest_images_and_its_share():
    rng = np.random.default_rng(0)
    labels, numbers, distances = np.arange(60) % 3, rng.integers(2, size=60), rng.random(60)
    images = np.broadcast_to(np.arange(60, dtype=np.uint8)[:, None, None], (60, 4, 5))  # an image says which it is
    figure = clusters(images, labels, numbers, distances, each=3)
    assert len(figure.axes) == 3 * 2
    for place, panel in enumerate(figure.axes):
        label, number = divmod(place, 2)
        own = np.flatnonzero((labels == label) & (numbers == number))
        shown = 255 - panel.images[0].get_array()[0, ::5]
        assert shown.tolist() == own[np.argsort(distances[own])][:3].tolist()
        assert panel.get_title(loc="left") == f"cluster {number}: {len(own)} images, {len(own) / 20:.0%}"
    assert [panel.get_ylabel() for panel in figure.axes[::2]] == ["class 0", "class 1", "class 2"]


@pytest.mark.parametrize("empty", [0, 1])
def test_a_cluster_without_images_is_refused(empty):
    numbers = np.array([1 - empty, 1 - empty, 0, 1])
    with pytest.raises(ValueError, match=f"^class 0 has no image of cluster {empty}$"):
        clusters(np.zeros((4, 2, 2), np.uint8), np.array([0, 0, 1, 1]), numbers, np.zeros(4))
