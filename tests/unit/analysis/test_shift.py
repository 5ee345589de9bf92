"""How differently two splits are made up: counts that were planted, and the distance that they must give."""

import numpy as np
import pandas as pd
import pytest

from causalgrok.analysis.shift import composition, measure_shift
from causalgrok.columns import COLUMNS
from causalgrok.data.subclass_shift import SubclassShiftSettings, draw


def counted(train, test):
    """The composition of splits whose examples are given as (group, label) pairs."""
    splits = {"train": np.array(train), "test": np.array(test)}
    return composition({k: v[:, 1] for k, v in splits.items()}, {k: v[:, 0] for k, v in splits.items()})


def test_examples_are_counted_by_group_and_label():
    table = counted([(7, 0), (7, 0), (2, 1)], [(7, 0), (2, 1), (2, 1), (3, 1)])
    expected = pd.DataFrame({"group": [2, 3, 7], "label": [1, 1, 0], "train": [1, 0, 2], "test": [2, 1, 1]})
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    assert list(table) == list(COLUMNS["composition"])


def test_the_distance_by_hand():
    found = measure_shift(counted([(7, 0), (7, 0), (2, 1)], [(7, 0), (2, 1), (2, 1), (3, 1)]))
    assert list(found) == list(COLUMNS["shift"])
    distance = (abs(2 / 3 - 1 / 4) + abs(1 / 3 - 2 / 4) + 1 / 4) / 2
    assert found == {"groups": 3, "unseen_groups": 1, "unseen_share": 0.25, "total_variation": pytest.approx(distance)}


def test_equal_proportions_are_no_shift_and_disjoint_groups_are_the_largest():
    pairs = [(1, 0), (2, 0), (4, 1)]
    assert measure_shift(counted(pairs, 5 * pairs))["total_variation"] == 0
    assert measure_shift(counted(pairs, [(8, 0), (9, 1)]))["total_variation"] == 1


def test_labels_alone_can_differ():
    """One group whose label leans the other way: the groups' shares agree, the joint ones do not."""
    found = measure_shift(counted([(1, 0), (1, 0), (1, 0), (1, 1)], [(1, 0), (1, 1), (1, 1), (1, 1)]))
    assert found["total_variation"] == 0.5


@pytest.mark.parametrize("fraction", [0, 0.01, 0.05, 0.2, 1])
def test_reduced_subclasses_give_the_distance_of_their_fraction(fraction):
    """Half of the subclasses at f times the size of the rest: (1 - f) / (2 (1 + f)), up to whole examples."""
    settings = SubclassShiftSettings(
        kind="subclass_shift", hierarchy="equidistant", noise=0.1, reduced_fraction=fraction, test_examples=80
    )
    splits = draw(settings, n=4000, seed=0)
    found = measure_shift(
        composition(
            {name: split.labels for name, split in splits.items()},
            {name: split.groups for name, split in splits.items()},
        )
    )
    assert found["total_variation"] == pytest.approx((1 - fraction) / (2 * (1 + fraction)), abs=1e-3)
    assert found["unseen_groups"] == (4 if fraction == 0 else 0)
