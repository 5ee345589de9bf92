import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from causalgrok.data import image_table
from causalgrok.data.image_table import ImageTableError, assign, count_splits, pack, read_table

HOSPITALS = ("Ulm", "Bonn", "Jena", "Kiel", "Hof")
SIZE = 8


def sound_table(hospitals=HOSPITALS, groups=4, images=4) -> pd.DataFrame:
    """Groups have the same names in every hospital; each has as many images with label 0 as with label 1."""
    rows = [
        (f"images/{hospital}_{group}_{i}.png", i % 2, hospital, f"slide{group}")
        for hospital in hospitals
        for group in range(groups)
        for i in range(images * 2)
    ]
    return pd.DataFrame(rows, columns=["path", "label", "domain", "group"])


def pixels(path: str) -> np.ndarray:
    return np.random.default_rng(list(path.encode())).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hospital data")
    (folder / "images").mkdir()
    for path in sound_table()["path"]:
        Image.fromarray(pixels(path)).save(folder / path)
    return folder


@pytest.fixture
def write(folder):
    """Write a table, given as frame or as text, beside the images."""

    def write_table(table: pd.DataFrame | str, name: str = "images.csv") -> Path:
        path = folder / name
        if isinstance(table, str):
            path.write_text(table, encoding="utf-8")
        elif path.suffix == ".parquet":
            table.to_parquet(path)
        else:
            table.to_csv(path, index=False)
        return path

    return write_table


