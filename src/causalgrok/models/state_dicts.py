"""Networks that somebody else trained: their state dicts found, read, checked and opened.

torchvision's and timm's ResNet-18, 34 and 50 have the same keys and shapes. A file is safetensors, or a pickle that is
read with `weights_only`, so that nothing in it can run; neither may claim more numbers than it holds. Everything is
checked before a network is built: after `convert_checkpoints` its folder holds plain state dicts that load without
further questions. Finding files imports no torch, so that a study is planned without it.
"""

import functools
import re
import shutil
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from causalgrok.models.settings import OpenedResNet
from causalgrok.refusals import Refused, shown

if TYPE_CHECKING:
    from torch import Tensor

    from causalgrok.models.resnet import ResNet

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
"""How the name of a checkpoint may end."""

_NUMBER = re.compile(
    r"(?:^|(?<=[-_=. ]))(?<!\d\.)(?P<word>[a-z]*)(?P<gap>[-_=. ]?)(?P<number>\d{1,9})(?=$|[-_=. ])(?!\.\d)",
    re.IGNORECASE,
)
"""A whole number between separators and the word before it; `f37072fd`, `0.01` and 14-digit dates have none."""

_EPOCHS = re.compile(r".*epochs?|ep", re.IGNORECASE)
_STEPS = re.compile(r"e|steps?|it|iter|iteration|ckpt|checkpoint", re.IGNORECASE)
_OTHERS = re.compile(r"resnet|rn|seed|run|fold|trial|repeat|rep|version|width|classes|lr|wd|bs|n|r|s|v", re.IGNORECASE)
"""Words after which a number is an epoch, may as well be one, and is none."""

_PROGRESS = re.compile(r"[-_]?(?:step=\d+|\w+=\d*\.\d+)")
"""What else Lightning puts into a name and differs between the checkpoints of a network."""

_LONGEST = 80
"""Characters of a network's name, which becomes part of file names."""

_ENTRIES = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "ema", "state_dict_ema")
"""Entries under which a training script may have put the state dict; the trained weights before their average."""

_NESTED = 4
"""How deep it may lie; a pickle can hold itself."""

_EXPECTED = "expected a torchvision or timm ResNet-18, 34 or 50"
_ADVICE = "save the weights alone, torch.save(model.state_dict(), path) or safetensors"


class CheckpointError(Refused):
    """A checkpoint that cannot be used; the message is one line that names it and says what to do."""


@dataclass(frozen=True)
class FoundCheckpoint:
    """A file that seems to be a checkpoint, by its name."""

    network: str
    """Name of the network, unique in the folder: lower case letters, digits and underscores."""

    epoch: int
    """The epoch in the file's name; 0 if there is none."""

    path: Path
    """The file."""


def find_checkpoints(folder: str | Path) -> list[FoundCheckpoint]:
    """The checkpoints below a folder, hidden files left out, by network and epoch.

    The epoch is the number after `epoch` or `ep` in the file's name; where no such word is, the last number that stands
    apart (`0050.pth`, `grok_50.pth`, not `resnet18.pth`, `seed_3.pth` or `lr0.01.pth`). Files that differ in that
    number alone are one network's; one without it is a network of its own, at epoch 0.

    Raises:
        CheckpointError: the folder is none or holds no checkpoint, or two files are one network's at one epoch.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise CheckpointError(f"checkpoints {folder} {what}; give the folder that holds the state dicts")
    files: dict[tuple[str, ...], dict[int, Path]] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.suffix.lower() not in SUFFIXES or path.is_dir() or any(p.startswith(".") for p in relative.parts):
            continue
        if path.exists() and not path.is_file():
            raise CheckpointError(f"{path} is no regular file; take it out of the folder of checkpoints")
        network, epoch = _parse(relative)
        if (other := files.setdefault(network, {}).setdefault(epoch, path)) != path:
            raise CheckpointError(f"{other} and {path} are the same network at epoch {epoch}; keep one of them")
    if not files:
        raise CheckpointError(f"checkpoints {folder} holds none; looked for files ending in {', '.join(SUFFIXES)}")
    names = _names(sorted(files))
    return [
        FoundCheckpoint(names[network], epoch, path)
        for network, epochs in sorted(files.items())
        for epoch, path in sorted(epochs.items())
    ]


def _parse(path: Path) -> tuple[tuple[str, ...], int]:
    """What the checkpoints of a network have in common, and the epoch, of a path relative to the folder."""
    stem, folders = path.stem, path.parent.parts
    numbers = list(_NUMBER.finditer(stem))
    epochs = [number for number in numbers if _EPOCHS.fullmatch(number["word"])]
    epochs = epochs or [number for number in numbers if _stands_apart(number)]
    if not epochs:
        return (*folders, stem, ""), 0
    number = epochs[-1]
    rest = _PROGRESS.sub("", stem[number.end() :])
    return (*folders, stem[: number.start("number")], rest), int(number["number"])


def _stands_apart(number: re.Match) -> bool:
    word = number["word"]
    return not _OTHERS.fullmatch(word) and bool(number["gap"] or not word or _STEPS.fullmatch(word))


def _names(networks: list[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """A name for each network that fits the config's names."""
    names: dict[str, tuple[str, ...]] = {}
    for network in networks:
        *folders, before, after = network
        shown = re.sub(r"(?:^|(?<=[^a-z]))(?:epochs?|ep|steps?|checkpoint|ckpt)[-_=. ]*$", "", before.lower())
        slug = re.sub(r"[^a-z0-9]+", "_", "/".join([*folders, shown, after]).lower()).strip("_")[:_LONGEST]
        slug = slug if slug[:1].isalpha() else f"network_{slug}".rstrip("_")
        name, count = slug, 1
        while name in names:
            count += 1
            name = f"{slug}_{count}"
        names[name] = network
    return {network: name for name, network in names.items()}


