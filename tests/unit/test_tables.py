import pandas as pd
import pyarrow.parquet as pq
import pytest

from causalgrok.columns import COLUMNS
from causalgrok.files import DamagedFile, whole, write_bytes
from causalgrok.tables import read_table, write_table

ROW = {"epoch": 0, "split": "train", "effective_rank": 2.5, "participation_ratio": 2.0, "feature_norm": 1.0}


def test_round_trip_in_described_order_with_descriptions(tmp_path):
    path = tmp_path / "geometry.parquet"
    frame = pd.DataFrame([{"seed": 1, **dict(reversed(ROW.items()))}])
    write_table(frame, path, "geometry")
    assert list(read_table(path).columns) == ["seed", *COLUMNS["geometry"]]
    field = pq.read_schema(path).field("effective_rank")
    assert b"Roy & Vetterli" in field.metadata[b"description"]
    before = path.read_bytes()
    write_table(frame, path, "geometry")
    assert path.read_bytes() == before, "bytes depend on the rows alone"


def test_wrong_columns_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"missing columns \['split'\], unknown columns \['splitt'\]"):
        write_table(pd.DataFrame([ROW]).rename(columns={"split": "splitt"}), tmp_path / "x", "geometry")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(KeyboardInterrupt), whole(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("damage", ["cut", "edited", "text"])
def test_a_damaged_table_is_named_with_the_command_that_makes_it_again(tmp_path, damage):
    path = tmp_path / "geometry.parquet"
    write_table(
        pd.DataFrame([ROW | {"epoch": epoch, "effective_rank": epoch**0.5} for epoch in range(500)]), path, "geometry"
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 255
    path.write_bytes({"cut": path.read_bytes()[:-100], "edited": bytes(content), "text": b"a,b"}[damage])
    with pytest.raises(DamagedFile, match=r"geometry.parquet is damaged: .*snakemake"):
        read_table(path)
