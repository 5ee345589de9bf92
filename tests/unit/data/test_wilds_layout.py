"""The reader of the WILDS layout, and what it refuses."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_camelyon17 import images, table, write_root

from causalgrok.data import wilds_layout
from causalgrok.data.wilds_layout import FOLDER, DataError, check_local_root, inspect, read_images, read_metadata


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path)


def patch(root: Path, row: int) -> Path:
    return root / FOLDER / read_metadata(root).patch[row]


def test_metadata_says_hospital_slide_label_and_split(root: Path) -> None:
    read, written = read_metadata(root), table()
    np.testing.assert_array_equal(read.hospital, written.center)
    np.testing.assert_array_equal(read.slide, written.slide)
    np.testing.assert_array_equal(read.label, written.tumor)
    assert set(read.split[read.hospital == 1]) == {"ood_val"}
    assert set(read.split[read.hospital == 2]) == {"ood_test"}
    trained = read.hospital.isin([0, 3, 4])
    np.testing.assert_array_equal(read.split[trained] == "id_val", written.split[trained] == 1)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning")
def test_wilds_itself_reads_the_same(root: Path) -> None:
    from wilds.datasets.camelyon17_dataset import Camelyon17Dataset

    read = read_metadata(root)
    dataset = Camelyon17Dataset(root_dir=str(root), download=False)
    fields = dict(zip(dataset.metadata_fields, dataset.metadata_array.numpy().T, strict=True))
    np.testing.assert_array_equal(read.hospital, fields["hospital"])
    np.testing.assert_array_equal(read.slide, fields["slide"])
    np.testing.assert_array_equal(read.label, fields["y"])
    np.testing.assert_array_equal(read.split, [wilds_layout.SPLITS[code] for code in dataset.split_array])
    for row, pixels in enumerate(read_images(root, np.arange(len(read)))):
        np.testing.assert_array_equal(pixels, np.asarray(dataset.get_input(row)))


def test_held_out_hospitals_are_their_own_splits_whatever_the_table_says(tmp_path: Path) -> None:
    root = write_root(tmp_path, table().assign(split=0))
    assert inspect(root).splits == {"train": 24, "id_val": 0, "ood_test": 8, "ood_val": 8}


def test_images_come_in_the_order_asked_for(root: Path) -> None:
    rows = np.array([7, 0, 39])
    np.testing.assert_array_equal(read_images(root, rows), images()[rows])
    assert read_images(root, rows[:0], 48).shape == (0, 48, 48, 3)


def test_smaller_images_are_block_means(root: Path) -> None:
    small = read_images(root, np.arange(4), 32)
    means = images()[:4].reshape(4, 32, 3, 32, 3, 3).mean((2, 4))
    assert small.shape == (4, 32, 32, 3)
    assert np.abs(small - means).max() <= 1


def test_larger_images_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match="96x96 pixels; expected a square of at least 128x128"):
        read_images(root, np.array([0]), 128)


def test_rows_outside_the_table_are_refused(root: Path) -> None:
    for rows in ([-1], [40]):
        with pytest.raises(DataError, match="has rows 0 to 39"):
            read_images(root, np.array(rows))


def test_rgba_patches_are_read_as_rgb(root: Path) -> None:
    rgba = np.dstack([images()[3], np.zeros((96, 96), np.uint8)])
    Image.fromarray(rgba, "RGBA").save(patch(root, 3))
    np.testing.assert_array_equal(read_images(root, np.array([3]))[0], images()[3])


def test_census_counts_what_is_there(root: Path) -> None:
    census = inspect(root)
    assert census.patches == 40
    assert census.image_size == 96
    assert census.splits == {"train": 18, "id_val": 6, "ood_test": 8, "ood_val": 8}
    assert census.hospitals == {str(hospital): 8 for hospital in range(5)}
    assert census.labels == {str(hospital): {"0": 4, "1": 4} for hospital in range(5)}
    assert census.slides == {str(hospital): 2 for hospital in range(5)}


def test_other_image_sizes_are_fine_unless_a_size_is_asked_for(tmp_path: Path) -> None:
    root = write_root(tmp_path, size=48)
    assert inspect(root).image_size == 48
    with pytest.raises(DataError, match=r"patch_.*png is 48x48 pixels; expected 96x96"):
        inspect(root, 96)


def test_mixed_image_sizes_are_refused(root: Path) -> None:
    Image.new("RGB", (95, 96)).save(patch(root, 5))
    with pytest.raises(DataError, match=rf"{patch(root, 5).name} is 95x96 pixels; expected 96x96"):
        inspect(root)


def test_missing_patches_are_counted_and_the_first_is_named(root: Path) -> None:
    gone = patch(root, 6), patch(root, 9)
    for path in gone:
        path.unlink()
    with pytest.raises(DataError, match=rf"2 of 40 patches are missing, the first is .*{gone[0].name}"):
        inspect(root)
    with pytest.raises(DataError, match=rf"{gone[1].name} cannot be read"):
        read_images(root, np.array([9]))


def test_missing_folder_of_patches_is_named(root: Path) -> None:
    shutil.rmtree(patch(root, 0).parent)
    with pytest.raises(DataError, match=rf"4 of 40 patches are missing, the first is .*{patch(root, 0).name}"):
        inspect(root)


@pytest.mark.parametrize("damage", [lambda png: png[: len(png) // 2], lambda png: b"<html>", lambda png: b""])
def test_broken_patch_is_named(root: Path, damage) -> None:
    path = patch(root, 8)
    path.write_bytes(damage(path.read_bytes()))
    for read in (lambda: inspect(root), lambda: read_images(root, np.array([8]))):
        with pytest.raises(DataError, match=rf"{path.name} cannot be read"):
            read()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("tumor", 2, r"line 5: tumor is '2', expected 0 \(normal\) or 1 \(tumour\)"),
        ("tumor", "yes", "line 5: tumor is 'yes', expected a whole number"),
        ("tumor", None, "line 5: tumor is '', expected a whole number"),
        ("center", 5, "line 5: center is '5', expected a hospital from 0 to 4"),
        ("center", 3, "line 2: slide is '0', expected every slide in one hospital only"),
        ("split", 2, r"line 5: split is '2', expected 0 \(train\) or 1 \(id_val\)"),
        ("x_coord", 1000, "line 5: x_coord is '1000', expected a patch that is not listed before"),
        ("x_coord", 1288.5, r"line 2: x_coord is '1000\.0', expected a whole number"),
    ],
)
def test_inconsistent_table_is_refused(tmp_path: Path, column: str, value, message: str) -> None:
    frame = table().astype({column: object if isinstance(value, str | None) else type(value)})
    frame.loc[3, column] = value
    with pytest.raises(DataError, match=rf"metadata.csv {message}"):
        inspect(write_root(tmp_path, frame))


def test_empty_and_unreadable_tables_are_refused(root: Path) -> None:
    metadata = root / FOLDER / "metadata.csv"
    header, first = metadata.read_text().splitlines()[:2]
    metadata.write_text(header + "\n")
    with pytest.raises(DataError, match=r"metadata.csv has no rows"):
        inspect(root)
    metadata.write_text(f"{header}\n{first}\n{first},1,2,3\n")
    with pytest.raises(DataError, match=r"metadata.csv is not a table"):
        inspect(root)


def test_local_root_is_checked_before_anything_runs(root: Path) -> None:
    check_local_root(root)
    with pytest.raises(DataError, match=r"nowhere is not a folder; expected .*nowhere/camelyon17_v1.0/metadata.csv"):
        check_local_root(root / "nowhere")
    with pytest.raises(DataError, match="this is the dataset's own folder, give the one it lies in"):
        check_local_root(root / FOLDER)
    with pytest.raises(DataError, match="holds no Camelyon17-WILDS; expected"):
        check_local_root(root / FOLDER / "patches")


def test_local_root_without_release_note_or_column_is_refused(root: Path) -> None:
    (root / FOLDER / "RELEASE_v1.0.txt").unlink()
    with pytest.raises(DataError, match=r"RELEASE_v1.0.txt is missing"):
        check_local_root(root)
    table().drop(columns=["center", "slide"]).to_csv(root / FOLDER / "metadata.csv")
    with pytest.raises(DataError, match="has no column slide, center; expected patient, node"):
        read_metadata(root)


def test_local_root_is_checked_without_heavy_imports(root: Path) -> None:
    code = (
        "import sys; from causalgrok.data import camelyon17, mirror, wilds_layout\n"
        "wilds_layout.check_local_root(sys.argv[1])\n"
        "print([name for name in ('torch', 'wilds', 'huggingface_hub', 'pandas', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_a_sample_is_decoded_but_a_broken_patch_is_named_when_read(root: Path, monkeypatch) -> None:
    monkeypatch.setattr(wilds_layout, "SAMPLE", 10)
    sampled = set(np.random.default_rng(0).permutation(40)[:10])
    unseen = next(row for row in range(40) if row not in sampled)
    patch(root, unseen).write_bytes(b"")
    assert inspect(root).patches == 40
    with pytest.raises(DataError, match=rf"{patch(root, unseen).name} cannot be read"):
        read_images(root, np.array([unseen]))


@pytest.fixture
def real_root() -> Path:
    if "CAUSALGROK_TEST_DATA" not in os.environ:
        pytest.skip("CAUSALGROK_TEST_DATA does not name the folder of test data")
    return Path(os.environ["CAUSALGROK_TEST_DATA"]) / "camelyon17_standin"


def test_real_patches_are_read(real_root: Path) -> None:
    census = inspect(real_root)
    assert census.patches == 3000
    assert census.splits == {"train": 1620, "id_val": 180, "ood_test": 600, "ood_val": 600}
    assert census.labels == {str(hospital): {"0": 300, "1": 300} for hospital in range(5)}
    read = read_images(real_root, np.arange(0, 3000, 100), 48)
    assert read.shape == (30, 48, 48, 3)
    assert read.std((1, 2, 3)).min() > 5


def test_real_patch_removed_or_cut_is_named(real_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    read = read_metadata(real_root)
    few = read.groupby("hospital").head(20)
    raw = pd.read_csv(real_root / FOLDER / "metadata.csv", index_col=0, dtype={"patient": str}).loc[few.index]
    raw.reset_index(drop=True).to_csv(folder / "metadata.csv")
    for name in ("RELEASE_v1.0.txt", *few.patch):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real_root / FOLDER / name, folder / name)
    assert inspect(tmp_path).patches == 100

    victim = folder / few.patch.iloc[50]
    victim.write_bytes(victim.read_bytes()[:1000])
    with pytest.raises(DataError, match=rf"{victim.name} cannot be read: .*truncated"):
        inspect(tmp_path)
    victim.unlink()
    with pytest.raises(DataError, match=rf"1 of 100 patches are missing, the first is .*{victim.name}"):
        inspect(tmp_path)
