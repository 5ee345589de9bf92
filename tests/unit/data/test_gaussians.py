"""Clouds: as far apart as was asked, as easy as the nearest mean says, nested subsets."""

import numpy as np
import pytest
from pydantic import ValidationError

from causalgrok.data.gaussians import GaussiansSettings, draw


def settings(**changes):
    return GaussiansSettings(kind="gaussians", **changes)


def test_means_lie_at_the_distance_and_clouds_have_unit_variance():
    split = draw(settings(distance=3, test_examples=20_000), n=4, seed=2)["test"]
    assert split.inputs.shape == (20_000, 1, 20) and split.inputs.dtype == np.float32
    for label in range(4):
        cloud = split.inputs[split.labels == label, 0]
        assert len(cloud) == 5000
        assert np.linalg.norm(cloud.mean(axis=0)) == pytest.approx(3, abs=0.1)
        assert np.allclose(cloud.var(axis=0), 1, atol=0.1)


def test_the_nearest_mean_is_right_as_often_as_expected_and_a_far_cloud_is_never_missed():
    """Two clouds: the chance of an error is Phi(-half the distance between the means)."""
    from scipy.stats import norm

    for distance in (1.0, 6.0):
        split = draw(settings(classes=2, distance=distance, test_examples=40_000), n=2, seed=0)["test"]
        inputs = split.inputs[:, 0].astype(float)
        means = [inputs[split.labels == label].mean(axis=0) for label in (0, 1)]
        nearest = np.argmin([((inputs - mean) ** 2).sum(axis=1) for mean in means], axis=0)
        expected = norm.cdf(np.linalg.norm(means[0] - means[1]) / 2)
        assert (nearest == split.labels).mean() == pytest.approx(expected, abs=0.006)


def test_smaller_subsets_are_parts_of_larger_ones_and_seeds_differ():
    small, large, other = (draw(settings(), n=n, seed=seed) for n, seed in ((30, 1), (200, 1), (30, 2)))
    assert np.array_equal(small["train"].inputs, large["train"].inputs[:30])
    assert np.array_equal(small["test"].inputs, large["test"].inputs)
    assert not np.array_equal(small["train"].inputs, other["train"].inputs)
    assert not set(large["train"].rows) & set(large["test"].rows)
    assert np.bincount(large["train"].labels).tolist() == [50] * 4


@pytest.mark.parametrize("changed", [{"classes": 1}, {"features": 0}, {"distance": 0}, {"spread": 2}])
def test_settings_that_cannot_be_meant_are_refused(changed):
    with pytest.raises(ValidationError):
        settings(**changed)
