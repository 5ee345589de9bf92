"""A multilayer perceptron on vectors, as PyTorch initialises it.

The network of Liu, Michaud, Tegmark: Omnigrok (2022), https://arxiv.org/abs/2210.01117, for its hidden layers of 200
and 200 ReLU units. It gives logits whatever `output` is set to: that belongs to the loss.
"""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from causalgrok.models.settings import MLP as MLPSettings
from causalgrok.models.settings import Vectors

ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "relu": (torch.relu, lambda gradient, output: torch.ops.aten.threshold_backward(gradient, output, 0)),
    "sigmoid": (torch.sigmoid, torch.ops.aten.sigmoid_backward),
}
"""What hidden layers apply, and from the gradient of its output, and the output, to the gradient of its input."""


class MLP(nn.Module):
    """Hidden layers, each linear and an activation, and a linear head.

    Args:
        settings: widths of the hidden layers and their activation.
        classes: rows of the head.
        inputs: what an example looks like.
    """

    def __init__(self, settings: MLPSettings, *, classes: int, inputs: Vectors):
        super().__init__()
        widths = [inputs.length * inputs.features, *settings.hidden]
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(widths))
        self.fc = nn.Linear(widths[-1], classes)
        self.activation, self._backward = ACTIVATIONS[settings.activation]

    @staticmethod
    def prepare(vectors: Tensor) -> Tensor:
        """Vectors (b, length, features) float32 side by side: (b, length * features)."""
        return vectors.flatten(1)

    def stages(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield each stage's name and its output (b, units): ``hidden1``, ... and the last, ``pooled``."""
        for i, layer in enumerate(self.hidden, start=1):
            inputs = self.activation(layer(inputs))
            yield f"hidden{i}" if i < len(self.hidden) else "pooled", inputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (b, classes) of what `prepare` gives."""
        for layer in self.hidden:
            inputs = self.activation(layer(inputs))
        return self.fc(inputs)

    @torch.no_grad()
    def gradients(self, inputs: Tensor, of_logits: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """What a loss's `backward` gives each parameter, in their order: the same kernels without autograd.

        A step on 200 digits takes 3 ms, and a tenth more with autograd's account of what is to be done.

        Args:
            inputs: (b, length * features) float32.
            of_logits: from logits (b, classes) to the loss's gradient, of the same shape.
        """
        layers, seen = [*self.hidden, self.fc], [inputs]
        for layer in self.hidden:
            seen.append(self.activation(torch.addmm(layer.bias, seen[-1], layer.weight.T)))
        gradient = of_logits(torch.addmm(self.fc.bias, seen[-1], self.fc.weight.T))
        found = []
        for place in reversed(range(len(layers))):
            found = [gradient.T @ seen[place], gradient.sum(dim=0), *found]
            if place:
                gradient = self._backward(gradient @ layers[place].weight, seen[place])
        return found


def build(settings: MLPSettings, *, classes: int, inputs: Vectors) -> MLP:
    """Build the network; see `causalgrok.models.registry.build_model`."""
    return MLP(settings, classes=classes, inputs=inputs)
