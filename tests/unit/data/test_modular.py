"""Modular arithmetic: every pair once, nested subsets, and answers that the inverse operation undoes."""

import numpy as np
import pytest
from pydantic import ValidationError

from causalgrok.data.modular import ModularSettings, draw
from causalgrok.data.registry import draw as draw_by_kind

OPERATIONS = ("addition", "subtraction", "multiplication", "division")


def settings(operation="addition", modulus=11, train_fraction=0.4, seed=0) -> ModularSettings:
    return ModularSettings(
        kind="modular", operation=operation, modulus=modulus, train_fraction=train_fraction, seed=seed
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_training_and_test_are_all_pairs_each_once(operation):
    chosen = settings(operation)
    splits = draw(chosen, n=chosen.pool, seed=3)
    assert tuple(splits) == ModularSettings.splits
    pairs = [tuple(pair) for split in splits.values() for pair in split.inputs.tolist()]
    divisors = range(operation == "division", 11)
    assert sorted(pairs) == [(a, b) for a in range(11) for b in divisors]
    assert len(pairs) == chosen.pairs
    rows = np.concatenate([split.rows for split in splits.values()])
    assert rows.tolist() == [11 * a + b for a, b in pairs]
    assert len(splits["train"]) == int(0.4 * chosen.pairs)


@pytest.mark.parametrize(("operation", "inverse"), list(zip(OPERATIONS, (-1, 1, None, None), strict=True)))
def test_the_inverse_operation_gives_a_back(operation, inverse):
    for split in draw(settings(operation), n=40, seed=0).values():
        (a, b), answer = split.inputs.T, split.labels
        if inverse is not None:
            assert ((answer + inverse * b) % 11 == a).all()
        elif operation == "division":
            assert (answer * b % 11 == a).all()
        else:
            known = b != 0
            fermat = np.array([pow(int(one), 9, 11) for one in b])  # b^(p - 2) is its inverse
            assert (answer[known] * fermat[known] % 11 == a[known]).all()
            assert (answer[~known] == 0).all()
        assert split.labels.dtype == split.inputs.dtype == np.int64


def test_smaller_subsets_are_parts_of_larger_ones_and_the_test_split_stays():
    small, large = (draw(settings(), n=n, seed=5) for n in (10, 48))
    assert (small["train"].rows == large["train"].rows[:10]).all()
    assert (small["test"].rows == large["test"].rows).all()
    assert not set(large["train"].rows) & set(large["test"].rows)


def test_seeds_draw_other_subsets():
    one = draw(settings(), n=40, seed=0)["train"].rows
    assert (draw(settings(), n=40, seed=0)["train"].rows == one).all()
    for other in (draw(settings(), n=40, seed=1), draw(settings(seed=1), n=40, seed=0)):
        assert set(other["train"].rows) != set(one)


@pytest.mark.parametrize(
    ("modulus", "fraction", "operation", "pool"),
    [(113, 0.3, "addition", 3830), (97, 0.5, "division", 4656), (97, 0.4, "addition", 3763)],
)
def test_pools_of_published_settings(modulus, fraction, operation, pool):
    chosen = settings(operation, modulus, fraction)
    assert chosen.pool == pool
    assert chosen.classes == chosen.tokens == modulus


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"operation": "division", "modulus": 12}, "modulus 12 is not prime"),
        ({"train_fraction": 0.001}, "train_fraction 0.001 of 121 pairs leaves training or test none"),
        ({"train_fraction": 1.0}, "less than 1"),
        ({"modulus": 2}, "greater than or equal to 3"),
        ({"operation": "power"}, "'addition', 'subtraction', 'multiplication' or 'division'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changed, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changed)


def test_too_large_a_subset_is_refused():
    with pytest.raises(ValueError, match="n = 49 is above the 48 training pairs that train_fraction"):
        draw(settings(), n=49, seed=0)


def test_plain_settings_find_their_module():
    plain = settings().model_dump(mode="json")
    assert (draw_by_kind(plain, n=12, seed=2)["train"].rows == draw(settings(), n=12, seed=2)["train"].rows).all()
