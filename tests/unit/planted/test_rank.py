"""The planted rank is found, and more than it only as often as the test's level allows."""

import numpy as np
import pytest
from scipy import stats

from causalgrok.interventions.features import PROBE
from causalgrok.planted.feature_model import FeatureModel, generate
from causalgrok.planted.rank import hospital_rank

SLIDES = {"exponent": 1.0, "slide_effect": 0.4, "d": 16}


def rank_of(features, seed=0, **options):
    values = features.at(0, PROBE)
    return hospital_rank(values, features.domains(PROBE), features.groups(PROBE), seed=seed, **options)


def ranks(model, repeats, **options):
    return np.array([rank_of(generate(model, seed).features, seed, **options) for seed in range(repeats)])


@pytest.mark.parametrize("rank", [1, 2])
def test_planted_rank_is_found_where_it_is_strong(rank):
    found = ranks(FeatureModel(rank=rank, strength=4.0, **SLIDES), 15, permutations=19)
    assert found.min() >= rank
    assert np.mean(found == rank) >= 0.7


def test_no_rank_is_found_in_about_one_null_case_of_twenty():
    found = ranks(FeatureModel(**SLIDES), 80, permutations=19)
    low, high = stats.binom.ppf((0.0005, 0.9995), 80, 0.05)
    assert low <= np.sum(found > 0) <= high


def test_a_second_direction_is_not_made_up_beside_a_strong_first():
    found = ranks(FeatureModel(rank=1, strength=2.0, **SLIDES), 50, permutations=19)
    assert found.min() >= 1
    assert np.sum(found > 1) <= stats.binom.ppf(0.9995, 50, 0.05)


def test_rank_does_not_depend_on_the_order_of_patches_or_on_axes():
    features = generate(FeatureModel(rank=2, strength=1.0, **SLIDES), 3).features
    values, hospitals, slides = features.at(0, PROBE), features.domains(PROBE), features.groups(PROBE)
    expected = hospital_rank(values, hospitals, slides)
    order = np.random.default_rng(0).permutation(len(values))
    assert hospital_rank(values[order], hospitals[order], slides[order]) == expected
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((16, 16)))[0]
    assert hospital_rank(5 * values @ rotation + 3, hospitals, slides) == expected


def test_one_channel_has_rank_one_at_most():
    features = generate(FeatureModel(rank=2, strength=6.0, **SLIDES), 0).features
    values = features.at(0, PROBE)[:, :1]
    assert hospital_rank(values, features.domains(PROBE), features.groups(PROBE)) <= 1


def test_too_few_permutations_for_the_level_are_refused():
    features = generate(FeatureModel(), 0).features
    with pytest.raises(ValueError, match=r"permutations: 18 cannot reach the level 0\.05"):
        rank_of(features, permutations=18)
