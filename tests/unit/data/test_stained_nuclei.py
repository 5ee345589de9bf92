"""Hospitals say nothing about the label, training shows no pair that judges, and tissue can be any hospital's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from torch import nn

from causalgrok.data import registry
from causalgrok.data.counterfactuals import show_all
from causalgrok.data.nuclei import NucleiSettings
from causalgrok.data.nuclei import draw as draw_plain
from causalgrok.data.stained_nuclei import StainedNucleiSettings, draw, show
from causalgrok.data.subsets import mutual_information
from causalgrok.data.tissue import SLIDES
from causalgrok.data.wilds_layout import HOSPITALS
from causalgrok.interventions.counterfactual import measure_counterfactuals
from causalgrok.interventions.extraction import extract_features
from causalgrok.interventions.features import Features
from causalgrok.interventions.probing import probe_layers
from causalgrok.interventions.settings import Measurement
from causalgrok.models.registry import build_model
from causalgrok.models.settings import TwinCNN

P = 11
TRAINING = (0, 3, 4)
JUDGING = ("id_val", "ood_val", "ood_test")


def settings(**changes):
    return StainedNucleiSettings(kind="stained_nuclei", modulus=P, train_fraction=0.6, grid=4, **changes)


@pytest.fixture(scope="module")
def splits():
    return draw(settings(), n=72, seed=3)


@pytest.fixture(scope="module")
def made(splits):
    """The same images as all hospitals'."""
    source = settings().model_dump()
    return show_all(splits, lambda split, target: registry.show(source, split, target, seed=3), HOSPITALS)


def places(split):
    """a and b of every image as its darkest places tell them."""
    halves = np.split(split.inputs.astype(float), 2, axis=2)
    cells = [half.reshape(len(half), 4, 4, 4, 4, 3).mean(axis=(2, 4, 5)).reshape(len(half), -1) for half in halves]
    return [each.argmin(axis=1) for each in cells]