def refusal(call, *args, **kwargs) -> str:
    with pytest.raises(ImageTableError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def with_cell(column: str, row: int, value: object) -> pd.DataFrame:
    table = sound_table().astype({column: object})
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize("name", ["images.csv", "images.parquet"])
def test_codes_domains_and_groups_in_the_order_of_their_names(write, folder, name):
    table = read_table(write(sound_table(), name))
    assert list(table.columns) == ["path", "label", "domain", "group", "domain_name", "group_name"]
    assert len(table) == 5 * 4 * 8
    domains = table.groupby("domain")["domain_name"].unique().map(list).to_dict()
    assert domains == {0: ["Bonn"], 1: ["Hof"], 2: ["Jena"], 3: ["Kiel"], 4: ["Ulm"]}
    assert table["domain_name"].tolist() == sound_table()["domain"].tolist()
    # slide0 of Ulm is another slide than slide0 of Bonn.
    assert sorted(table["group"].unique()) == list(range(20))
    assert table.groupby("group")[["domain", "group_name"]].nunique().eq(1).all(axis=None)
    assert table["label"].tolist() == sound_table()["label"].tolist()
    assert table["path"].iloc[0] == str(folder / "images/Ulm_0_0.png")
    assert all(table[column].dtype == np.int64 for column in ("label", "domain", "group"))


def test_csv_and_parquet_say_the_same(write):
    numbered = sound_table().assign(domain=lambda t: t["domain"].map({h: 9 + i for i, h in enumerate(HOSPITALS)}))
    of_csv, of_parquet = (read_table(write(numbered, f"images.{kind}")) for kind in ("csv", "parquet"))
    pd.testing.assert_frame_equal(of_csv, of_parquet)
    # As numbers, 9 stands before 10.
    names = of_csv.drop_duplicates("domain").sort_values("domain")["domain_name"]
    assert ",".join(names) == "9,10,11,12,13"
    floats = numbered.astype({"domain": float, "label": float})
    pd.testing.assert_frame_equal(read_table(write(floats, "images.parquet")), of_csv)


def test_reads_what_spreadsheets_write(write, folder):
    table = sound_table().rename(columns={"label": " label "}).assign(note="x, y")
    path = write("\ufeff" + table.to_csv(index=False) + "\n")
    assert len(read_table(path)) == len(table)
    named_na = sound_table().replace({"domain": {"Ulm": "NA"}})
    assert "NA" in set(read_table(write(named_na))["domain_name"])
    elsewhere = folder / "images" / "inside.csv"
    sound_table().assign(path=lambda t: "../" + t["path"]).to_csv(elsewhere, index=False)
    assert len(read_table(elsewhere)) == len(table)
    absolute = sound_table().assign(path=lambda t: str(folder) + "/" + t["path"])
    assert read_table(write(absolute))["path"].tolist() == absolute["path"].tolist()


def test_refuses_what_is_no_table(write, folder):
    assert "does not exist" in refusal(read_table, folder / "nowhere.csv")
    assert "is a folder" in refusal(read_table, folder)
    assert "'.xlsx', expected .csv or .parquet" in refusal(read_table, write("x", "images.xlsx"))
    assert "cannot be read as parquet" in refusal(read_table, write("path,label\n", "images.parquet"))
    assert "cannot be read as csv" in refusal(read_table, write(""))
    assert "has no rows" in refusal(read_table, write("path,label,domain,group\n"))
    (folder / "latin.csv").write_bytes("path,label,domain,group\na.png,0,Köln,1\n".encode("latin-1"))
    assert "cannot be read as csv" in refusal(read_table, folder / "latin.csv")


def test_a_row_of_the_wrong_length_moves_no_column(write):
    header, first, rest = sound_table().to_csv(index=False).split("\n", 2)
    assert "cannot be read as csv" in refusal(read_table, write(f"{header}\n{first},more\n{rest}"))
    assert "row 1 ('images/Ulm_0_0.png'): group is ''" in refusal(
        read_table, write(f"{header}\nimages/Ulm_0_0.png,0,Ulm\n{rest}")
    )


def test_refuses_a_missing_column_and_names_the_nearest(write):
    message = refusal(read_table, write(sound_table().rename(columns={"domain": "Domains"})))
    assert "no column 'domain', only path, label, Domains, group; did you mean 'Domains'?" in message
    message = refusal(read_table, write(sound_table().rename(columns={"group": "slide"})))
    assert "no column 'group'" in message and "slide" in message


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("label", "tumour", "row 3 ('images/Ulm_0_2.png'): label is 'tumour', expected a whole number"),
        ("label", "-1", "label is '-1'"),
        ("label", "0.5", "label is '0.5'"),
        ("label", "2", None),
        ("label", "3", "has the labels 0, 1, 3, expected"),
        ("label", None, "row 3 ('images/Ulm_0_2.png'): label is '', expected a value in every row"),
        ("domain", None, "row 3 ('images/Ulm_0_2.png'): domain is ''"),
        ("group", "  ", "row 3 ('images/Ulm_0_2.png'): group is ''"),
        ("path", None, "row 3 (''): path is ''"),
        ("path", "images/Ulm_0_0.png", "images/Ulm_0_0.png twice, in rows 1 and 3"),
        ("path", "./images/../images/Ulm_0_0.png", "twice, in rows 1 and 3"),
        ("path", "images/gone.png", "1 of 160 image files are missing, the first is"),
        ("path", "nowhere/gone.png", "nowhere/gone.png"),
        ("domain", "Bern", "domain 'Bern' has 1 images; at least 20"),
    ],
)
def test_refuses_a_row_and_names_it(write, column, value, said):
    # A third label in one row alone is too rare rather than wrong.
    said = said or "has 0 images with label 2; at least 5 of each label"
    assert said in refusal(read_table, write(with_cell(column, 2, value)))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("label", None, "row 3 ('images/Ulm_0_2.png'): label is '', expected a value in every row"),
        ("label", 0.5, "label is '0.5'"),
        ("domain", None, "domain is ''"),
        ("path", "a\0b", "path is 'a\\x00b', expected text without control characters"),
    ],
)
def test_refuses_a_row_of_a_parquet_table(write, column, value, said):
    assert said in refusal(read_table, write(with_cell(column, 2, value), "images.parquet"))


