"""The gallery of counterfactual patches."""

import numpy as np
import pytest

from causalgrok.plotting.restaining import restaining

HOSPITALS = np.array([3, 0, 0, 2])
TARGETS = np.array([0, 2, 3])


def patches():
    """Patches whose pixels say which they are: ten times the patch, plus one more than the target's place."""
    original = np.zeros((4, 6, 6, 3), np.uint8) + 10 * np.arange(4, dtype=np.uint8)[:, None, None, None]
    shown = original[None] + np.arange(1, 4, dtype=np.uint8)[:, None, None, None, None]
    return original, {"macenko": shown, "reinhard": shown + 100}


def test_a_row_a_hospital_a_column_a_target_and_a_block_a_method():
    figure = restaining(*patches(), HOSPITALS, TARGETS)
    assert [block.get_suptitle() for block in figure.subfigs] == ["Re-stained, Macenko", "Re-stained, Reinhard"]
    panels = np.array(figure.subfigs[1].axes).reshape(3, 4)
    assert [panel.get_title("left") for panel in panels[0]] == ["original", "as 0", "as 2", "as 3"]
    assert [panel.get_ylabel() for panel in panels[:, 0]] == ["hospital 0", "hospital 2", "hospital 3"]
    shown = [[int(panel.images[0].get_array()[0, 0, 0]) for panel in row] for row in panels]
    # The first patch of hospital 0 is the second of all.
    assert shown == [[10, 111, 112, 113], [30, 131, 132, 133], [0, 101, 102, 103]]


def test_a_patch_as_its_own_hospitals_is_framed():
    figure = restaining(*patches(), HOSPITALS, TARGETS)
    panels = np.array(figure.subfigs[0].axes).reshape(3, 4)
    framed = [[panel.spines["left"].get_visible() for panel in row] for row in panels]
    assert framed == [[False, True, False, False], [False, False, True, False], [False, False, False, True]]


def test_one_method_is_one_block():
    original, shown = patches()
    figure = restaining(original, {"rendered": shown["macenko"]}, HOSPITALS, TARGETS)
    assert [block.get_suptitle() for block in figure.subfigs] == ["Rendered anew"]


def test_what_does_not_belong_together_is_refused():
    original, shown = patches()
    with pytest.raises(
        ValueError, match=r"by_method\['macenko'\]: shape \(3, 4, 6, 6, 3\), expected \(2, 4, 6, 6, 3\)"
    ):
        restaining(original, shown, HOSPITALS, TARGETS[:2])
    with pytest.raises(ValueError, match="hospitals: 3 for 4 patches"):
        restaining(original, shown, HOSPITALS[:3], TARGETS)
    with pytest.raises(ValueError, match="by_method: no method"):
        restaining(original, {}, HOSPITALS, TARGETS)
