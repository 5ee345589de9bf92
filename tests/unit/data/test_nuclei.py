"""The places of nuclei say what the label says, and nothing else does."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression

from causalgrok.data.nuclei import NucleiSettings, draw


def settings(**changes):
    return NucleiSettings(kind="nuclei", modulus=11, train_fraction=0.6, grid=4, **changes)


def darkest(images, grid):
    """The place (n,) of the darkest cell of half images (n, h, h, 3)."""
    n, h = images.shape[:2]
    cells = images.astype(float).reshape(n, grid, h // grid, grid, h // grid, 3).mean(axis=(2, 4, 5))
    return cells.reshape(n, -1).argmin(axis=1)


@pytest.mark.parametrize("operation", ["addition", "subtraction"])
@pytest.mark.parametrize("hospitals", [1, 5])
def test_the_label_can_be_read_off_the_nuclei(operation, hospitals):
    split = draw(settings(operation=operation, hospitals=hospitals), n=72, seed=3)["train"]
    assert split.inputs.shape == (72, 16, 32, 3) and split.inputs.dtype == np.uint8
    a, b = (darkest(half, 4) for half in np.split(split.inputs, 2, axis=2))
    np.testing.assert_array_equal(split.labels, (a + b if operation == "addition" else a - b) % 11)
    np.testing.assert_array_equal(split.rows, a * 11 + b)
    assert set(split.domains) == set(range(hospitals))


def test_subsets_are_nested_and_apart_from_the_test_split():
    small, large = (draw(settings(), n=n, seed=0) for n in (20, 72))
    np.testing.assert_array_equal(small["train"].inputs, large["train"].inputs[:20])
    np.testing.assert_array_equal(small["test"].inputs, large["test"].inputs)
    rows = [*large["train"].rows, *large["test"].rows]
    assert sorted(rows) == list(range(121))


def test_one_half_says_nothing_about_the_label():
    """No easy shortcut: of all pairs, a linear probe of the left halves is at chance on those it has not seen."""
    splits = draw(NucleiSettings(kind="nuclei", modulus=13, train_fraction=0.7, grid=4, texture=0), n=118, seed=0)
    halves = {name: split.inputs[:, :, :16].reshape(len(split), -1) / 255.0 for name, split in splits.items()}
    probe = LogisticRegression(C=1.0, max_iter=2000).fit(halves["train"], splits["train"].labels)
    assert probe.score(halves["test"], splits["test"].labels) < 0.2


def test_hospitals_are_told_by_their_stain_and_not_by_their_labels():
    split = draw(settings(hospitals=3), n=72, seed=0)["train"]
    colours = split.inputs.mean(axis=(1, 2))
    within = np.mean([colours[split.domains == hospital].std(axis=0).max() for hospital in range(3)])
    means = np.array([colours[split.domains == hospital].mean(axis=0) for hospital in range(3)])
    between = min(np.linalg.norm(means[i] - means[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert between > 3 * within


def test_seeds_draw_anew_and_repeat():
    first, again, other = (draw(settings(), n=20, seed=seed)["train"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.inputs, again.inputs)
    assert (first.rows != other.rows).any()
    shared = np.intersect1d(first.rows, other.rows)[0]
    one, two = (split.inputs[split.rows == shared] for split in (first, other))
    assert (one != two).any(), "the tissue between the nuclei is the seed's"


def test_more_symbols_than_places_are_refused():
    with pytest.raises(ValidationError, match="modulus 17 is above the 16 places of a grid of 4"):
        NucleiSettings(kind="nuclei", modulus=17, train_fraction=0.5, grid=4)


def test_other_labels_are_of_the_same_images():
    result, half, first = (draw(settings(label=label), n=50, seed=0)["test"] for label in ("result", "half", "first"))
    np.testing.assert_array_equal(half.inputs, result.inputs)
    np.testing.assert_array_equal(half.labels, result.labels > 5)
    np.testing.assert_array_equal(first.labels, darkest(first.inputs[:, :, :16], 4))
    assert settings(label="half").classes == 2 and settings(label="half").chance == 6 / 11
    assert settings(label="first").chance == settings().chance == 1 / 11


def inked(split):
    """The place (n,) of the ink in each image's left half, -1 where there is none."""
    red, _, blue = np.moveaxis(split.inputs[:, :, :16].astype(float).reshape(-1, 4, 4, 4, 4, 3).mean(axis=(2, 4)), 3, 0)
    blueness = (blue / red).reshape(len(split), -1)
    return np.where(blueness.max(axis=1) > 3, blueness.argmax(axis=1), -1)


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_marks_tell_the_label_in_training_alone(share):
    splits = draw(NucleiSettings(kind="nuclei", modulus=13, train_fraction=0.5, grid=4, marks=share), n=84, seed=1)
    for name, split in splits.items():
        places = inked(split)
        marked = places >= 0
        assert marked.mean() == pytest.approx(share, abs=0.15 * (share == 0.5)), name
        agree = np.sum(places[marked] == split.labels[marked])
        assert agree == marked.sum() if name == "train" else agree <= 0.25 * marked.sum(), name


def test_ink_leaves_the_rest_of_an_image_as_it_is_and_the_nuclei_in_sight():
    plain, marked = (draw(settings(marks=share), n=50, seed=0)["train"] for share in (0, 1))
    changed = (plain.inputs != marked.inputs).any(axis=3)
    assert (changed.sum(axis=(1, 2)) == 4 * 4).all() and not changed[:, :, 16:].any()
    covered = replace(marked, inputs=marked.inputs[..., 2:].repeat(3, axis=3))  # ink lets blue through
    np.testing.assert_array_equal(darkest(covered.inputs[:, :, :16], 4), marked.rows // 11)
