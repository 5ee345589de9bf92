import pytest
from pydantic import ValidationError

from causalgrok.training.recipe import Recipe
from causalgrok.training.schedule import Schedule


def test_evaluations_are_dense_first_then_equally_spaced():
    schedule = Schedule(epochs=3000, evaluate_every=50, checkpoint_every=150)
    assert schedule.evaluations()[:9] == [0, 1, 2, 4, 8, 16, 32, 50, 100]
    assert schedule.evaluations()[-1] == 3000
    assert len(schedule.evaluations()) == 7 + 60
    assert set(schedule.checkpoints()) <= set(schedule.evaluations())
    assert schedule.checkpoints()[-2:] == [2850, 3000]


def test_the_last_epoch_is_always_evaluated():
    schedule = Schedule(epochs=7, evaluate_every=3, checkpoint_every=3)
    assert schedule.evaluations() == [0, 1, 2, 3, 6, 7] == schedule.checkpoints()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 10, "evaluate_every": 20, "checkpoint_every": 20}, "above epochs"),
        ({"epochs": 10, "evaluate_every": 2, "checkpoint_every": 3}, "not a multiple"),
        ({"epochs": 0, "evaluate_every": 1, "checkpoint_every": 1}, "greater than or equal to 1"),
    ],
)
def test_impossible_schedules_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        Schedule(**values)


def test_exposure_of_the_published_recipe():
    # 3000 epochs of 32 steps at weight decay 5e-3 keep 62 % of a norm that only decay acts on.
    assert Recipe(weight_decay=5e-3).exposure(96_000) == pytest.approx(0.48)