def read_state_dict(path: str | Path) -> "dict[str, Tensor]":
    """Read a state dict, whatever it is wrapped in, as float32 on the CPU.

    Entries such as `state_dict` are opened; a prefix that all keys share, such as `module.`, is taken off. A head with
    one logit z becomes one with the logits (0, z), whose softmax is the sigmoid of z. Missing `num_batches_tracked`,
    which nothing reads, are zero.

    Raises:
        CheckpointError: the file cannot be read, holds more than tensors, or its weights are not finite.
    """
    import torch

    entries = _load(Path(path))
    for _ in range(_NESTED):
        if isinstance(entries, Mapping):
            entries = next((entries[name] for name in _ENTRIES if isinstance(entries.get(name), Mapping)), entries)
    if not isinstance(entries, Mapping):
        raise CheckpointError(f"{path} holds one {type(entries).__name__}, expected a state dict; {_ADVICE}")
    state = {key: value for key, value in entries.items() if isinstance(value, torch.Tensor) and isinstance(key, str)}
    if not state:
        raise CheckpointError(f"{path} has the entries {_some(entries)} and no tensor among them; {_ADVICE}")
    state = {key: _checked(path, key, value) for key, value in _without_prefix(state).items()}
    for key in [key for key in state if key.endswith(".running_mean")]:
        state.setdefault(key.replace(".running_mean", ".num_batches_tracked"), torch.tensor(0))
    if "fc.weight" in state and state["fc.weight"].dim() == 2 and len(state["fc.weight"]) == 1:
        for key in {"fc.weight", "fc.bias"} & set(state):
            state[key] = torch.cat([torch.zeros_like(state[key]), state[key]])
    return state


def _load(path: Path) -> object:
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an error or nothing: what torch warns of is refused here
            _check_archive(path)
            return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged file can raise anything
        if refused := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise CheckpointError(
                f"{path} holds more than tensors ({refused[1]}), which only running its code could read; {_ADVICE}"
            ) from None
        reason = f"{type(error).__name__}: {error}".splitlines()[0].split(". ")[0]
        raise CheckpointError(f"{path} is cut off or no checkpoint ({reason}); copy it again, or {_ADVICE}") from None


def _check_archive(path: Path) -> None:
    """Refuse a zip file that unpacks to more than it holds: torch writes its files side by side and as they are."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        claimed = sum(member.file_size for member in archive.infolist())
    if claimed > (size := path.stat().st_size):
        raise CheckpointError(f"{path} has {size:,} bytes and claims to hold {claimed:,}, which torch never writes")


def _without_prefix(state: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """The state dict without what stands before the stem's convolution, if that stands before every key."""
    stems = [key for key in state if key.endswith(".conv1.weight")]
    prefix = min(stems, key=len).removesuffix("conv1.weight") if stems else ""
    if not all(key.startswith(prefix) for key in state):
        return state
    return {key.removeprefix(prefix): value for key, value in state.items()}


def _checked(path: str | Path, key: str, value: "Tensor") -> "Tensor":
    import torch

    if value.layout != torch.strided or value.is_nested or value.device.type != "cpu":
        kind = "nested" if value.is_nested else f"{value.layout} on {value.device}"
        raise CheckpointError(f"{path}: {shown(key)} is no plain tensor but {kind}; {_ADVICE}")
    # A view can repeat one number without end, and a copy of it would fill the memory.
    if value.numel() * value.element_size() > (held := value.untyped_storage().nbytes()):
        shape = tuple(value.shape)
        raise CheckpointError(f"{path}: {shown(key)} claims the shape {shape}, and the file holds {held} bytes of it")
    if key.endswith("num_batches_tracked"):
        return value.clone()
    if not value.is_floating_point():
        raise CheckpointError(f"{path}: {shown(key)} holds {value.dtype} numbers, expected floating-point weights")
    # A copy of its own: safetensors writes no two tensors that share their memory.
    value = value.detach().to(torch.float32, copy=True).contiguous()
    if not torch.isfinite(value).all():
        raise CheckpointError(
            f"{path}: {shown(key)} holds NaN or infinite values: the network has diverged; take it out"
        )
    return value


