import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from causalgrok.arrays import check_arrays, open_arrays, write_arrays
from causalgrok.files import DamagedFile

ARRAYS = {"b": np.arange(12, dtype=np.float32).reshape(3, 4), "a": np.array([1, 2], dtype=np.int64)}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "features.safetensors"
    write_arrays(ARRAYS, path)
    return path


def test_what_is_written_is_read_and_is_plain_safetensors(path):
    with open_arrays(path) as file:
        assert set(file.keys()) == set(ARRAYS)
        for name, values in ARRAYS.items():
            np.testing.assert_array_equal(file.get_tensor(name), values)
    assert set(load_file(path)) == set(ARRAYS)


def test_equal_arrays_are_equal_bytes(path, tmp_path):
    write_arrays(ARRAYS, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("place", [0, 4, 30, 200, -1, -20])
def test_one_changed_byte_is_found_and_the_command_that_mends_it_named(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"features.safetensors is damaged: .*snakemake .*features.safetensors"):
        check_arrays(path)


@pytest.mark.parametrize("length", [0, 5, 50, -1])
def test_a_file_cut_short_is_found(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedFile), open_arrays(path):
        pass


def test_a_swapped_name_is_found_although_the_data_are_whole(path):
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    text = json.dumps(header, separators=(",", ":")).replace('"a":', '"c":').encode()
    text += b" " * (length - len(text))
    path.write_bytes(content[:8] + text + content[8 + length :])
    with pytest.raises(DamagedFile, match="does not match its checksum"):
        check_arrays(path)


def test_a_checkpoint_is_made_again_with_all_of_its_run(tmp_path):
    error = DamagedFile(tmp_path / "checkpoints/epoch5.safetensors", "it is short")
    assert f"snakemake {tmp_path / 'checkpoints'} --cores 1" in str(error)
