"""Stain counterfactuals: own hospital bit for bit, the true rendering elsewhere, and quality measured by hand."""

import numpy as np
import pytest

from causalgrok.data import counterfactuals
from causalgrok.data.counterfactuals import (
    Counterfactuals,
    choose,
    load,
    make_counterfactuals,
    references,
    rerender,
    restaining_quality,
    save,
)
from causalgrok.data.packing import pack
from causalgrok.data.splits import Split
from causalgrok.data.tissue import TissueSettings, generate, patch_tissue, render, slide_stain
from causalgrok.data.wilds_layout import HOSPITALS, read_metadata

SETTINGS = TissueSettings(image_size=24, patches_per_hospital=20)
SIZE = 16
"""Pixels a side after packing: below the tissue's own, so that patches are averaged down."""

PLACES = {"id_val": (0, 3, 4), "ood_val": (1,), "ood_test": (2,)}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("tissue")
    generate(SETTINGS, root)
    return root


@pytest.fixture(scope="module")
def splits(root) -> dict[str, Split]:
    table = read_metadata(root)
    return {
        name: pack(root, table, table.index[table["hospital"].isin(hospitals)].to_numpy(), size=SIZE)
        for name, hospitals in PLACES.items()
    }


@pytest.fixture(scope="module")
def made(splits) -> dict[str, Counterfactuals]:
    return make_counterfactuals(splits, methods=["rendered", "macenko", "reinhard"], images=12, tissue=SETTINGS)


def split_of(domains, labels, inputs=None) -> Split:
    n = len(domains)
    inputs = np.zeros((n, 2, 2, 3), dtype=np.uint8) if inputs is None else inputs
    return Split(inputs, np.asarray(labels), np.asarray(domains), np.arange(n), np.arange(n))


# Rendering again


@pytest.mark.parametrize("size", [24, SIZE])
def test_rendered_as_its_own_hospitals_a_patch_is_the_packed_one(root, size):
    table = read_metadata(root)
    rows = np.arange(3, 100, 8)
    packed = pack(root, table, rows, size=size)
    images = rerender(SETTINGS, rows, HOSPITALS, size)
    assert images.shape == (5, len(rows), size, size, 3)
    np.testing.assert_array_equal(images[packed.domains, np.arange(len(rows))], packed.inputs)


def test_rendered_as_anothers_it_is_that_hospitals_stain_on_the_same_slide():
    hospital, index = divmod(33, SETTINGS.patches_per_hospital)
    tissue = patch_tissue(SETTINGS, hospital, index)
    images = rerender(SETTINGS, np.array([33]), [4, 2], 24)
    for image, target in zip(images[:, 0], (4, 2), strict=True):
        np.testing.assert_array_equal(image, render(tissue, slide_stain(SETTINGS, target, tissue.slide)))


def test_a_patch_is_grown_once_for_all_hospitals(monkeypatch):
    grown = []
    monkeypatch.setattr(counterfactuals, "patch_tissue", lambda *args: grown.append(args[1:]) or patch_tissue(*args))
    rerender(SETTINGS, np.array([0, 99]), HOSPITALS, 24)
    assert grown == [(0, 0), (4, 19)]


@pytest.mark.parametrize(
    ("rows", "size", "message"),
    [([0, 100], 24, "rows 0 to 100 .* rows 0 to 99"), ([-1], 24, "rows -1"), ([0], 32, "size 32 is above .* 24")],
)
def test_rows_and_sizes_that_the_tissue_does_not_have_are_refused(rows, size, message):
    with pytest.raises(ValueError, match=message):
        rerender(SETTINGS, np.array(rows), [0], size)


# Making


def test_every_image_is_shown_as_every_hospitals(splits, made):
    for name, shown in made.items():
        assert shown.targets.tolist() == [0, 1, 2, 3, 4]
        assert len(shown.rows) == 12
        assert set(splits[name].domains[shown.rows]) == set(PLACES[name])
        assert list(shown.inputs) == ["rendered", "macenko", "reinhard"]


def test_under_its_own_hospital_an_image_is_unchanged_and_under_others_it_changes(splits, made):
    for name, shown in made.items():
        some = splits[name][shown.rows]
        for images in shown.inputs.values():
            assert (images.shape, images.dtype) == ((5, 12, SIZE, SIZE, 3), np.uint8)
            for target, each in zip(shown.targets, images, strict=True):
                own = some.domains == target
                np.testing.assert_array_equal(each[own], some.inputs[own])
                changed = np.abs(each[~own].astype(int) - some.inputs[~own]).mean(axis=(1, 2, 3))
                assert changed.min(initial=99) > 2


def test_only_the_methods_asked_for_are_made_and_photographs_need_no_settings(splits):
    made = make_counterfactuals(splits, methods=["reinhard"], images=12)
    assert list(made["id_val"].inputs) == ["reinhard"]