def architecture_of(state: "dict[str, Tensor]") -> OpenedResNet:
    """Which network a state dict is of, if it is one of those that can be opened, key by key and shape by shape.

    Args:
        state: as `read_state_dict` returns it.

    Raises:
        CheckpointError: names the first key that is missing, unexpected or of another shape, and what was expected.
    """
    if not any(key.startswith("layer1.") for key in state):
        raise CheckpointError(f"keys look like {_some(state)}; {_EXPECTED}")
    if "fc.weight" not in state:
        heads = [key.removesuffix(".weight") for key, value in state.items() if value.dim() == 2]
        seen = f"{heads[-1]!r} may be it: rename its keys" if heads else "without it no intervention can be judged"
        raise CheckpointError(f"the head, fc.weight, is missing; {seen}")
    blocks = len({key.split(".")[1] for key in state if key.startswith("layer3.")})
    taken = OpenedResNet(
        depth=50 if "layer1.0.conv3.weight" in state else 18 if blocks <= 2 else 34,
        width=_length(state, "conv1.weight") or 64,
        classes=_length(state, "fc.weight") or 2,
    )
    expected = _shapes(taken)
    for key, shape in expected.items():
        if key not in state:
            raise CheckpointError(f"{key} is missing, expected {shape}; taken for a {taken}; {_EXPECTED}")
        if tuple(state[key].shape) != shape:
            raise CheckpointError(
                f"{key} has the shape {tuple(state[key].shape)}, expected {shape}; taken for a {taken}; {_EXPECTED}"
            )
    if unexpected := [key for key in state if key not in expected]:
        shape = tuple(state[unexpected[0]].shape)
        raise CheckpointError(
            f"{shown(unexpected[0])} of shape {shape} is one of {len(unexpected)} unexpected keys; "
            f"taken for a {taken}; {_EXPECTED}"
        )
    return taken


def _length(state: "dict[str, Tensor]", key: str) -> int:
    return state[key].shape[0] if key in state and state[key].dim() else 0


@functools.cache
def _shapes(architecture: OpenedResNet) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in _meta(architecture).state_dict().items()}


def _meta(architecture: OpenedResNet) -> "ResNet":
    """The network without memory for its weights, and so without a draw of them."""
    import torch

    from causalgrok.models.resnet import ResNet

    with torch.device("meta"):
        return ResNet(classes=architecture.classes, depth=architecture.depth, width=architecture.width)


def open_network(state: "dict[str, Tensor]") -> "ResNet":
    """The network with the weights of a state dict that `read_state_dict` returned, in evaluation mode.

    Raises:
        CheckpointError: it is of no network that can be opened (`architecture_of`).
    """
    network = _meta(architecture_of(state)).to_empty(device="cpu")
    network.load_state_dict(state)
    return network.eval()


def open_checkpoints(
    found: Iterable[FoundCheckpoint], *, classes: int | None = None
) -> "Iterator[tuple[OpenedResNet, int, dict[str, Tensor]]]":
    """Read and check the checkpoints of one network, one at a time.

    Args:
        found: checkpoints of one network.
        classes: rows that its head must have; None takes any.

    Yields:
        The architecture, the epoch and the state dict.

    Raises:
        CheckpointError: a checkpoint cannot be used, or is of another architecture than the first.
    """
    first = None
    for checkpoint in found:
        state = read_state_dict(checkpoint.path)
        try:
            architecture = architecture_of(state)
        except CheckpointError as error:
            raise CheckpointError(f"{checkpoint.path}: {error}") from None
        if classes not in (None, architecture.classes):
            raise CheckpointError(f"{checkpoint.path} is a {architecture}; the images have {classes} labels")
        first = first or (checkpoint.path, architecture)
        if architecture != first[1]:
            raise CheckpointError(
                f"{first[0]} is a {first[1]}, {checkpoint.path} a {architecture}, and their names make them one "
                "network: give each a folder of its own"
            )
        yield architecture, checkpoint.epoch, state


def convert_checkpoints(
    found: Sequence[FoundCheckpoint], folder: str | Path, *, classes: int | None = None
) -> OpenedResNet:
    """Write one network's checkpoints as `epoch<E>.safetensors`, as training does; all of them or none.

    Args:
        found: checkpoints of one network, as `find_checkpoints` returns them.
        folder: where they shall lie; what lies there is replaced.
        classes: rows that the head must have; None takes any.

    Returns:
        What they all are.

    Raises:
        CheckpointError: there is none, one cannot be used, or they differ in architecture.
    """
    from causalgrok.training.checkpoints import save_checkpoint

    folder, architectures = Path(folder), []
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for architecture, epoch, state in open_checkpoints(found, classes=classes):
            save_checkpoint(state, partial / f"epoch{epoch}.safetensors")
            architectures.append(architecture)
        if not architectures:
            raise CheckpointError(f"no checkpoint to write to {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return architectures[0]


def _some(keys: Iterable[object]) -> str:
    """The first three of some keys."""
    keys = [shown(key) for key in keys]
    return (", ".join(keys[:3]) or "none") + (", ..." if len(keys) > 3 else "")
