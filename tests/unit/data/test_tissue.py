"""The generated tissue: its physics, its statistics, its reproducibility and its files."""

import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError
from wilds.datasets.camelyon17_dataset import Camelyon17Dataset

from causalgrok.data.tissue import (
    Stain,
    Tissue,
    TissueSettings,
    generate,
    hospital_stains,
    metadata,
    patch_tissue,
    render,
    slide_stain,
)
from causalgrok.data.tissue_anatomy import CENTRE, FIBROBLAST, FIELD, TUMOUR
from causalgrok.data.wilds_layout import FOLDER, HOSPITALS, METADATA, DataError, inspect

SMALL = TissueSettings(image_size=24, patches_per_hospital=20)


@pytest.fixture(scope="module")
def patches() -> list[Tissue]:
    return [patch_tissue(SMALL, 0, index) for index in range(80)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("tissue")
    generate(SMALL, root)
    return root


@pytest.fixture(scope="module")
def dataset(root):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return Camelyon17Dataset(root_dir=str(root), download=False)


def central(tissue: Tissue) -> np.ndarray:
    """Which nuclei lie in the central third."""
    return (np.abs(tissue.nuclei.position) < CENTRE).all(1)


def arrays(tissue: Tissue) -> list[np.ndarray]:
    return [tissue.concentrations, tissue.light, tissue.noise, *vars(tissue.nuclei).values()]


# Reproducibility


def test_a_patch_depends_on_seed_hospital_and_index_alone():
    more = SMALL.model_copy(update={"patches_per_hospital": 500})
    for mine, theirs in zip(arrays(patch_tissue(SMALL, 3, 7)), arrays(patch_tissue(more, 3, 7)), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("change", [{"hospital": 4}, {"index": 8}, {"seed": 1}])
def test_each_of_them_matters(change):
    where = {"seed": 0, "hospital": 3, "index": 7}
    one, other = (
        patch_tissue(SMALL.model_copy(update={"seed": key["seed"]}), key["hospital"], key["index"]).concentrations
        for key in (where, where | change)
    )
    assert np.abs(one - other).mean() > 0.05


def test_generating_twice_gives_the_same_bytes(root, tmp_path):
    generate(SMALL, tmp_path)
    files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    assert len(files) == 5 * SMALL.patches_per_hospital + 2
    assert all((root / file).read_bytes() == (tmp_path / file).read_bytes() for file in files)


def test_the_tissue_is_the_same_at_every_image_size(patches):
    for index in range(5):
        large = patch_tissue(SMALL.model_copy(update={"image_size": 72}), 0, index)
        shrunk = large.concentrations.reshape(2, 24, 3, 24, 3).mean((2, 4))
        pairs = zip(shrunk, patches[index].concentrations, strict=True)
        correlation = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs]
        assert min(correlation) > 0.9
        np.testing.assert_array_equal(large.nuclei.position, patches[index].nuclei.position)


# Anatomy


def test_tumour_lies_in_the_central_third_of_tumour_patches_only(patches):
    holds = np.array([(tissue.nuclei.kind[central(tissue)] == TUMOUR).any() for tissue in patches])
    tumour = np.array([tissue.tumour for tissue in patches])
    assert not holds[~tumour].any()
    assert holds[tumour].mean() > 0.85


def test_tumour_nuclei_are_larger_but_patches_overlap(patches):
    def mean_radius(tissue: Tissue) -> float:
        nuclei = tissue.nuclei[tissue.nuclei.kind != FIBROBLAST]
        return nuclei.radius.mean()

    tumour = np.array([mean_radius(tissue) for tissue in patches if tissue.tumour])
    normal = np.array([mean_radius(tissue) for tissue in patches if not tissue.tumour])
    assert tumour.mean() > 1.1 * normal.mean()
    assert tumour.min() < normal.max()


def test_nuclei_are_where_haematoxylin_is(patches):
    for tissue in patches[:10]:
        pixel = FIELD / SMALL.image_size
        inside = (np.abs(tissue.nuclei.position) < FIELD / 2 - pixel).all(1)
        column, row = ((tissue.nuclei.position[inside] + FIELD / 2) / pixel).astype(int).T
        haematoxylin = tissue.concentrations[0]
        assert haematoxylin[row, column].mean() > 1.5 * haematoxylin.mean()


# Stain


def test_a_noise_free_render_obeys_beer_and_lambert(patches):
    tissue = patches[0]
    quiet = replace(tissue, noise=np.zeros_like(tissue.noise), light=np.ones_like(tissue.light))
    stain = hospital_stains(SMALL)[4]
    density = -np.log10(render(quiet, stain) / 255 / stain.white)
    found, *_ = np.linalg.lstsq(stain.densities.T, density.reshape(-1, 3).T, rcond=None)
    np.testing.assert_allclose(found.reshape(2, 24, 24), tissue.concentrations, atol=0.05)
    # half a grey level of rounding, as optical density, at the darkest pixel
    rounding = 0.5 / np.log(10) / render(quiet, stain).min()
    assert np.abs(stain.densities.T @ found - density.reshape(-1, 3).T).max() < rounding


def test_no_tissue_is_white_and_more_tissue_is_darker():
    blank = np.zeros((2, 24, 24), dtype=np.float32)
    tissue = replace(patch_tissue(SMALL, 0, 0), noise=np.zeros((24, 24, 3)), light=np.ones((24, 24)))
    stain = Stain(np.array([[0.6, 0.7, 0.3], [0.1, 0.9, 0.4]]), np.array([1.0, 0.9, 0.8]))
    empty, thin, thick = (render(replace(tissue, concentrations=blank + amount), stain) for amount in (0, 0.5, 1))
    np.testing.assert_array_equal(empty[0, 0], np.rint(255 * stain.white))
    assert (thin < empty).all() and (thick < thin).all()


def test_hospitals_at_distance_zero_stain_alike():
    first, *others = hospital_stains(SMALL.model_copy(update={"stain_distance": 0}))
    for other in others:
        np.testing.assert_array_equal(other.densities, first.densities)
        np.testing.assert_array_equal(other.white, first.white)


def test_hospitals_grow_apart_with_the_stain_distance(patches):
    def spread(distance: float) -> np.ndarray:
        settings = SMALL.model_copy(update={"stain_distance": distance})
        colours = [render(patches[0], slide_stain(settings, hospital, 0)).mean((0, 1)) for hospital in HOSPITALS]
        return np.array([np.linalg.norm(a - b) for i, a in enumerate(colours) for b in colours[:i]])

    spreads = [spread(distance) for distance in (0, 0.5, 1, 2)]
    assert all((near < far).all() for near, far in pairwise(spreads))


def test_slides_of_a_hospital_differ_less_than_hospitals():
    stains = [[slide_stain(SMALL, hospital, slide) for slide in range(10)] for hospital in HOSPITALS]
    logarithms = np.log([[stain.densities for stain in slides] for slides in stains])
    within, between = logarithms.std(1).mean(), logarithms.mean(1).std(0).mean()
    assert 0.03 < within < between


# Filing


@pytest.mark.parametrize("patches_per_hospital", [37, 400])
@pytest.mark.parametrize("correlation", [-1, 0, 0.5, 1])
def test_label_hospital_correlation_sets_the_tumour_fractions(correlation, patches_per_hospital):
    settings = TissueSettings(label_hospital_correlation=correlation, patches_per_hospital=patches_per_hospital)
    table = metadata(settings)
    fraction = table.center.map({0: (1 + correlation) / 2, 4: (1 - correlation) / 2}).fillna(0.5)
    excess = table.tumor - fraction
    assert excess.groupby(table.center).sum().abs().max() <= 1
    assert excess.groupby(table.slide).sum().abs().max() < 1


def test_label_noise_flips_that_fraction_of_labels_and_no_tissue():
    settings = TissueSettings(patches_per_hospital=1000)
    noisy = settings.model_copy(update={"label_noise": 0.2})
    flipped = metadata(settings).tumor != metadata(noisy).tumor
    assert flipped.mean() == pytest.approx(0.2, abs=0.025)  # 4 standard errors of 5,000 draws
    index = int(np.flatnonzero(flipped)[0])
    clean, wrong = patch_tissue(settings, 0, index), patch_tissue(noisy, 0, index)
    assert (clean.label, wrong.label) == (clean.tumour, not clean.tumour)
    np.testing.assert_array_equal(clean.concentrations, wrong.concentrations)


def test_id_val_is_a_tenth_of_the_train_hospitals():
    table = metadata(TissueSettings(patches_per_hospital=1000))
    fractions = table.groupby("center").split.mean()
    assert (fractions[[1, 2]] == 0).all()
    np.testing.assert_allclose(fractions[[0, 3, 4]], 0.1, atol=0.04)


# Files


def test_wilds_reads_splits_hospitals_and_labels(dataset):
    metadata_array = dataset.metadata_array.numpy()
    table = metadata(SMALL)
    assert len(dataset) == 5 * SMALL.patches_per_hospital
    np.testing.assert_array_equal(metadata_array[:, :3], table[["center", "slide", "tumor"]])
    expected = table.split.mask(table.center == 1, 3).mask(table.center == 2, 2)
    np.testing.assert_array_equal(dataset.split_array, expected)


def test_rendering_the_tissue_again_gives_the_stored_patch(dataset):
    for row in (0, 33, 57, 99):
        tissue = patch_tissue(SMALL, *divmod(row, SMALL.patches_per_hospital))
        assert dataset.metadata_array[row].tolist()[:3] == [tissue.hospital, tissue.slide, tissue.label]
        again = render(tissue, slide_stain(SMALL, tissue.hospital, tissue.slide))
        np.testing.assert_array_equal(again, np.asarray(dataset.get_input(row)))


def test_the_layout_passes_inspection(root):
    census = inspect(root, size=24)
    assert census.patches == 100
    assert census.slides == {str(hospital): 10 for hospital in HOSPITALS}


def test_a_broken_off_generation_leaves_no_table(tmp_path, monkeypatch):
    generate(SMALL, tmp_path)

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr("causalgrok.data.tissue.render", full_disk)
    with pytest.raises(OSError, match="no space"):
        generate(SMALL, tmp_path)
    assert not (tmp_path / FOLDER / METADATA).exists()


def test_other_data_are_not_overwritten(tmp_path):
    table = tmp_path / FOLDER / METADATA
    table.parent.mkdir()
    table.write_text("real")
    with pytest.raises(DataError, match="not generated"):
        generate(SMALL, tmp_path)
    assert table.read_text() == "real"


@pytest.mark.parametrize(
    "wrong", [{"stain_distance": -1}, {"label_noise": 1.1}, {"label_hospital_correlation": 2}, {"image_size": 8}]
)
def test_settings_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TissueSettings(**wrong)
