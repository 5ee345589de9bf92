"""Studies to draw figures of."""

import functools
import warnings

import pytest
from synthetic_study import study_tables

from causalgrok.plotting import draw


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


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