def test_files_give_back_what_was_written(made, tmp_path):
    save(made, tmp_path / "counterfactuals.safetensors")
    read = load(tmp_path / "counterfactuals.safetensors")
    assert read.keys() == made.keys()
    for name, shown in made.items():
        np.testing.assert_array_equal(read[name].rows, shown.rows)
        np.testing.assert_array_equal(read[name].targets, shown.targets)
        assert read[name].inputs.keys() == shown.inputs.keys()
        for method, images in shown.inputs.items():
            np.testing.assert_array_equal(read[name].inputs[method], images)


@pytest.mark.parametrize(
    ("methods", "tissue", "message"),
    [
        (["rendered"], None, "rendered needs the settings"),
        (["rendered"], SETTINGS.model_copy(update={"seed": 1}), "split id_val was generated from other"),
        (["rendered"], SETTINGS.model_copy(update={"stain_distance": 1.1}), "split id_val was generated from other"),
        (["vahadane"], None, "'vahadane', expected one of macenko, reinhard"),
    ],
)
def test_what_cannot_be_made_is_refused(splits, methods, tissue, message):
    with pytest.raises(ValueError, match=message):
        make_counterfactuals(splits, methods=methods, images=6, tissue=tissue)


def test_images_that_do_not_fit_the_rows_are_refused():
    with pytest.raises(ValueError, match=r"macenko have shape \(2, 3, 4, 4, 3\); expected \(2, 4\) in front"):
        Counterfactuals(np.arange(4), np.arange(2), {"macenko": np.zeros((2, 3, 4, 4, 3), np.uint8)})


# Choosing


def test_chosen_images_are_balanced_ascending_and_the_same_every_time():
    rng = np.random.default_rng(0)
    split = split_of(rng.choice([0, 3, 4], 300), rng.choice(2, 300))
    rows = choose(split, 50)
    cells, counts = np.unique([split.domains[rows], split.labels[rows]], axis=1, return_counts=True)
    assert cells.shape[1] == 6
    assert counts.tolist() == [8] * 6
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, choose(split, 50))


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="5 images cannot hold 6"):
        choose(split_of([0, 0, 3, 3, 4, 4], [0, 1] * 3), 5)


def test_references_are_a_hospitals_own_balanced_by_label_and_taken_from_every_split():
    def part(domains, n):
        hospital = np.repeat(domains, n // len(domains))
        label = (np.arange(n) % 4 == 0).astype(int)  # a quarter is tumour
        inputs = np.zeros((n, 1, 1, 3), dtype=np.uint8)
        inputs[:, 0, 0, 0], inputs[:, 0, 0, 1] = hospital, label
        inputs[:, 0, 0, 2] = len(domains)
        return split_of(hospital, label, inputs)

    found = references({"id_val": part([0, 3], 2000), "ood_val": part([3], 600)})
    assert sorted(found) == [0, 3]
    for hospital, images in found.items():
        assert images.shape == (200, 1, 1, 3)
        assert (images[..., 0] == hospital).all()
        assert images[..., 1].sum() == 100
    assert set(found[3][..., 2].ravel()) == {1, 2}


# Quality


def test_quality_is_the_error_left_as_a_share_of_the_difference():
    original = np.full((2, 1, 1, 3), 100, dtype=np.uint8)
    truth = np.array([100, 140], dtype=np.uint8)  # shown as hospitals 0 and 1
    restained = np.array([100, 130], dtype=np.uint8)
    split = split_of([0, 0], [0, 1], original)
    shape = (2, 2, 1, 1, 3)
    shown = Counterfactuals(
        np.arange(2),
        np.arange(2),
        {
            name: np.broadcast_to(v[:, None, None, None, None], shape)
            for name, v in {"rendered": truth, "macenko": restained}.items()
        },
    )
    (row,) = restaining_quality({"id_val": split}, {"id_val": shown}).to_dict("records")
    assert row == {
        "method": "macenko",
        "source_hospital": 0,
        "target_hospital": 1,
        "images": 2,
        "error": 10,
        "baseline": 40,
        "ratio": 0.25,
    }


def test_restaining_beats_leaving_tissue_alone_between_all_hospitals(splits, made):
    quality = restaining_quality(splits, made)
    assert len(quality) == 2 * 20
    assert quality["ratio"].max() < 0.8
    assert (quality.groupby("method")["ratio"].mean() < 0.35).all()


def test_quality_without_the_truth_is_refused(splits, made):
    blind = {"id_val": Counterfactuals(made["id_val"].rows, made["id_val"].targets, {})}
    with pytest.raises(ValueError, match="by no method; a comparison takes rendered"):
        restaining_quality(splits, blind)
