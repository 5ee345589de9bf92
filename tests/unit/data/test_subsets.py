import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mutual_info_score

from causalgrok.data.splits import Split
from causalgrok.data.subsets import (
    assign_splits,
    check_pool,
    choose_rows,
    draw_balanced,
    draw_subset,
    manifest,
    mutual_information,
)


def metadata(each: int = 40) -> pd.DataFrame:
    """Five hospitals as WILDS cuts them, `each` patches of either label, four slides a hospital."""
    frame = pd.DataFrame(
        [(h, 4 * h + i % 4, label, i) for h in range(5) for label in (0, 1) for i in range(each)],
        columns=["hospital", "slide", "label", "i"],
    )
    trained = np.where(frame.pop("i") % 10 == 0, "id_val", "train")
    return frame.assign(split=frame["hospital"].map({1: "ood_val", 2: "ood_test"}).fillna(pd.Series(trained)))


CHOICE = {"ood_val": 1, "ood_test": 2, "evaluation_images": 20, "probe_images": 60, "seed": 0}


def pool() -> pd.DataFrame:
    return choose_rows(metadata(), **CHOICE)[1]


def test_splits_are_those_of_wilds_when_its_hospitals_are_held_out():
    frame = metadata()
    assert (assign_splits(frame, ood_val=1, ood_test=2, seed=0) == frame["split"]).all()


def test_other_hospitals_can_be_held_out():
    frame = metadata(400)
    splits = assign_splits(frame, ood_val=0, ood_test=3, seed=0)
    assert set(frame["hospital"][splits == "ood_val"]) == {0}
    assert set(frame["hospital"][splits == "ood_test"]) == {3}
    assert set(frame["hospital"][splits == "train"]) == {1, 2, 4}
    for hospital in (1, 2, 4):
        share = (splits[frame["hospital"] == hospital] == "id_val").mean()
        assert share == pytest.approx(0.1, abs=0.03), hospital


def test_chosen_rows_are_balanced_and_disjoint():
    frame = metadata()
    rows, pool = choose_rows(frame, **CHOICE)
    assert {name: len(chosen) for name, chosen in rows.items()} == {
        "id_val": 18,
        "ood_val": 20,
        "ood_test": 20,
        "probe": 60,
    }
    for chosen in rows.values():
        assert frame.loc[chosen].groupby(["hospital", "label"]).size().nunique() == 1
    taken = np.concatenate([*rows.values(), pool.index])
    assert len(taken) == len(set(taken))
    assert set(pool["hospital"]) == {0, 3, 4}


def test_a_split_without_patches_of_a_label_is_refused():
    frame = metadata()
    with pytest.raises(ValueError, match="split ood_test: 1 of the combinations of hospital and label"):
        choose_rows(frame[(frame["hospital"] != 2) | (frame["label"] == 0)], **CHOICE)


def test_smaller_subsets_lie_inside_larger_ones():
    larger = draw_subset(pool(), 80, seed=5, correlation=0.5)
    for n in (1, 7, 30, 79):
        assert (draw_subset(pool(), n, seed=5, correlation=0.5) == larger[:n]).all()
    assert len(set(larger)) == 80, "drawn without replacement"
    assert set(draw_subset(pool(), 80, seed=6, correlation=0.5)) != set(larger)


@pytest.mark.parametrize(("correlation", "tumours"), [(0, [10, 10, 10]), (0.6, [16, 10, 4]), (-1, [0, 10, 20])])
def test_correlation_sets_each_hospitals_tumour_fraction(correlation, tumours):
    available = pool()
    subset = available.loc[draw_subset(available, 60, seed=0, correlation=correlation)]
    assert subset.groupby("hospital").size().tolist() == [20, 20, 20]
    assert subset.groupby("hospital")["label"].sum().tolist() == tumours


def test_every_prefix_is_balanced():
    available = pool()
    rows = draw_subset(available, 84, seed=0)
    for n in range(6, 84):
        counts = available.loc[rows[:n]].groupby(["hospital", "label"]).size()
        assert counts.max() - counts.min() <= 1


def test_a_pool_that_is_too_small_is_named():
    message = r"n = 120 at label-hospital correlation 0.8 needs 36 patches of hospital 0 with label 1, the pool has 26"
    with pytest.raises(ValueError, match=message):
        draw_subset(pool(), 120, seed=0, correlation=0.8)
    with pytest.raises(ValueError, match="hospital 3 with label 0, the pool has 0"):
        check_pool({(0, 0): 9, (0, 1): 9, (3, 1): 9}, 8, hospitals=[0, 3], correlation=0)


def test_draws_depend_on_the_seed_alone():
    shuffled = pool().sample(frac=1, random_state=1)
    assert (draw_balanced(pool(), 30, seed=1) == draw_balanced(pool(), 30, seed=1)).all()
    assert set(draw_balanced(shuffled, 30, seed=1)) <= set(shuffled.index)
    assert set(draw_balanced(pool(), 30, seed=1)) != set(draw_balanced(pool(), 30, seed=2))


def test_mutual_information_equals_scikit_learn():
    rng = np.random.default_rng(0)
    labels, hospitals = rng.integers(0, 2, 300), rng.integers(0, 3, 300)
    assert mutual_information(labels, hospitals) == pytest.approx(mutual_info_score(labels, hospitals) / np.log(2))
    assert mutual_information(np.array([0, 1, 0, 1]), np.array([0, 0, 3, 3])) == pytest.approx(0, abs=1e-12)
    assert mutual_information(np.array([0, 1]), np.array([0, 3])) == pytest.approx(1)


def test_manifests_tell_pixels_apart_and_splits_survive_the_disk(tmp_path):
    images = np.zeros((3, 2, 2, 3), np.uint8)
    images[2, 0, 0, 0] = 1
    split = Split(images, np.array([0, 1, 1]), np.array([0, 0, 3]), np.array([1, 1, 9]), np.array([7, 8, 9]))
    table = manifest(split)
    assert table["sha256"].nunique() == 2
    assert table["row"].tolist() == [7, 8, 9]
    split.save(tmp_path / "split.safetensors")
    again = Split.load(tmp_path / "split.safetensors")
    assert (again.inputs == images).all() and again.inputs.dtype == np.uint8
    assert again[again.labels == 1].rows.tolist() == [8, 9]
    with pytest.raises(ValueError, match="differ in length"):
        Split(images, np.array([0]), np.array([0]), np.array([0]), np.array([0]))
