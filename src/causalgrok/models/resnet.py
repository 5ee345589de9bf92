"""ResNet-18, 34 and 50 with a width, a choice of normalisation, and their stages in the open.

The networks are torchvision's, and start as those do: state dicts of the two are interchangeable at width 64 with batch
normalisation, and so are those of timm's networks of these names. They are written out because importing torchvision
costs every job as much as importing torch, and its constructor fixes the width.
He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition (2016), https://arxiv.org/abs/1512.03385
"""

import functools
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import relu

from causalgrok.models.settings import Inputs, ResNet18
from causalgrok.models.staged import StagedNetwork

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)

_GROUPS = 8
"""Most groups of group normalisation; a width that 8 does not divide gets the largest divisor below."""

Norm = Callable[[int], nn.Module]
"""Normalisation of so many channels."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; ResNet-18's and 34's."""

    expansion = 1
    """Channels that leave the block, in multiples of its width."""

    def __init__(self, inputs: int, width: int, stride: int, norm: Norm):
        super().__init__()
        shortcut = _shortcut(inputs, width, stride, norm)
        self.conv1, self.bn1 = _conv(inputs, width, 3, stride), norm(width)
        self.conv2, self.bn2 = _conv(width, width, 3), norm(width)
        self.downsample = shortcut

    @property
    def last_norm(self) -> nn.Module:
        """The normalisation before the sum."""
        return self.bn2

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (b, inputs, h, w) to (b, width, h / stride, w / stride)."""
        out = relu(self.bn1(self.conv1(maps)), inplace=True)
        return relu(self.bn2(self.conv2(out)).add_(_passed(self.downsample, maps)), inplace=True)


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1 and a shortcut; ResNet-50's."""

    expansion = 4
    """Channels that leave the block, in multiples of its width."""

    def __init__(self, inputs: int, width: int, stride: int, norm: Norm):
        super().__init__()
        shortcut = _shortcut(inputs, width * self.expansion, stride, norm)
        self.conv1, self.bn1 = _conv(inputs, width, 1), norm(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride), norm(width)
        self.conv3, self.bn3 = _conv(width, width * self.expansion, 1), norm(width * self.expansion)
        self.downsample = shortcut

    @property
    def last_norm(self) -> nn.Module:
        """The normalisation before the sum."""
        return self.bn3

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (b, inputs, h, w) to (b, 4 * width, h / stride, w / stride)."""
        out = relu(self.bn1(self.conv1(maps)), inplace=True)
        out = relu(self.bn2(self.conv2(out)), inplace=True)
        return relu(self.bn3(self.conv3(out)).add_(_passed(self.downsample, maps)), inplace=True)


BLOCKS = {18: (BasicBlock, (2, 2, 2, 2)), 34: (BasicBlock, (3, 4, 6, 3)), 50: (Bottleneck, (3, 4, 6, 3))}
"""Depth -> kind of block, and how many of them layer1 to layer4 have."""


class ResNet(StagedNetwork):
    """A residual network that can be narrower than published and can say what each stage computed.

    Args:
        classes: rows of the head.
        depth: 18, 34 or 50 layers.
        width: channels of the stem; 64 is the published network.
        norm: normalisation after each convolution.
        zero_init_last: start the last normalisation gain of each block at zero.
    """

    def __init__(
        self,
        *,
        classes: int,
        depth: Literal[18, 34, 50] = 18,
        width: int = 64,
        norm: Literal["batch", "group", "none"] = "batch",
        zero_init_last: bool = False,
    ):
        super().__init__()
        block, counts = BLOCKS[depth]
        layer_norm = {"batch": nn.BatchNorm2d, "group": _group_norm, "none": _no_norm}[norm]
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False), layer_norm(width)
        inputs = width
        for i, count in enumerate(counts):
            blocks = []
            for place in range(count):
                blocks.append(block(inputs, width * 2**i, 2 if i and not place else 1, layer_norm))
                inputs = width * 2**i * block.expansion
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if zero_init_last and norm != "none":
            for module in self.modules():
                if isinstance(module, block):
                    nn.init.zeros_(module.last_norm.weight)
        self.scale_invariant_convolutions = norm != "none"

    @staticmethod
    def prepare(images: Tensor) -> Tensor:
        """Turn (b, h, w, 3) uint8 images into (b, 3, h, w) float32, normalised as ImageNet."""
        mean, std = _normalisation(images.shape[1:], images.device)
        # The permuted view is channels_last in memory, the faster layout for convolutions on CPU and GPU alike.
        return images.float().div_(255).sub_(mean).div_(std).permute(0, 3, 1, 2)

    def stem(self, inputs: Tensor) -> Tensor:
        """Maps (b, width, h / 4, w / 4) of what `prepare` gives."""
        return functional.max_pool2d(relu(self.bn1(self.conv1(inputs)), inplace=True), 3, stride=2, padding=1)

    def segments(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Stage -> what makes its output of the one before: five maps (b, c, h, w), then ``pooled`` (b, features)."""
        layers = {name: getattr(self, name) for name in ("layer1", "layer2", "layer3", "layer4")}
        return {"stem": self.stem, **layers, "pooled": lambda maps: self.avgpool(maps).flatten(1)}


@functools.cache
def _normalisation(shape: torch.Size, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every pixel (h, w, 3): laid out so, images are normalised five times as fast.

    Kept, since a CUDA graph that is being recorded cannot copy them to the GPU.
    """
    mean, std = (
        torch.tensor(values, device=device).expand(shape).contiguous() for values in (_IMAGENET_MEAN, _IMAGENET_STD)
    )
    return mean, std


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int, norm: Norm) -> nn.Sequential | None:
    """What takes the input to the block's output where the two differ in shape."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_conv(inputs, outputs, 1, stride), norm(outputs))


def _passed(shortcut: nn.Module | None, maps: Tensor) -> Tensor:
    if shortcut is None:
        return maps
    # On processors without AVX-512, oneDNN's 1x1 convolution with a stride writes past the end of channels_last maps of
    # less than 8 channels.
    return shortcut(maps.contiguous() if maps.shape[1] < 8 else maps)


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(g for g in range(1, _GROUPS + 1) if channels % g == 0), channels)


def _no_norm(channels: int) -> nn.Identity:
    return nn.Identity()


def build(settings: ResNet18, *, classes: int, inputs: Inputs | None = None) -> ResNet:
    """Build the network; see `causalgrok.models.registry.build_model`."""
    return ResNet(classes=classes, width=settings.width, norm=settings.norm, zero_init_last=settings.zero_init_last)
