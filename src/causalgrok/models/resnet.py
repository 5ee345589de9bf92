"""ResNet-18, 34 and 50 with a width, a choice of normalisation, and their stages in the open.

The networks are torchvision's: state dicts of the two are interchangeable at width 64 with batch normalisation, and so
are those of timm's networks of these names.
He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition (2016), https://arxiv.org/abs/1512.03385
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.resnet import ResNet as TorchvisionResNet

from causalgrok.models.settings import Inputs, ResNet18

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
BLOCKS = {18: (BasicBlock, (2, 2, 2, 2)), 34: (BasicBlock, (3, 4, 6, 3)), 50: (Bottleneck, (3, 4, 6, 3))}
"""Depth -> kind of block, and how many of them layer1 to layer4 have."""

_GROUPS = 8
"""Most groups of group normalisation; a width that 8 does not divide gets the largest divisor below."""


class ResNet(TorchvisionResNet):
    """torchvision's ResNet that can be narrower and can say what each stage computed.

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
        block, counts = BLOCKS[depth]
        norm_layer = {"batch": nn.BatchNorm2d, "group": _group_norm, "none": _no_norm}[norm]
        super().__init__(block, list(counts), num_classes=classes, norm_layer=norm_layer)
        if width != self.conv1.out_channels:
            self._resize(block, counts, width, classes)
        if zero_init_last and norm != "none":
            for module in self.modules():
                if isinstance(module, block):
                    nn.init.zeros_((module.bn3 if block is Bottleneck else module.bn2).weight)
        self.scale_invariant_convolutions = norm != "none"

    def _resize(self, block: type[nn.Module], counts: tuple[int, ...], width: int, classes: int) -> None:
        # torchvision fixes the width at 64 inside its constructor, so the layers are made again.
        self.inplanes = width
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(width)
        for i, count in enumerate(counts):
            setattr(self, f"layer{i + 1}", self._make_layer(block, width * 2**i, count, stride=1 if i == 0 else 2))
        self.fc = nn.Linear(width * 8 * block.expansion, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def prepare(images: Tensor) -> Tensor:
        """Turn (b, h, w, 3) uint8 images into (b, 3, h, w) float32, normalised as ImageNet."""
        mean = torch.tensor(_IMAGENET_MEAN, device=images.device)
        std = torch.tensor(_IMAGENET_STD, device=images.device)
        # The permuted view is channels_last in memory, the faster layout for convolutions on CPU and GPU alike.
        return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)

    def stages(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield each stage's name and output: five maps (b, c, h, w), then ``pooled`` (b, features)."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(inputs))))
        yield "stem", maps
        for name in ("layer1", "layer2", "layer3", "layer4"):
            maps = getattr(self, name)(maps)
            yield name, maps
        yield "pooled", torch.flatten(self.avgpool(maps), 1)


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(g for g in range(1, _GROUPS + 1) if channels % g == 0), channels)


def _no_norm(channels: int) -> nn.Identity:
    return nn.Identity()


def build(settings: ResNet18, *, classes: int, inputs: Inputs | None = None) -> ResNet:
    """Build the network; see `causalgrok.models.registry.build_model`."""
    return ResNet(classes=classes, width=settings.width, norm=settings.norm, zero_init_last=settings.zero_init_last)
