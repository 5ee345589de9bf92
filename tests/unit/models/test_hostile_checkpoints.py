"""Checkpoints made to run code, to fill the memory or to say something else than they hold."""

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from causalgrok.models.state_dicts import CheckpointError, architecture_of, find_checkpoints, read_state_dict


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        architecture_of(read_state_dict(path))
    message = str(caught.value)
    assert message.isprintable() and len(message) <= 1000
    return message


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_runs_nothing(tmp_path, protocol):
    (tmp_path / "net.pth").write_bytes(pickle.dumps({"state_dict": Touch(tmp_path / "ran")}, protocol=protocol))
    assert "net.pth" in refusal(tmp_path / "net.pth")
    torch.save({"weight": torch.ones(2), "extra": Touch(tmp_path / "ran")}, tmp_path / "net.pt")
    assert "holds more than tensors" in refusal(tmp_path / "net.pt")
    assert not (tmp_path / "ran").exists()


def header(tmp_path: Path, entries: object, data: bytes = b"", length: int | None = None) -> Path:
    text = json.dumps(entries).encode()
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def test_a_safetensors_header_that_lies_is_refused(tmp_path):
    two = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    petabytes = {"dtype": "F32", "shape": [2**24, 2**26], "data_offsets": [0, 2**52]}
    for entries, data, length in (
        ({"w": two}, b"", None),
        ({"w": two}, b"\0" * 8, 2**62),
        ({"w": two}, b"\0" * 8, 3),
        ({"w": petabytes}, b"\0" * 8, None),
        ({"w": two | {"shape": [2**40, 2**40]}}, b"\0" * 8, None),
        ({"w": two | {"dtype": "PICKLE"}}, b"\0" * 8, None),
        ({"w": two, "v": two}, b"\0" * 8, None),
        ([], b"", None),
    ):
        assert "cut off or no checkpoint" in refusal(header(tmp_path, entries, data, length))


def test_a_view_that_repeats_one_number_is_not_copied_out(tmp_path):
    torch.save({"conv1.weight": torch.ones(1).expand(2**20, 2**20, 2**20)}, tmp_path / "net.pt")
    assert "claims the shape (1048576, 1048576, 1048576), and the file holds 4 bytes" in refusal(tmp_path / "net.pt")


def test_a_zip_that_unpacks_to_more_than_it_holds_is_refused(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1000, 1000)}, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "net.pt", "w") as packed:
        for member in plain.namelist():
            packed.writestr(member, plain.read(member), zipfile.ZIP_DEFLATED)
    assert (tmp_path / "net.pt").stat().st_size < 10_000
    assert "claims to hold 4,0" in refusal(tmp_path / "net.pt")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.sparse_coo_tensor([[0], [1]], [1.0], (2, 2)), "is no plain tensor but torch.sparse_coo"),
        (torch.empty(2**20, 2**20, device="meta"), "on meta"),
        (torch.ones(2, dtype=torch.complex64), "holds torch.complex64 numbers"),
        (torch.ones(2, dtype=torch.int64), "holds torch.int64 numbers"),
        (torch.full((2,), torch.nan), "holds NaN or infinite values"),
    ],
    ids=["sparse", "meta", "complex", "integers", "nan"],
)
def test_what_is_no_weight_is_refused(tmp_path, value, said):
    torch.save({"conv1.weight": value}, tmp_path / "net.pt")
    assert said in refusal(tmp_path / "net.pt")


def test_hostile_keys_make_one_short_line(tmp_path):
    keys = ["\x1b[2J", "a\nb", "<script>", "../../x", "k" * 100_000, "\u202e"]
    torch.save({key: torch.ones(1) for key in keys}, tmp_path / "net.pt")
    refusal(tmp_path / "net.pt")
    save_file({key: torch.ones(1) for key in keys}, tmp_path / "net.safetensors")
    refusal(tmp_path / "net.safetensors")
    looped: dict = {"model": None}
    looped["model"] = looped
    torch.save(looped, tmp_path / "loop.pt")
    refusal(tmp_path / "loop.pt")


def test_truncations_anywhere_are_one_line(tmp_path):
    content = io.BytesIO()
    torch.save({"conv1.weight": torch.ones(4, 4)}, content)
    whole = content.getvalue()
    for end in range(0, len(whole), len(whole) // 25):
        (tmp_path / "net.pt").write_bytes(whole[:end])
        refusal(tmp_path / "net.pt")


def test_names_of_files_make_names_that_are_safe_in_paths(tmp_path):
    for name in ("a b.pt", "-rf.pt", "{task}.pt", "$(id).pt", "a|b.pt", "Ünïcode.pt", "x" * 200 + ".pt", "e\nf.pt"):
        (tmp_path / name).touch()
    (tmp_path / ("net_epoch" + "9" * 100 + ".pt")).touch()
    for found in find_checkpoints(tmp_path):
        assert found.network.isascii() and found.network.replace("_", "a").isalnum() and len(found.network) <= 90
        assert found.epoch < 10**9


def test_a_pipe_among_checkpoints_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match="is no regular file"):
        find_checkpoints(tmp_path)
