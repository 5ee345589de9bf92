"""Features with known truth: where hospitals and tumour lie, and what the head reads."""

from dataclasses import dataclass

import numpy as np
import pytest

from causalgrok.interventions.features import PROBE, SPLITS, STAGES, Features

HOSPITALS = {
    "train": {0: (-2.0, 0.0), 3: (2.0, 0.0), 4: (0.0, 1.2)},
    "ood_val": {1: (3.0, 0.5)},
    "ood_test": {2: (3.5, -0.5)},
}
"""Split -> hospital -> where it lies in the hospital plane; the first axis is the longest between train hospitals."""


@dataclass(frozen=True)
class Planted:
    """A run's features and the truth they were made from."""

    features: Features
    arrays: dict[str, np.ndarray]
    hospital_axes: np.ndarray
    """(d, 2) orthonormal basis of the hospital plane."""
    tumour_axis: np.ndarray
    """(d,) orthogonal to it."""


@pytest.fixture
def planted_features():
    """A function that builds planted features; every stage holds the same ones."""

    def build(
        *,
        epochs=(0, 10),
        d=24,
        slides=5,
        patches=24,
        hospital=1.0,
        tumour=1.5,
        slide=0.1,
        reads="tumour",
        rotate=True,
        shortcut=0.5,
        offset=0.5,
        ood_val=None,
        seed=0,
    ) -> Planted:
        rng = np.random.default_rng(seed)
        axes = np.linalg.qr(rng.standard_normal((d, d)))[0] if rotate else np.eye(d)
        plane, tumour_axis = axes[:, :2], axes[:, 2]
        arrays = {"epochs": np.array(epochs)}
        for split in (*SPLITS, PROBE):
            places = HOSPITALS.get(split, HOSPITALS["train"])
            if split == "ood_val" and ood_val is not None:
                places = {1: ood_val}
            domains = np.repeat(list(places), slides * patches)
            groups = 100 * domains + np.tile(np.repeat(np.arange(slides), patches), len(places))
            n = len(domains)
            place = np.array([places[domain] for domain in domains])
            balanced = np.tile([0, 1], n // 2)
            # On train and id_val the label may follow the side on which the hospital lies.
            follow = rng.random(n) < (2 * shortcut - 1 if split in ("train", "id_val") else 0)
            labels = np.where(follow & (place[:, 0] != 0), place[:, 0] > 0, balanced).astype(np.int64)
            slide_effects = {group: slide * rng.standard_normal(d) for group in np.unique(groups)}
            values = offset + 0.6 * rng.standard_normal((n, d)) + np.stack([slide_effects[group] for group in groups])
            values += hospital * place @ plane.T + tumour * np.outer(labels - 0.5, tumour_axis)
            arrays |= {f"{split}/labels": labels, f"{split}/domains": domains, f"{split}/groups": groups}
            for epoch in epochs:
                for stage in STAGES if split == PROBE else ("pooled",):
                    arrays[f"{epoch}/{split}/{stage}"] = values.astype(np.float32)
        row = {"tumour": tumour_axis, "hospital": plane[:, 0], "both": tumour_axis + plane[:, 0]}[reads]
        center = offset * row.sum()
        for epoch in epochs:
            arrays[f"{epoch}/head.weight"] = np.stack([-row, row]).astype(np.float32)
            arrays[f"{epoch}/head.bias"] = np.array([center, -center], dtype=np.float32)
        return Planted(Features(arrays.__getitem__), arrays, plane, tumour_axis)

    return build