def test_refuses_labels_domains_and_groups_that_compare_nothing(write):
    assert "one label, 0, in every row" in refusal(read_table, write(sound_table().assign(label=0)))
    assert "has the labels 1, expected" in refusal(read_table, write(sound_table().assign(label=1)))
    assert "one domain, 'x', in every row" in refusal(read_table, write(sound_table().assign(domain="x")))
    one_group = sound_table().assign(group=lambda t: t["group"].mask(t["domain"] == "Jena", "slide0"))
    assert "domain 'Jena' has 1 group; at least 2" in refusal(read_table, write(one_group))
    few = sound_table()
    few = few.drop(few.index[(few["domain"] == "Hof") & (few["label"] == 1)][:12])
    assert "domain 'Hof' has 4 images with label 1; at least 5" in refusal(read_table, write(few))
    few = sound_table()[:-13]
    assert "domain 'Hof' has 19 images; at least 20" in refusal(read_table, write(few))
    assert len(read_table(write(sound_table()[:-12]))) == 148


def test_refuses_a_split_that_is_none(write):
    table = sound_table().assign(split="id_val")
    table.loc[5, "split"] = "test"
    assert "row 6 ('images/Ulm_0_5.png'): split is 'test', expected one of probe, id_val" in refusal(
        read_table, write(table)
    )


@pytest.fixture
def table(write):
    return read_table(write(sound_table()))


def shares(table: pd.DataFrame) -> dict[str, set[str]]:
    return {split: set(part["domain_name"]) for split, part in table.groupby("split")}


def test_holds_out_the_last_two_of_four_or_more_domains(table, write):
    rest = {"Bonn", "Hof", "Jena"}
    assert shares(assign(table)) == {"probe": rest, "id_val": rest, "ood_val": {"Kiel"}, "ood_test": {"Ulm"}}
    three = read_table(write(sound_table(HOSPITALS[:3])))
    assert set(shares(assign(three))) == {"probe", "id_val"}


def test_holds_out_what_is_named(table):
    found = shares(assign(table, ["Jena", "Bonn"]))
    assert found["ood_val"] == {"Jena"} and found["ood_test"] == {"Bonn"}
    assert found["probe"] == found["id_val"] == {"Hof", "Kiel", "Ulm"}
    assert set(shares(assign(table, ["Jena"]))) == {"probe", "id_val", "ood_val"}
    assert set(shares(assign(table, []))) == {"probe", "id_val"}
    assert "'Jenna' is no domain of the table; did you mean 'Jena'?" in refusal(assign, table, ["Jenna"])
    assert "Hof, Hof" in refusal(assign, table, ["Hof", "Hof"])
    assert "expected up to two" in refusal(assign, table, ["Hof", "Ulm", "Jena"])
    two = table[table["domain_name"].isin(["Hof", "Ulm"])]
    assert "leaves 1 of 2 domains" in refusal(assign, two, ["Hof"])


def test_halves_by_group_where_a_domain_has_four(table):
    split = assign(table, [])
    groups = {name: set(part["group"]) for name, part in split.groupby("split")}
    assert not groups["probe"] & groups["id_val"]
    assert split.groupby(["split", "domain"])["group"].nunique().eq(2).all()
    assert (count_splits(split)["shared_groups"] == 0).all()
    assert split.index.equals(table.index) and "split" not in table.columns


def test_halves_as_evenly_as_the_groups_allow(write):
    table = sound_table()
    tumours_only = table["group"].isin(["slide0", "slide1"])
    split = assign(read_table(write(table.assign(label=tumours_only.astype(int)))), [])
    assert split.groupby(["split", "domain", "label"]).size().eq(8).all()


def test_halves_within_groups_where_there_are_fewer(write):
    table = sound_table()
    table = table[(table["domain"] != "Jena") | table["group"].isin(["slide0", "slide1", "slide2"])]
    split = assign(read_table(write(table)), [])
    counts = count_splits(split)
    shared = counts[counts["split"] == "id_val"].set_index("domain")["shared_groups"]
    assert shared["Jena"] == 3 and shared.drop("Jena").eq(0).all()
    jena = split[split["domain_name"] == "Jena"]
    assert jena.groupby(["split", "group", "label"]).size().eq(2).all()


