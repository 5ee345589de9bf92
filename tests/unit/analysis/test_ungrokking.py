"""The ungrokking protocol on curves whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from causalgrok.analysis.settings import DetectorSettings, Judgement, UngrokkingSettings
from causalgrok.analysis.ungrokking import contrast_recipes, judge_continued
from causalgrok.columns import COLUMNS, RUN

STEPS = np.arange(0, 1001, 10)
CHANCE = 1 / 59
RULES, USUAL = UngrokkingSettings(), DetectorSettings()


def curve(run: tuple, train: np.ndarray, test: np.ndarray, split="test") -> pd.DataFrame:
    parts = {"train": train, split: test}
    frames = [pd.DataFrame({"step": STEPS, "split": name, "accuracy": values}) for name, values in parts.items()]
    return pd.concat(frames).assign(**dict(zip(RUN, run, strict=True)))


def parent(seed: int, *, grokked=True) -> pd.DataFrame:
    test = np.where(STEPS < 300, CHANCE, 1.0 if grokked else CHANCE)
    return curve(("small", "decay", 100, seed), (STEPS >= 20).astype(float), test)


def child(seed: int, end: float, *, recipe="decay", n=50, train=1.0, noise=0.0, split="test") -> pd.DataFrame:
    scatter = noise * np.random.default_rng([seed, n]).standard_normal(len(STEPS))
    test = np.clip(end + (1 - end) * np.exp(-STEPS / 100) + np.where(STEPS, scatter, 0), 0, 1)
    return curve(("small_continued", recipe, n, seed), np.full(len(STEPS), train), test, split)


def judge(*frames: pd.DataFrame, parents: DetectorSettings = USUAL) -> pd.DataFrame:
    metrics = pd.concat(frames)
    runs = [run for run, _ in metrics.groupby(list(RUN), sort=False) if run[0] == "small_continued"]
    continued = [{"run": list(run), "parent": ["small", "decay", 100, run[3]], "decay": 2e-3} for run in runs]
    judgements = {"small": Judgement(CHANCE, parents), "small_continued": Judgement(CHANCE, USUAL)}
    return judge_continued(metrics, continued, RULES, judgements)


def test_whether_a_parent_grokked_is_asked_at_its_own_tasks_thresholds():
    strict = DetectorSettings(rho=50.0)
    assert judge(parent(0), child(0, 0.1))["label"].item() == "ungrokked"
    assert judge(parent(0), child(0, 0.1), parents=strict)["label"].item() == "not_grokked"


@pytest.mark.parametrize(
    ("end", "train", "grokked", "label"),
    [
        (0.1, 1.0, True, "ungrokked"),
        (1.0, 1.0, True, "kept"),
        (0.95, 1.0, True, "kept"),
        (0.1, 0.6, True, "collapsed"),
        (0.1, 1.0, False, "not_grokked"),
    ],
)
def test_labels_of_planted_ends(end, train, grokked, label):
    row = judge(parent(0, grokked=grokked), child(0, end, train=train)).iloc[0]
    assert row["label"] == label
    assert row["end_accuracy"] == pytest.approx(end, abs=0.01)
    assert row["start_accuracy"] == 1
    assert row["share_kept"] == pytest.approx((end - CHANCE) / (1 - CHANCE), abs=0.01)
    assert row["exposure"] == pytest.approx(2.0)
    assert row["parent_label"] == ("grokked" if grokked else "plateau")
    assert list(row.index) == [*RUN, *COLUMNS["ungrokking"]]


def test_noise_about_the_start_is_no_fall():
    frames = [frame for seed in range(40) for frame in (parent(seed), child(seed, 0.97, noise=0.05))]
    assert (judge(*frames)["label"] == "kept").all()


def test_a_diverged_parent_is_no_parent():
    broken = parent(0)
    broken.loc[broken["step"] > 900, "accuracy"] = np.nan
    row = judge(broken, child(0, 0.1)).iloc[0]
    assert (row["parent_label"], row["label"]) == ("diverged", "not_grokked")


def test_equal_ends_are_equivalent_and_others_differ():
    ends = {("decay", 50): 0.3, ("tenth", 50): 0.3, ("decay", 80): 0.6, ("tenth", 80): 0.9}
    frames = [
        child(seed, end, recipe=recipe, n=n, noise=0.02) for (recipe, n), end in ends.items() for seed in range(7)
    ]
    noisy = judge(*(parent(seed) for seed in range(7)), *frames)
    assert (noisy["lowest_accuracy"] < noisy["end_accuracy"]).all()
    # Equal seeds share their noise here, so runs get some of their own.
    noisy["end_accuracy"] += 0.01 * np.random.default_rng(0).standard_normal(len(noisy))
    table = contrast_recipes(noisy, RULES).set_index("n")
    assert list(contrast_recipes(noisy, RULES)) == list(COLUMNS["ungrokking_contrasts"])
    assert table["verdict"].to_dict() == {50: "equivalent", 80: "different"}
    assert (table["pairs"] == 7).all()
    assert (table["smallest_p"] == 2 / 2**7).all()
    assert table.loc[80, "p"] == 2 / 2**7
    assert table.loc[80, "p_holm"] == 2 * table.loc[80, "p"] == 0.03125
    assert table.loc[80, "difference"] == pytest.approx(-0.3, abs=0.03)
    assert table.loc[50, "low"] < 0 < table.loc[50, "high"]


def test_a_difference_that_cannot_matter_is_equivalence():
    table = pd.DataFrame(
        {"task": "t", "n": 5, "label": "kept", "recipe": ["a"] * 7 + ["b"] * 7, "seed": [*range(7)] * 2}
    )
    table["end_accuracy"] = np.where(table["recipe"] == "a", 0.999, 0.99) + 0.0001 * table["seed"] * (
        table["recipe"] == "a"
    )
    row = contrast_recipes(table, RULES).iloc[0]
    assert (row["p"], row["verdict"]) == (2 / 2**7, "equivalent")


def test_three_seeds_can_never_differ():
    frames = [child(seed, end, recipe=recipe) for recipe, end in (("a", 0.1), ("b", 0.9)) for seed in range(3)]
    judged = judge(*(parent(seed) for seed in range(3)), *frames)
    row = contrast_recipes(judged, RULES).iloc[0]
    assert (row["smallest_p"], row["verdict"]) == (0.25, "inconclusive")


def test_parents_that_did_not_grok_are_compared_with_nothing():
    frames = [child(0, 0.1, recipe=recipe) for recipe in "ab"]
    assert contrast_recipes(judge(parent(0, grokked=False), *frames), RULES).empty


def test_false_verdicts_come_at_the_promised_rate():
    """Two arms of one distribution: `different` in at most 5 %."""
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(200):
        table = pd.DataFrame(
            {
                **{"task": "t", "n": 5, "label": "ungrokked", "recipe": ["a"] * 6 + ["b"] * 6},
                **{"seed": [*range(6)] * 2, "end_accuracy": rng.normal(0.4, 0.1, 12)},
            }
        )
        found += contrast_recipes(table, RULES)["verdict"].item() == "different"
    assert found <= 17  # 99.5 % quantile of 200 draws at 2 / 64