def test_every_split_is_what_it_says(splits):
    held_out = P * P - 72
    sizes = {name: len(split) for name, split in splits.items()}
    assert sizes == {"train": 72, "id_val": 3 * held_out, "ood_val": held_out, "ood_test": held_out, "probe": P * P}
    hospitals = {name: sorted(set(split.domains.tolist())) for name, split in splits.items()}
    at = [*TRAINING]
    assert hospitals == {"train": at, "id_val": at, "ood_val": [1], "ood_test": [2], "probe": at}
    for name, split in splits.items():
        a, b = places(split)
        np.testing.assert_array_equal(split.labels, (a + b) % P, err_msg=name)
        np.testing.assert_array_equal(split.rows % (P * P), a * P + b, err_msg=name)
        np.testing.assert_array_equal(split.groups // SLIDES, split.domains, err_msg=name)


def test_no_run_of_a_seed_is_trained_on_a_pair_that_judges_it(splits):
    shown = {*(splits["train"].rows % P**2).tolist()}
    for name in JUDGING:
        assert not shown & {*(splits[name].rows % P**2).tolist()}, name
    assert len(shown | {*(splits["ood_test"].rows % P**2).tolist()}) == P * P


def test_no_tissue_is_shown_twice(splits):
    rows = np.concatenate([split.rows for split in splits.values()])
    assert len(np.unique(rows)) == len(rows)
    images = {image.tobytes() for split in splits.values() for image in split.inputs}
    assert len(images) == len(rows)


@pytest.mark.parametrize("n", [20, 47, 72])
def test_the_subsets_of_a_seed_are_nested_and_balanced(splits, n):
    small = draw(settings(), n=n, seed=3)
    for field in ("inputs", "labels", "domains", "groups", "rows"):
        np.testing.assert_array_equal(getattr(small["train"], field), getattr(splits["train"], field)[:n])
        np.testing.assert_array_equal(getattr(small["ood_test"], field), getattr(splits["ood_test"], field))
    train = small["train"]
    for label in range(P):
        counts = [np.sum(train.domains[train.labels == label] == hospital) for hospital in TRAINING]
        assert max(counts) - min(counts) <= 1


def test_where_pairs_are_shown_at_every_hospital_these_say_nothing_about_the_label(splits):
    assert mutual_information(splits["id_val"].labels, splits["id_val"].domains) == pytest.approx(0, abs=1e-12)
    probe = draw(settings(probe_copies=3), n=20, seed=0)["probe"]
    assert len(probe) == 3 * P * P
    assert mutual_information(probe.labels, probe.domains) == pytest.approx(0, abs=1e-12)
    assert len({*zip((probe.rows % P**2).tolist(), probe.domains.tolist(), strict=True)}) == 3 * P * P


def test_a_hospital_deals_its_images_to_ten_slides(splits):
    for name in ("train", "probe"):
        for hospital in TRAINING:
            counts = np.unique(splits[name].groups[splits[name].domains == hospital], return_counts=True)[1]
            assert len(counts) == SLIDES and counts.max() - counts.min() <= 1, name


def test_shown_as_its_own_hospitals_an_image_is_the_same_and_as_anothers_it_keeps_its_tissue(splits, made):
    for name, split in splits.items():
        shown = made[name].inputs["rendered"]
        own = shown[split.domains, np.arange(len(split))]
        np.testing.assert_array_equal(own, split.inputs, err_msg=name)
        np.testing.assert_array_equal(made[name].rows, np.arange(len(split)))
    some = splits["ood_test"]
    for target in (0, 1, 3, 4):
        other = replace(some, inputs=made["ood_test"].inputs["rendered"][target])
        assert (some.inputs != other.inputs).any(axis=(1, 2, 3)).all()
        np.testing.assert_array_equal(places(other), places(some))


def test_a_counterfactual_is_what_a_draw_with_that_hospital_gives(splits):
    """Held out the other way round, hospitals 1 and 2 show each other's tissue on their own slides."""
    swapped = draw(settings(ood_val_hospital=2, ood_test_hospital=1), n=72, seed=3)
    np.testing.assert_array_equal(swapped["ood_val"].inputs, splits["ood_test"].inputs)
    train = splits["train"]
    moved = np.roll(train.domains, 1)
    again = show(settings(), train.rows, moved, train.groups, seed=3)
    same = moved == train.domains
    assert 0 < same.sum() < len(train)
    np.testing.assert_array_equal(again[same], train.inputs[same])
    for index in np.flatnonzero(~same)[:5]:
        alone = show(settings(), train.rows[[index]], moved[[index]], train.groups[[index]], seed=3)
        np.testing.assert_array_equal(again[[index]], alone)


def test_an_image_from_another_seed_is_refused(splits):
    with pytest.raises(ValueError, match="split ood_val was generated from other settings"):
        show_all(
            {"ood_val": splits["ood_val"]},
            lambda split, target: registry.show(settings().model_dump(), split, target, seed=4),
            HOSPITALS,
        )


def test_stain_tells_hospitals_on_other_slides_unless_they_stain_alike():
    scores = {}
    for distance in (0.0, 1.0):
        probe = draw(settings(stain_distance=distance, probe_copies=3), n=20, seed=0)["probe"]
        colours, fitting = probe.inputs.mean(axis=(1, 2)), probe.groups % SLIDES < 6
        model = LogisticRegression(C=10.0, max_iter=2000).fit(colours[fitting], probe.domains[fitting])
        scores[distance] = model.score(colours[~fitting], probe.domains[~fitting])
    assert scores[1.0] > 0.95
    assert scores[0.0] < 0.6


def test_the_pairs_are_those_of_the_task_without_hospitals():
    plain = draw_plain(NucleiSettings(kind="nuclei", modulus=P, train_fraction=0.6, grid=4), n=30, seed=5)
    stained = draw(settings(), n=30, seed=5)
    np.testing.assert_array_equal(stained["train"].rows, plain["train"].rows)
    np.testing.assert_array_equal(stained["ood_val"].rows % P**2, plain["test"].rows)


class Reader(nn.Module):
    """Answers a + b by the darkest places of either half, or from the red of the whole image."""

    def __init__(self, reads):
        super().__init__()
        self.reads = reads

    @staticmethod
    def prepare(images):
        return images.float()

    def forward(self, images):
        halves = torch.stack(images.mean(dim=3).chunk(2, dim=2))
        a, b = nn.functional.avg_pool2d(halves, 4).flatten(2).argmin(dim=2)
        red = ((images[..., 0].mean(dim=(1, 2)) - 100) / 12).long().clamp(0, P - 1)
        answer = (a + b) % P if self.reads == "nuclei" else red
        return nn.functional.one_hot(answer, P) + 0.1 * torch.arange(P) / P


@pytest.mark.parametrize("reads", ["nuclei", "stain"])
def test_a_planted_reader_of_stain_is_told_from_one_of_nuclei(splits, made, reads):
    judged = {name: splits[name] for name in JUDGING}
    shown = {name: made[name] for name in JUDGING}
    frame, _ = measure_counterfactuals(Reader(reads), [(0, {})], judged, shown, device="cpu")
    moved = frame[frame["moved"] > 0]
    assert len(moved) == 3 * len(HOSPITALS) - 2
    if reads == "nuclei":
        assert (moved["flip_fraction"] == 0).all() and (frame["accuracy"] == 1).all()
    else:
        assert moved["flip_fraction"].mean() > 0.5 and frame["accuracy"].mean() < 0.3


@pytest.mark.parametrize("distance", [0.0, 1.0])
def test_probes_of_a_network_find_the_hospital_where_stains_differ(distance):
    """On other slides than they are fitted on; not where hospitals stain alike, nor where slides exchange them."""
    torch.manual_seed(0)
    network = build_model(TwinCNN(name="twin_cnn", channels=4, grid=4, code=8, hidden=16), classes=P)
    drawn = draw(settings(stain_distance=distance, texture=0, probe_copies=3), n=72, seed=0)
    arrays = extract_features(network, [(0, network.state_dict())], drawn, grid=2, device="cpu")
    features = Features.of(arrays.__getitem__, arrays)
    assert features.stages == ("conv", "code", "pooled")
    found = probe_layers(features, Measurement(inverse_regularisation=[10.0], permutations=3))
    accuracy = found[found["stage"] == "conv"].groupby(["target", "control"])["accuracy"].mean()
    assert abs(accuracy["hospital", "permuted"] - 1 / 3) < 0.15
    assert accuracy["hospital", "none"] > 0.8 if distance else accuracy["hospital", "none"] < 0.6, accuracy


def test_what_cannot_be_is_refused():
    with pytest.raises(ValidationError, match="ood_test_hospital 2 is the ood_val_hospital too"):
        settings(ood_val_hospital=2)
    with pytest.raises(ValueError, match="n = 73 is above the 72 training pairs"):
        draw(settings(), n=73, seed=0)
