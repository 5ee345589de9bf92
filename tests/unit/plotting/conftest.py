"""Studies to draw figures of."""

import functools

import pytest
from synthetic_study import study_tables

from causalgrok.plotting import draw


@pytest.fixture(scope="session")
def tables():
    """A study of two recipes, three seeds and two sizes."""
    return study_tables(sizes=(300, 1000))


@pytest.fixture(scope="session")
def small():
    """A study of one run."""
    return study_tables(recipes=("grokking",), seeds=(0,))


@pytest.fixture(scope="session")
def drawn(tables):
    """Draws a figure of `tables`, once for all tests."""
    return functools.cache(lambda name: draw(name, tables))
