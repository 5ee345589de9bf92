"""A convolutional network that reads the two halves of an image with one encoder and puts them together.

    code(half) = A pool(relu(conv(half))) + a,    logits = V relu(W [code(left), code(right)] + b) + c

Pooling is to a grid, which keeps where things are: an average over the whole half would lose what the network is asked.
The shared encoder stands where `embedding_mlp` has its embedding of tokens, which here has to be learned from pixels.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from causalgrok.models.resnet import ResNet
from causalgrok.models.settings import Inputs
from causalgrok.models.settings import TwinCNN as TwinCNNSettings
from causalgrok.models.staged import StagedNetwork


class TwinCNN(StagedNetwork):
    """One encoder for both halves, one hidden ReLU layer on their codes, and a linear head.

    Args:
        settings: channels, grid, code and hidden units.
        classes: rows of the head.
    """

    def __init__(self, settings: TwinCNNSettings, *, classes: int):
        super().__init__()
        self.grid = settings.grid
        self.conv = nn.Conv2d(3, settings.channels, kernel_size=3, padding=1)
        self.code = nn.Linear(settings.channels * settings.grid**2, settings.code)
        self.hidden = nn.Linear(2 * settings.code, settings.hidden)
        self.fc = nn.Linear(settings.hidden, classes)

    @staticmethod
    def prepare(images: Tensor) -> Tensor:
        """Turn (b, h, 2 h, 3) uint8 images into (b, 3, h, 2 h) float32, normalised as ImageNet."""
        return ResNet.prepare(images)

    def segments(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Stage -> what makes its output of the one before.

        ``conv`` (b, channels, h, 2 h) of the halves side by side, ``code`` (b, 2 * code), ``pooled`` (b, hidden).
        """
        return {
            "conv": lambda images: torch.cat(self._maps(images), dim=3),
            "code": lambda maps: self._codes(maps.chunk(2, dim=3)),
            "pooled": lambda codes: functional.relu(self.hidden(codes)),
        }

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (b, classes) of what `prepare` gives."""
        # As through the stages, without joining the halves' maps and cutting them again: an eighth of a step.
        return self.fc(functional.relu(self.hidden(self._codes(self._maps(inputs)))))

    def _maps(self, images: Tensor) -> list[Tensor]:
        """Maps (b, channels, h, h) of the halves, apart, so that neither sees the other's edge."""
        return [functional.relu(self.conv(half)) for half in images.chunk(2, dim=3)]

    def _codes(self, halves: Sequence[Tensor]) -> Tensor:
        """Codes (b, 2 * code) of the halves' maps (b, channels, h, h)."""
        pooled = [functional.adaptive_avg_pool2d(half, self.grid).flatten(1) for half in halves]
        return torch.cat([self.code(half) for half in pooled], dim=1)


def build(settings: TwinCNNSettings, *, classes: int, inputs: Inputs | None = None) -> TwinCNN:
    """Build the network; see `causalgrok.models.registry.build_model`."""
    return TwinCNN(settings, classes=classes)
