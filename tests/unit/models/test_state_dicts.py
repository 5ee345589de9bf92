import functools
import os
import pickle
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18, resnet34, resnet50, resnext50_32x4d, vit_b_16

from causalgrok.models.resnet import ResNet
from causalgrok.models.settings import OpenedResNet
from causalgrok.models.state_dicts import (
    CheckpointError,
    FoundCheckpoint,
    architecture_of,
    convert_checkpoints,
    find_checkpoints,
    open_network,
    read_state_dict,
)
from causalgrok.training.checkpoints import all_checkpoints

BUILDERS = {18: resnet18, 34: resnet34, 50: resnet50}


def state_of(depth=18, width=4, classes=2) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in drawn(depth, width, classes).items()}


@functools.cache
def drawn(depth: int, width: int, classes: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(depth)
    with torch.device("meta"):
        state = ResNet(classes=classes, depth=depth, width=width).state_dict()
    for key, value in state.items():
        weight = value.dim() > 1
        state[key] = torch.randn(value.shape) / 8 if weight else (torch.rand(value.shape) / 8 + 0.5).to(value.dtype)
    return state


def refusal(call, *args, **kwargs) -> str:
    with pytest.raises(CheckpointError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def found(folder: Path, *names: str) -> list[tuple[str, int, str]]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [(one.network, one.epoch, str(one.path.relative_to(folder))) for one in find_checkpoints(folder)]


def test_finds_the_checkpoints_of_networks(tmp_path):
    assert found(
        tmp_path,
        *("seed1/epoch100.pth", "seed1/epoch50.safetensors", "seed0/epoch50.pth", "seed0/notes.txt"),
        *("grok_seed0_ep0100.pth", "grok_seed0_ep0050.pth", "grok_seed1_ep0050.pth", "best.PT"),
        *(".cache/epoch1.pth", "seed0/.epoch60.pth.partial", "deep/er/0050.bin", "deep/er/0100.bin"),
    ) == [
        ("best", 0, "best.PT"),
        ("deep_er", 50, "deep/er/0050.bin"),
        ("deep_er", 100, "deep/er/0100.bin"),
        ("grok_seed0", 50, "grok_seed0_ep0050.pth"),
        ("grok_seed0", 100, "grok_seed0_ep0100.pth"),
        ("grok_seed1", 50, "grok_seed1_ep0050.pth"),
        ("seed0", 50, "seed0/epoch50.pth"),
        ("seed1", 50, "seed1/epoch50.safetensors"),
        ("seed1", 100, "seed1/epoch100.pth"),
    ]


@pytest.mark.parametrize(
    ("name", "network", "epoch"),
    [
        ("epoch7.pth", "network", 7),
        ("0007.pth", "network", 7),
        ("grok_7.pth", "grok", 7),
        ("7_seed_3.pth", "seed_3", 7),
        ("ep7_seed3.pth", "seed3", 7),
        ("model_epoch_7_ema.pth", "model_ema", 7),
        ("epoch=7-step=224.ckpt", "network", 7),
        ("run/epoch=7-val_loss=0.31.ckpt", "run", 7),
        ("checkpoint-7.bin", "network", 7),
        ("resnet18.pth", "resnet18", 0),
        ("resnet18-f37072fd.pth", "resnet18_f37072fd", 0),
        ("resnet_50.pth", "resnet_50", 0),
        ("grok_seed3.pth", "grok_seed3", 0),
        ("seed_3.pth", "seed_3", 0),
        ("camelyon17.pth", "camelyon17", 0),
        ("lr0.01.pth", "lr0_01", 0),
        ("wd_0.005.pth", "wd_0_005", 0),
        ("Größe.pth", "gr_e", 0),
        ("17a/best.pth", "network_17a_best", 0),
        ("_.pth", "network", 0),
    ],
)
def test_reads_name_and_epoch_from_a_path(tmp_path, name, network, epoch):
    assert found(tmp_path, name) == [(network, epoch, name)]


def test_names_are_unique_and_stable(tmp_path):
    names = ["a b.pth", "a-b.pth", "a_b.pth", "a_b_2.pth", "A/b.pth", f"{'x' * 100}.pth", f"{'x' * 101}.pth"]
    first = found(tmp_path, *names)
    assert first == found(tmp_path)
    networks = [network for network, _, _ in first]
    assert len(set(networks)) == len(names)
    assert all(re.fullmatch("[a-z][a-z0-9_]*", network) for network in networks)


def test_refuses_a_folder_without_checkpoints(tmp_path):
    (tmp_path / "a.pth").touch()
    (tmp_path / "b").mkdir()
    (tmp_path / "b/notes.txt").touch()
    assert "does not exist" in refusal(find_checkpoints, tmp_path / "nowhere")
    assert "is a file, not a folder" in refusal(find_checkpoints, tmp_path / "a.pth")
    assert ".safetensors, .pth, .pt, .bin, .ckpt" in refusal(find_checkpoints, tmp_path / "b")


def test_refuses_two_files_for_one_epoch(tmp_path):
    message = refusal(found, tmp_path, "epoch50.pth", "epoch050.pth")
    assert "epoch050.pth and" in message and "epoch 50; keep one" in message
    (tmp_path / "epoch050.pth").unlink()
    assert "epoch50.safetensors" in refusal(found, tmp_path, "epoch50.safetensors")


def test_planning_needs_no_torch(tmp_path):
    (tmp_path / "epoch1.pth").touch()
    code = (
        "from causalgrok.models.state_dicts import find_checkpoints; import sys; "
        f"assert len(find_checkpoints({str(tmp_path)!r})) == 1; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_opens_torchvisions_networks(tmp_path, depth):
    torch.manual_seed(depth)
    reference = BUILDERS[depth](num_classes=2)
    with torch.no_grad():
        for name, buffer in reference.named_buffers():
            if buffer.is_floating_point():
                buffer.copy_(torch.rand_like(buffer) + (0.5 if name.endswith("var") else -0.5))
    path = tmp_path / "network.safetensors"
    save_file(reference.state_dict(), path)
    state = read_state_dict(path)
    assert architecture_of(state) == OpenedResNet(depth=depth, width=64, classes=2)
    network, images = open_network(state), torch.randn(2, 3, 40, 40)
    assert not network.training
    with torch.no_grad():
        assert torch.equal(network(images), reference.eval()(images))


def wrapped(state: dict, kind: str) -> dict:
    prefixed = {f"module.{key}": value for key, value in state.items()}
    return {
        "plain": state,
        "lightning": {"epoch": 3, "state_dict": {f"net.backbone.{key}": v for key, v in state.items()}, "loops": {}},
        "parallel": {"model_state_dict": prefixed, "optimizer": {"state": {0: torch.zeros(2)}}, "epoch": 3},
        "averaged": {"model": state, "ema": {key: value * 0 for key, value in state.items()}, "accuracy": 0.5},
        "averages": {"epoch": 3, "ema": {"module": state}},
        "twice": {"model": {"state_dict": prefixed}},
        "flat": state | {"epoch": 3, 7: "seven"},
    }[kind]


@pytest.mark.parametrize("kind", ["plain", "lightning", "parallel", "averaged", "averages", "twice", "flat"])
@pytest.mark.parametrize("suffix", [".pth", ".ckpt"])
def test_unwraps_what_training_scripts_save(tmp_path, kind, suffix):
    state = state_of()
    torch.save(wrapped(state, kind), tmp_path / f"network{suffix}")
    found = read_state_dict(tmp_path / f"network{suffix}")
    assert set(found) == set(state)
    assert all(torch.equal(found[key], value) for key, value in state.items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_reads_weights_of_any_precision_as_float32(tmp_path, dtype, suffix):
    state = {key: v.to(dtype) if v.is_floating_point() else v for key, v in state_of().items()}
    path = tmp_path / f"network{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    found = read_state_dict(path)
    assert all(v.dtype in (torch.float32, torch.int64) for v in found.values())
    assert all(torch.equal(found[key], v.float()) for key, v in state.items() if v.is_floating_point())
    assert open_network(found).conv1.weight.dtype == torch.float32


def test_fills_in_what_nothing_reads(tmp_path):
    state = state_of()
    torch.save({k: v for k, v in state.items() if "num_batches_tracked" not in k}, tmp_path / "old.pth")
    found = read_state_dict(tmp_path / "old.pth")
    assert set(found) == set(state)
    open_network(found)


def test_one_logit_becomes_two(tmp_path):
    state = state_of(classes=1)
    torch.save(state, tmp_path / "sigmoid.pth")
    found = read_state_dict(tmp_path / "sigmoid.pth")
    assert architecture_of(found).classes == 2
    reference, images = ResNet(classes=1, width=4).eval(), torch.randn(3, 3, 36, 36)
    reference.load_state_dict(state)
    with torch.no_grad():
        expected = reference(images).sigmoid()[:, 0]
        assert torch.allclose(open_network(found)(images).softmax(dim=1)[:, 1], expected, atol=1e-6)
        assert expected.min() > 0.01 and expected.max() < 0.99 and expected.std() > 0, "a test that could not fail"


class Hostile:
    """Creates a file when unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("suffix", [".pth", ".bin", ".ckpt"])
@pytest.mark.parametrize("save", ["zip", "legacy", "pickle"])
def test_a_hostile_pickle_is_refused_and_does_not_run(tmp_path, suffix, save):
    trace, path = tmp_path / "ran", tmp_path / f"network{suffix}"
    content = state_of(width=1) | {"extra": Hostile(trace)}
    if save == "pickle":
        path.write_bytes(pickle.dumps(Hostile(trace), protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=save == "zip")
    message = refusal(read_state_dict, path)
    assert str(path) in message and "torch.save(model.state_dict(), path)" in message
    assert not trace.exists()
    with path.open("rb") as handle:
        if save == "pickle":
            pickle.load(handle)
        else:
            torch.load(handle, weights_only=False)
    assert trace.exists(), "the trap itself does not work"


def test_refuses_more_than_tensors_and_names_it(tmp_path):
    torch.save({"state_dict": state_of(width=1), "args": Namespace(lr=1)}, tmp_path / "args.pth")
    assert "holds more than tensors (argparse.Namespace)" in refusal(read_state_dict, tmp_path / "args.pth")
    torch.save(ResNet(classes=2, width=1), tmp_path / "module.pth")
    assert "holds more than tensors (causalgrok." in refusal(read_state_dict, tmp_path / "module.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_refuses_files_that_are_no_checkpoint(tmp_path, suffix):
    path = tmp_path / f"network{suffix}"
    assert "cannot be read" in refusal(read_state_dict, path)
    save_file(state_of(), path) if suffix == ".safetensors" else torch.save(state_of(), path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:10], b"", b"hello world\n", b"\0" * 1000):
        path.write_bytes(content)
        assert "is cut off or no checkpoint" in refusal(read_state_dict, path)
    path.unlink()
    path.mkdir()
    assert str(path) in refusal(read_state_dict, path)


def test_refuses_files_that_hold_no_state_dict(tmp_path):
    path = tmp_path / "network.pth"
    torch.save([torch.zeros(2)], path)
    assert "holds one list, expected a state dict" in refusal(read_state_dict, path)
    torch.save({"encoder": {"a": torch.zeros(2)}, "epoch": 3}, path)
    assert "has the entries 'encoder', 'epoch' and no tensor" in refusal(read_state_dict, path)
    torch.save({}, path)
    assert "no tensor among them" in refusal(read_state_dict, path)


def test_a_pickle_that_holds_itself_ends(tmp_path):
    endless = {"epoch": 1}
    endless["model"] = endless
    torch.save(endless, tmp_path / "network.pth")
    assert "no tensor among them" in refusal(read_state_dict, tmp_path / "network.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_weights_that_are_not_finite(tmp_path, value):
    state = state_of()
    state["layer2.0.bn1.running_var"][1] = value
    torch.save(state, tmp_path / "diverged.pth")
    message = refusal(read_state_dict, tmp_path / "diverged.pth")
    assert "diverged.pth: 'layer2.0.bn1.running_var' holds NaN or infinite values" in message


def test_refuses_weights_that_are_no_numbers_with_a_point(tmp_path):
    torch.save(state_of() | {"fc.weight": torch.zeros(2, 32, dtype=torch.int8)}, tmp_path / "quantised.pth")
    assert "'fc.weight' holds torch.int8" in refusal(read_state_dict, tmp_path / "quantised.pth")


def changed(state: dict, **values: object) -> dict:
    """The state dict without the keys whose new value is None; a double underscore stands for a point."""
    state = state | {key.replace("__", "."): value for key, value in values.items()}
    return {key: value for key, value in state.items() if value is not None}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (lambda s: changed(s, layer3__1__conv2__weight=None), "layer3.1.conv2.weight is missing, expected (16, 16, 3"),
        (lambda s: changed(s, conv1__weight=None), "conv1.weight is missing, expected (64, 3, 7, 7)"),
        (lambda s: changed(s, fc__bias=None), "fc.bias is missing, expected (2,)"),
        (
            lambda s: changed(s, conv1__weight=torch.zeros(4, 3, 3, 3)),
            "conv1.weight has the shape (4, 3, 3, 3), expected (4, 3, 7, 7); taken for a ResNet-18 of width 4 with 2",
        ),
        (lambda s: changed(s, fc__weight=torch.zeros(2, 7)), "fc.weight has the shape (2, 7), expected (2, 32)"),
        (lambda s: changed(s, fc__weight=torch.zeros(())), "fc.weight has the shape (), expected (2, 32)"),
        (lambda s: changed(s, fc__weight=torch.zeros(0, 32)), "fc.weight has the shape (0, 32), expected (2, 32)"),
        (lambda s: changed(s, layer1__0__se__weight=torch.zeros(3)), "'layer1.0.se.weight' of shape (3,) is one of 1"),
        (lambda s: changed(s, fc__weight=None), "the head, fc.weight, is missing; without it"),
        (
            lambda s: changed(s, fc__weight=None, head__fc__weight=torch.zeros(2, 32)),
            "the head, fc.weight, is missing; 'head.fc' may be it",
        ),
        (lambda s: {"cls_token": torch.zeros(1), "pos": torch.zeros(1)}, "keys look like 'cls_token', 'pos'; expected"),
        (lambda s: {}, "keys look like none; expected a torchvision"),
    ],
)
def test_refuses_other_networks_and_names_the_first_difference(state, said):
    for call in (architecture_of, open_network):
        assert said in refusal(call, state(state_of()))


def test_refuses_relatives_of_the_three():
    with torch.device("meta"):
        states = [build().state_dict() for build in (resnext50_32x4d, vit_b_16)]
    message = refusal(architecture_of, states[0])
    assert "taken for a ResNet-50 with 1000 classes" in message
    assert "layer1.0.conv1.weight has the shape (128, 64, 1, 1), expected (64, 64, 1, 1)" in message
    assert "keys look like 'class_token'" in refusal(architecture_of, states[1])


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_a_network_too_deep_is_told_from_one_that_lacks_a_block(depth):
    state = state_of(depth)
    last = max(int(key.split(".")[1]) for key in state if key.startswith("layer3."))
    longer = state | {k.replace(f"3.{last}.", f"3.{last + 1}."): v for k, v in state.items() if f"layer3.{last}." in k}
    if depth > 18:
        assert f"'layer3.{last + 1}.conv1.weight' of shape" in refusal(architecture_of, longer)
        shorter = {key: value for key, value in state.items() if f"layer3.{last}." not in key}
        assert f"layer3.{last}.conv1.weight is missing" in refusal(architecture_of, shorter)
    assert f"ResNet-{depth} of width 4" in refusal(architecture_of, changed(state, fc__bias=None))


def checkpoints(folder: Path, *states: dict) -> list[FoundCheckpoint]:
    folder.mkdir()
    for i, state in enumerate(states):
        torch.save(state, folder / f"epoch{50 * i}.pth")
    return find_checkpoints(folder)


def test_converts_what_training_could_have_written(tmp_path):
    states = [state_of(), {f"module.{key}": value for key, value in state_of().items()}]
    files, target = checkpoints(tmp_path / "theirs", *states), tmp_path / "ours/checkpoints"
    (target / "old").mkdir(parents=True)
    assert convert_checkpoints(files, target, classes=2) == OpenedResNet(depth=18, width=4, classes=2)
    assert sorted(path.name for path in target.iterdir()) == ["epoch0.safetensors", "epoch50.safetensors"]
    assert [path.name for path in target.parent.iterdir()] == ["checkpoints"]
    for (epoch, state), expected in zip(all_checkpoints(target), states, strict=True):
        assert epoch in (0, 50)
        model = ResNet(classes=2, width=4)
        model.load_state_dict(state)
        assert torch.equal(model.fc.weight, expected.get("fc.weight", expected.get("module.fc.weight")))


def test_converts_tensors_that_share_their_memory(tmp_path):
    state = state_of()
    state["layer1.0.bn1.bias"] = state["layer1.0.bn2.bias"]
    convert_checkpoints(checkpoints(tmp_path / "theirs", state), tmp_path / "ours")
    assert len(list(all_checkpoints(tmp_path / "ours"))) == 1


@pytest.mark.parametrize(
    ("second", "options", "said"),
    [
        (state_of(34), {}, "epoch50.pth a ResNet-34 of width 4 with 2 classes, and their names make them one"),
        (state_of(width=5), {}, "epoch50.pth a ResNet-18 of width 5"),
        (changed(state_of(), fc__bias=None), {}, "epoch50.pth: fc.bias is missing"),
        ({"fc.bias": "none"}, {}, "epoch50.pth has the entries"),
        (state_of(), {"classes": 3}, "epoch0.pth is a ResNet-18 of width 4 with 2 classes; the images have 3 labels"),
    ],
)
def test_writes_all_checkpoints_or_none(tmp_path, second, options, said):
    files, target = checkpoints(tmp_path / "theirs", state_of(), second), tmp_path / "ours"
    assert said in refusal(convert_checkpoints, files, target, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


def test_refuses_to_convert_nothing(tmp_path):
    assert "no checkpoint" in refusal(convert_checkpoints, [], tmp_path / "ours")
