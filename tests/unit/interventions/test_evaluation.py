"""Networks judged from their cached features."""

import numpy as np
import pytest

from causalgrok.columns import COLUMNS
from causalgrok.interventions.evaluation import evaluate_heads, evaluate_slides


def test_slides_average_to_the_splits_accuracy(planted_features):
    features = planted_features(epochs=(0, 10)).features
    slides, heads = evaluate_slides(features), evaluate_heads(features)
    assert list(slides.columns) == list(COLUMNS["slides"])
    assert set(slides["split"]) == {"id_val", "ood_val", "ood_test"}
    for (epoch, split), rows in slides.groupby(["epoch", "split"]):
        whole = heads[(heads["epoch"] == epoch) & (heads["split"] == split)].iloc[0]
        assert np.average(rows["accuracy"], weights=rows["images"]) == pytest.approx(whole["accuracy"])
        assert rows["images"].sum() == len(features.labels(split))


def test_slides_of_equal_number_at_different_hospitals_are_kept_apart(planted_features):
    features = planted_features(epochs=(10,)).features
    slides = evaluate_slides(features).query("split == 'id_val'")
    pairs = set(zip(features.domains("id_val"), features.groups("id_val"), strict=True))
    assert set(zip(slides["hospital"], slides["slide"], strict=True)) == pairs
