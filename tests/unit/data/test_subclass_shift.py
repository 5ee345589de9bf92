"""Subclass shift: the source's codes and counts, means that are 1 apart, nested subsets and one test split."""

import itertools
from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError

from causalgrok.data.registry import draw as draw_by_kind
from causalgrok.data.subclass_shift import SubclassShiftSettings, class_codes, draw

HIERARCHIES = ("equidistant", "equivariant")


def settings(hierarchy="equidistant", **changed) -> SubclassShiftSettings:
    chosen = {"noise": 0.1, "reduced_fraction": 0.2, "test_examples": 400} | changed
    return SubclassShiftSettings(kind="subclass_shift", hierarchy=hierarchy, **chosen)


def hamming(a: int, b: int) -> int:
    return (a ^ b).bit_count()


def test_equidistant_subclasses_are_the_largest_set_of_equal_distances():
    codes = list(itertools.chain(*class_codes(settings())))
    assert len(codes) == len(set(codes)) == 8
    assert {hamming(*pair) for pair in itertools.combinations(codes, 2)} == {2}
    ones = [1 << bit for bit in range(9)]
    assert set(codes) < set(ones)
    # A set at distance 2 from one another can be moved to hold 0; all others then have two ones, any two one in common.
    pairs = [code for code in range(512) if code.bit_count() == 2]
    star = [code for code in pairs if code & 1]
    assert 1 + len(star) == 9
    for code in set(pairs) - set(star):
        assert any(hamming(code, other) != 2 for other in star)


def test_equivariant_classes_are_the_sources():
    classes = class_codes(settings("equivariant"))
    centres = [codes[0] for codes in classes]
    assert centres == [63, 240, 323, 396]
    assert {hamming(*pair) for pair in itertools.combinations(centres, 2)} == {6}
    for codes in classes:
        assert sorted(hamming(codes[0], code) for code in codes) == [0] + 9 * [1]
    every = list(itertools.chain(*classes))
    assert len(set(every)) == 40
    within = max(hamming(*pair) for codes in classes for pair in itertools.combinations(codes, 2))
    between = min(hamming(a, b) for one, two in itertools.combinations(classes, 2) for a in one for b in two)
    assert within == 2 < between == 4


@pytest.mark.parametrize(
    ("fraction", "n", "expected"),
    [(0.2, 2000, (84, 416)), (0, 400, (0, 100)), (1, 400, (50, 50)), (0.01, 400, (1, 99)), (0.05, 4000, (48, 952))],
)
def test_counts_are_those_of_the_sources_formula(fraction, n, expected):
    chosen = settings(reduced_fraction=fraction)
    assert chosen.counts(n) == expected
    drawn = Counter(draw(chosen, n=n, seed=0)["train"].groups.tolist())
    assert drawn == Counter(
        {code: expected[place == 0] for codes in class_codes(chosen) for place, code in enumerate(codes)}
    )


def test_a_fraction_is_the_decimal_that_was_written():
    """.2 is above a fifth in binary: 80 full examples would get 17 reduced ones."""
    assert settings(reduced_fraction=0.2).counts(384) == (16, 80)


@pytest.mark.parametrize("hierarchy", HIERARCHIES)
def test_the_test_split_is_balanced_and_does_not_depend_on_the_training_subset(hierarchy):
    chosen = settings(hierarchy)
    splits = draw(chosen, n=400, seed=3)
    assert tuple(splits) == chosen.splits
    test = splits["test"]
    assert set(Counter(test.groups.tolist()).values()) == {400 // chosen.subclasses}
    assert Counter(test.labels.tolist()) == Counter(dict.fromkeys(range(4), 100))
    assert (test.domains == 1).mean() == 0.5
    for other in (draw(chosen, n=800, seed=3), draw(settings(hierarchy, reduced_fraction=0), n=400, seed=3)):
        assert (other["test"].inputs == test.inputs).all()
    assert not set(test.rows) & set(splits["train"].rows)
    assert splits["train"].inputs.shape == (400, 9, 13)
    assert splits["train"].inputs.dtype == np.float32


def test_smaller_subsets_are_parts_of_larger_ones():
    small, large = (dict(zip(split.rows, split.inputs, strict=True)) for split in two_sizes())
    assert set(small) < set(large)
    assert all((large[row] == inputs).all() for row, inputs in small.items())


def two_sizes():
    return [draw(settings("equivariant"), n=n, seed=5)["train"] for n in (80, 400)]


def test_bits_are_one_apart_and_scatter_as_told():
    split = draw(settings(noise=0.3, test_examples=80_000), n=80, seed=1)["test"]
    on, off = (
        np.array([split.inputs[(split.groups >> bit & 1) == value, bit].mean(0) for bit in range(8)])
        for value in (1, 0)
    )
    assert np.linalg.norm(on - off, axis=1) == pytest.approx(1, abs=0.03)
    assert np.linalg.norm(on + off, axis=1) == pytest.approx(0, abs=0.03)
    one = split.inputs[split.groups == 1]
    assert one.std(0) == pytest.approx(0.3, rel=0.05)
    assert np.corrcoef(one.reshape(len(one), -1).T)[np.triu_indices(117, 1)] == pytest.approx(0, abs=0.06)


def test_reduced_subclasses_are_a_domain():
    train = draw(settings("equivariant", reduced_per_class=3), n=344, seed=0)["train"]
    counts = Counter(train.groups.tolist())
    reduced = {code for code, domain in zip(train.groups.tolist(), train.domains.tolist(), strict=True) if domain}
    assert len(reduced) == 4 * 3
    assert {counts[code] for code in reduced} == {3} and {counts[code] for code in set(counts) - reduced} == {11}


def test_seeds_draw_other_means_and_examples():
    one = draw(settings(), n=80, seed=0)["train"].inputs
    assert (draw(settings(), n=80, seed=0)["train"].inputs == one).all()
    for other in (draw(settings(), n=80, seed=1), draw(settings(seed=1), n=80, seed=0)):
        assert not (other["train"].inputs == one).any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reduced_per_class": 2}, "reduced_per_class 2 leaves none of 2 subclasses full"),
        ({"test_examples": 401}, "test_examples 401 is not a multiple of the 8 subclasses"),
        ({"reduced_fraction": 1.1}, "less than or equal to 1"),
        ({"noise": 0}, "greater than 0"),
        ({"bits": 8}, "greater than or equal to 9"),
        ({"hierarchy": "tree"}, "'equidistant' or 'equivariant'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changed, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changed)


@pytest.mark.parametrize(("n", "near"), [(102, 104), (103, 104), (4, 8)])
def test_a_size_that_cannot_be_had_is_refused_with_the_nearest(n, near):
    with pytest.raises(ValueError, match=rf"n = {n} is no sum of .*; take n = {near}$"):
        draw(settings(), n=n, seed=0)
    assert len(draw(settings(), n=near, seed=0)["train"]) == near


def test_where_no_size_is_near_it_says_so_at_once():
    hopeless = settings(hierarchy="equivariant", reduced_per_class=9, reduced_fraction=1e-6, test_examples=40)
    with pytest.raises(ValueError, match=r"n = 200 is no sum .*; nor is any near it; take a larger reduced_frac"):
        draw(hopeless, n=200, seed=0)


def test_plain_settings_find_their_module():
    plain = settings().model_dump(mode="json")
    drawn = draw_by_kind(plain, n=80, seed=2)["train"]
    assert (drawn.rows == draw(settings(), n=80, seed=2)["train"].rows).all()
