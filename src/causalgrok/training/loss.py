"""What is minimised: the loss of an example, and the gradient of its average over a batch.

The gradient is put together from the kernels that autograd would call, bit for bit: a step needs no more of the loss,
and autograd's account of it takes a small network a tenth of a step.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

_aten = torch.ops.aten


class Loss(Protocol):
    """A loss of logits (b, classes) and labels (b,)."""

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss (b,) of each example."""

    def gradient(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The gradient (b, classes) of the average loss in the logits."""


class CrossEntropy:
    """``-log softmax(logits)[label]``."""

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See `Loss`."""
        return functional.cross_entropy(logits, labels, reduction="none")

    def gradient(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See `Loss`."""
        upstream = torch.zeros_like(logits).scatter_(1, labels[:, None], -1 / len(labels))
        return _aten._log_softmax_backward_data(upstream, logits.log_softmax(dim=1), 1, logits.dtype)


OUTPUTS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "linear": (lambda logits: logits, lambda gradient, _: gradient),
    "sigmoid": (torch.sigmoid, _aten.sigmoid_backward),
    "softmax": (
        lambda logits: logits.softmax(dim=1),
        lambda gradient, output: _aten._softmax_backward_data(gradient, output, 1, output.dtype),
    ),
}
"""What may stand between logits and squared error; and from its gradient and itself to the gradient of the logits."""


class SquaredError:
    """Squared error to one-hot targets, averaged over classes.

    Args:
        output: linear, sigmoid or softmax: what is applied to the logits before.
    """

    def __init__(self, output: str = "linear"):
        self.output, self.backward = OUTPUTS[output]

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See `Loss`."""
        return functional.mse_loss(self.output(logits), _one_hot(logits, labels), reduction="none").mean(dim=1)

    def gradient(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See `Loss`."""
        output = self.output(logits)
        upstream = _aten.mse_loss_backward(output.new_ones(()), output, _one_hot(logits, labels), 1)
        return self.backward(upstream, output)


def loss_function(name: str, *, output: str = "linear") -> Loss:
    """The loss called cross_entropy or mse.

    Args:
        name: which.
        output: what is applied to the logits before squared error; cross-entropy takes them as they are.
    """
    return CrossEntropy() if name == "cross_entropy" else SquaredError(output)


def _one_hot(logits: Tensor, labels: Tensor) -> Tensor:
    return torch.zeros_like(logits).scatter_(1, labels[:, None], 1)