def test_the_seed_decides_the_halves(table):
    halves = [assign(table, [], seed=seed)["split"].tolist() for seed in (0, 0, 1)]
    assert halves[0] == halves[1] != halves[2]


def test_takes_the_tables_own_splits(write):
    def place(row) -> str:
        return {"Ulm": "ood_test", "Kiel": "ood_val"}.get(row["domain"], row["wanted"])

    whole = sound_table().assign(wanted=lambda t: t["group"].map(dict(slide0="train", slide1="id_val")).fillna("probe"))
    named = whole.assign(split=whole.apply(place, axis=1)).drop(columns="wanted")
    split = assign(read_table(write(named)))
    assert split["split"].tolist() == named["split"].tolist()
    assert "leave held_out empty" in refusal(assign, split, ["Ulm"])

    undrawn = read_table(write(named.replace({"split": {"probe": "id_val"}})))
    before = undrawn["split"].tolist()
    split = assign(undrawn)
    assert undrawn["split"].tolist() == before
    drawn = split["split"] == "probe"
    assert set(split[drawn]["group_name"]) == {"slide1", "slide2", "slide3"}
    assert split["split"].mask(drawn, "id_val").tolist() == before

    without = read_table(write(named.replace({"split": {"id_val": "train"}})))
    assert "names no id_val" in refusal(assign, without)
    mixed = named.copy()
    mixed.loc[mixed["path"] == "images/Ulm_0_0.png", "split"] = "id_val"
    assert "domain 'Ulm' is in ood_test and in other splits" in refusal(assign, read_table(write(mixed)))


def test_refuses_a_pool_on_which_no_probe_can_be_fitted(table):
    hof, bonn = (table["domain_name"] == name for name in ("Hof", "Bonn"))
    first = table["group_name"] == "slide0"

    def refused(pool: pd.Series) -> str:
        return refusal(assign, table.assign(split=np.where(pool, "probe", "id_val")))

    assert "the probe pool has one domain, 'Hof'" in refused(hof)
    assert "the probe pool has 8 images of domain 'Bonn'; at least 10" in refused(hof | (bonn & first))
    assert "split id_val has no image with label 0" in refused((table["label"] == 0) | (hof & first))
    merged = table.assign(group=table["group"].mask(bonn, table["group"][bonn].min()))
    assert "the probe pool has 1 group of domain 'Bonn'; at least 2" in refusal(
        assign, merged.assign(split=np.where(hof | bonn, "probe", "id_val"))
    )


def test_packs_rows_with_their_pixels(table, folder):
    table = assign(table)
    splits = pack(table)
    assert list(splits) == ["probe", "id_val", "ood_val", "ood_test"]
    assert sum(map(len, splits.values())) == len(table)
    for name, split in splits.items():
        rows = table.loc[split.rows]
        assert (rows["split"] == name).all()
        assert split.inputs.shape == (len(rows), SIZE, SIZE, 3) and split.inputs.dtype == np.uint8
        for field, column in (("labels", "label"), ("domains", "domain"), ("groups", "group")):
            assert np.array_equal(getattr(split, field), rows[column])
            assert getattr(split, field).dtype == np.int64
        for i in (0, -1):
            assert np.array_equal(split.inputs[i], pixels(str(Path(rows["path"].iloc[i]).relative_to(folder))))


