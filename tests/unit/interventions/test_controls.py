"""Controls are isotropic, nested, and keyed by purpose."""

import numpy as np

from causalgrok.interventions.controls import generator, random_directions, random_subspaces


def test_subspaces_are_orthonormal_and_isotropic():
    bases = random_subspaces(12, 3, 400, seed=0)
    np.testing.assert_allclose(bases.transpose(0, 2, 1) @ bases, np.broadcast_to(np.eye(3), (400, 3, 3)), atol=1e-12)
    # The mean projection of an isotropic subspace of rank r is r / d times the identity.
    for rank in (1, 2, 3):
        projection = np.mean(bases[:, :, :rank] @ bases[:, :, :rank].transpose(0, 2, 1), axis=0)
        np.testing.assert_allclose(projection, rank / 12 * np.eye(12), atol=0.06)


def test_leading_columns_do_not_depend_on_rank_or_repeats():
    three, one = random_subspaces(12, 3, 4, seed=0), random_subspaces(12, 1, 2, seed=0)
    np.testing.assert_allclose(three[:2, :, :1], one)
    assert random_subspaces(2, 5, 3, seed=0).shape == (3, 2, 2)


def test_directions_are_unit_vectors_around_nothing():
    vectors = random_directions(12, 2000, seed=0)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.abs(vectors.mean(axis=0)).max() < 0.03


def test_generators_of_different_purposes_are_different():
    draws = {
        generator(*key).random() for key in [(0, "a"), (1, "a"), (0, "b"), (0, "a", 1), (0, "a", 2), (0, "a", 1, 2)]
    }
    assert len(draws) == 6
    assert generator(0, "a", 1).random() == generator(0, "a", 1).random()
