import numpy as np
import pandas as pd
import pytest

from causalgrok.analysis.checkpoints import name_checkpoints, named_epochs
from causalgrok.columns import COLUMNS

EVALUATIONS = [0, 1, 2, 5, 10, 15, 20, 25, 30]
KEPT = [0, 1, 2, 10, 20, 30]


def metrics(ood_val, train=(0.5, 0.6, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)) -> pd.DataFrame:
    splits = {"train": train} | ({} if ood_val is None else {"ood_val": ood_val})
    frames = [pd.DataFrame({"epoch": EVALUATIONS, "split": name, "accuracy": it}) for name, it in splits.items()]
    return pd.concat(frames).sample(frac=1, random_state=0)


def curve(**peaks) -> np.ndarray:
    """OOD-val accuracy .5 but for the named evaluations: ``e10=.9``."""
    return np.array([peaks.get(f"e{epoch}", 0.5) for epoch in EVALUATIONS])


def epochs(frame: pd.DataFrame) -> dict[tuple[int, str], int]:
    return {(row.seed, row.name): row.epoch for row in frame.itertuples(index=False)}


def test_checkpoints_are_named_by_hand():
    # Means of the other two at 10 and 20: seed 0: .75, .7; seed 1: .65, .85; seed 2: .6, .75.
    runs = {0: curve(e10=0.5, e20=0.9), 1: curve(e10=0.7, e20=0.6), 2: curve(e10=0.8, e20=0.8)}
    frame = name_checkpoints({seed: metrics(values) for seed, values in runs.items()}, KEPT)
    assert list(frame.columns) == list(COLUMNS["checkpoints"])
    named = epochs(frame)
    assert [named[seed, "selected"] for seed in runs] == [10, 20, 20]
    for seed in runs:
        assert named[seed, "init"] == 0
        assert named[seed, "memorised"] == 10, "the first kept epoch from evaluation 5 on"
        assert named[seed, "final"] == 30
    assert len(frame) == 12


def test_memorising_at_a_kept_epoch_names_it():
    train = [0.5, 0.6, 0.9, 0.98, 0.99, 0.98, 1.0, 1.0, 1.0]
    assert epochs(name_checkpoints({0: metrics(curve(), train=train)}, KEPT))[0, "memorised"] == 10


def test_a_peak_of_its_own_is_not_selected():
    named = epochs(name_checkpoints({0: metrics(curve(e20=1.0)), 1: metrics(curve(e2=0.6))}, KEPT))
    assert named[0, "selected"] == 2
    assert named[1, "selected"] == 20


def test_of_equal_epochs_the_earliest_is_selected_and_never_an_unkept_one_or_the_initialisation():
    values = curve(e0=1.0, e15=1.0, e10=0.9, e30=0.9)
    assert epochs(name_checkpoints({0: metrics(curve()), 1: metrics(values)}, KEPT))[0, "selected"] == 10


def test_what_there_is_not_has_no_row():
    unmemorised = metrics(curve(), train=np.full(len(EVALUATIONS), 0.98))
    assert set(name_checkpoints({0: unmemorised}, KEPT)["name"]) == {"init", "final"}
    assert "selected" not in set(name_checkpoints({0: metrics(None), 1: metrics(None)}, KEPT)["name"])
    assert set(name_checkpoints({0: metrics(curve())}, [20, 10])["name"]) == {"memorised", "final"}
    untrained = metrics(curve()).query("split == 'ood_val'")
    assert set(name_checkpoints({0: untrained}, KEPT)["name"]) == {"init", "final"}


def test_an_epoch_that_another_seed_never_reached_is_not_selected():
    short = metrics(curve(e10=0.6)).query("epoch <= 10")
    runs = {0: metrics(curve()), 1: metrics(curve(e30=1.0)), 2: short}
    assert epochs(name_checkpoints(runs, KEPT))[0, "selected"] == 10


def test_runs_may_keep_different_epochs():
    runs = {0: metrics(curve(e10=0.8, e20=0.7)), 1: metrics(curve(e10=0.8, e20=0.7))}
    named = epochs(name_checkpoints(runs, {0: KEPT, 1: [2, 20]}))
    assert named[0, "selected"] == 10 and named[0, "final"] == 30
    assert {name: epoch for (seed, name), epoch in named.items() if seed == 1} == {
        "memorised": 20,
        "selected": 20,
        "final": 20,
    }


def test_one_run_is_named_by_itself_as_among_all():
    runs = {seed: metrics(curve(e10=0.8 - seed / 10)) for seed in range(3)}
    everyone = name_checkpoints(runs, KEPT)
    alone = name_checkpoints(runs, {1: KEPT})
    assert alone.to_dict("records") == everyone[everyone["seed"] == 1].to_dict("records")


def test_a_run_without_checkpoints_is_refused():
    for kept in ([], {3: []}):
        with pytest.raises(ValueError, match="no checkpoint of seed 3 is kept"):
            name_checkpoints({3: metrics(curve())}, kept)


def test_named_epochs_are_those_wanted_that_there_are():
    named = name_checkpoints({0: metrics(curve())}, KEPT)
    assert named_epochs(named, ["init", "selected", "final"], KEPT) == {"init": 0, "final": 30}
    assert named_epochs(named, ["init", "final"], KEPT[:-1]) == {"init": 0}