def test_averages_down(table):
    split = pack(assign(table), SIZE // 2)["ood_test"]
    whole = pack(assign(table))["ood_test"].inputs.astype(float)
    means = whole.reshape(len(whole), SIZE // 2, 2, SIZE // 2, 2, 3).mean(axis=(2, 4))
    assert np.abs(split.inputs - means).max() <= 1  # Pillow rounds after each axis


def one_image(path: Path) -> pd.DataFrame:
    return pd.DataFrame({"path": [str(path)], "label": 0, "domain": 0, "group": 0, "split": "probe"})


@pytest.mark.parametrize("mode", ["RGBA", "L", "LA", "P", "1", "CMYK"])
def test_brings_every_kind_of_pixel_to_rgb(tmp_path, mode):
    path = tmp_path / f"image.{'tiff' if mode == 'CMYK' else 'png'}"
    Image.fromarray(pixels("x")).convert(mode).save(path)
    found = pack(one_image(path))["probe"].inputs[0]
    assert np.array_equal(found, np.asarray(Image.open(path).convert("RGB")))
    assert found.shape == (SIZE, SIZE, 3)


def test_refuses_images_that_cannot_be_read(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    assert "text.png cannot be read" in refusal(pack, one_image(tmp_path / "text.png"))
    Image.fromarray(pixels("x").repeat(8, axis=0).repeat(8, axis=1)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:-100])
    assert "cut.png cannot be read" in refusal(pack, one_image(tmp_path / "cut.png"))
    Image.fromarray(np.full((SIZE, SIZE), 40_000, np.uint16)).save(tmp_path / "deep.png")
    assert "deep.png has pixels of mode I;16" in refusal(pack, one_image(tmp_path / "deep.png"))
    assert "gone.png cannot be read" in refusal(pack, one_image(tmp_path / "gone.png"))


def test_hands_no_image_to_an_outside_program(tmp_path):
    Image.fromarray(pixels("x")).save(tmp_path / "image.eps")
    (tmp_path / "image.eps").rename(tmp_path / "image.png")
    assert Image.open(tmp_path / "image.png").format == "EPS"
    assert "cannot identify image file" in refusal(pack, one_image(tmp_path / "image.png"))


def test_refuses_sizes_that_do_not_fit(tmp_path, table, monkeypatch):
    decoded = []
    monkeypatch.setattr(image_table, "_decode", lambda *args: decoded.append(args))
    Image.new("1", (image_table.MAX_SIDE + 1, 1)).save(tmp_path / "slide.png")
    assert "slide.png is 4097x1 pixels; at most 4096" in refusal(pack, one_image(tmp_path / "slide.png"), SIZE)
    Image.new("RGB", (6, 4)).save(tmp_path / "small.png")
    mixed = pd.concat([assign(table), one_image(tmp_path / "small.png")], ignore_index=True)
    assert "small.png is 6x4 pixels, " in (message := refusal(pack, mixed)) and "give image_size" in message
    assert "expected a square of at least 4x4" in refusal(pack, mixed, 4)
    assert "expected a square of at least 9x9" in refusal(pack, assign(table), 9)
    monkeypatch.setattr(image_table, "MAX_BYTES", 160 * SIZE * SIZE * 3 - 1)
    assert "160 images of 8x8 pixels" in refusal(pack, assign(table))
    assert not decoded


def test_an_image_bomb_is_refused_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    Image.new("1", (image_table.MAX_SIDE + 1, 1)).save(tmp_path / "bomb.png")
    assert "bomb.png cannot be read" in refusal(pack, one_image(tmp_path / "bomb.png"))


def test_images_of_one_size_need_not_be_square(tmp_path):
    Image.new("RGB", (6, 4)).save(tmp_path / "wide.png")
    assert pack(one_image(tmp_path / "wide.png"))["probe"].inputs.shape == (1, 4, 6, 3)


def test_counts_what_the_splits_hold(table):
    counts = count_splits(assign(table))
    assert counts["images"].sum() == len(table)
    assert counts["split"].drop_duplicates().tolist() == ["probe", "id_val", "ood_val", "ood_test"]
    assert (counts["label_0"] + counts["label_1"] == counts["images"]).all()
    assert counts.set_index(["split", "domain"])["groups"].to_dict()["ood_test", "Ulm"] == 4


def test_planning_needs_no_torch():
    code = "import causalgrok.data.image_table, sys; sys.exit(bool({'torch', 'pandas', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
