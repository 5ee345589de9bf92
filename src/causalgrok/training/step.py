"""One optimisation step: forward, backward, Grokfast's filter, the optimiser's update.

Examples are gathered and prepared where the network lies, so that a step copies nothing to the device. On a GPU equal
steps can be recorded once as a CUDA graph and replayed: the same kernels on the same memory, without Python between
them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from causalgrok.training.adamw import AdamW
from causalgrok.training.grokfast import GradientFilter
from causalgrok.training.loss import Loss
from causalgrok.training.settings import Precision

WARM_UP = 3
"""Steps that run as they are before one is recorded: they allocate what a recording has to find in place."""


class Step:
    """Trains a network on one batch after another.

    Args:
        model: the network, in training mode whenever it is trained.
        loss: what is minimised, on average over the batch.
        examples: all training examples (n, ...) and their labels (n,), on the network's device.
        optimiser: of the network's parameters.
        grokfast: the filter of their gradients, or None.
        precision: of the products in forward and backward; weights, gradients and moments are float32 in any case.
        record: turns a step into its replay, as `cuda_graph` does; None runs every step as it is.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        examples: tuple[Tensor, Tensor],
        *,
        optimiser: AdamW,
        grokfast: GradientFilter | None = None,
        precision: Precision = "float32",
        record: Callable[[Callable[[], None]], Callable[[], None]] | None = None,
    ):
        self.model, self.loss, self.optimiser, self.grokfast = model, loss, optimiser, grokfast
        self.inputs, self.labels = examples
        self.precision, self.record = precision, record
        self._warm = 0
        self._first: Tensor | None = None
        self._replay: Callable[[], None] | None = None

    def __call__(self, batch: Tensor | None, *, before_update: Callable[[], None] | None = None) -> None:
        """One step.

        Args:
            batch: (b,) which examples, on the device; None for all of them.
            before_update: called once the gradients are there, before anything has changed them or the weights.
        """
        if self.record is None or before_update:
            self._run(batch, before_update)
            return
        if not self._warm and batch is not None:
            self._first = batch.clone()
        # The final batch of an epoch may be smaller than the first, whose size is the one that is recorded.
        if batch is not None and len(batch) != len(self._first):
            self._run(batch)
        elif self._warm < WARM_UP:
            self._run(batch)
            self._warm += 1
        else:
            if batch is not None:
                self._first.copy_(batch)
            self._replay = self._replay or self.record(lambda: self._run(self._first))
            self._replay()

    def _run(self, batch: Tensor | None, before_update: Callable[[], None] | None = None) -> None:
        inputs, labels = self.inputs, self.labels
        # Not zero_grad(), which costs a small network an eighth of its time. First, so that their memory is used again.
        for parameter in self.optimiser.parameters:
            parameter.grad = None
        if batch is not None:
            inputs, labels = inputs.index_select(0, batch), labels.index_select(0, batch)
        with _tensor_float_32(self.precision == "tf32"):
            gradients = self._gradients(self.model.prepare(inputs), labels)
        if before_update:
            for parameter, gradient in zip(self.optimiser.parameters, gradients, strict=True):
                parameter.grad = gradient
            before_update()
        if self.grokfast:
            self.grokfast.amplify(gradients)
        self.optimiser.update(gradients)

    def _gradients(self, inputs: Tensor, labels: Tensor) -> list[Tensor]:
        """The loss's gradient, a tensor for each parameter."""
        if self.precision != "bfloat16" and hasattr(self.model, "gradients"):
            return self.model.gradients(inputs, lambda logits: self.loss.gradient(logits, labels))
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            logits = self.model(inputs)
        logits = logits.float()
        # The same gradient as logits.backward() of it, which imports the compiler's symbols to compare two shapes.
        (logits * self.loss.gradient(logits.detach(), labels)).sum().backward()
        return [parameter.grad for parameter in self.optimiser.parameters]


def cuda_graph(step: Callable[[], None]) -> Callable[[], None]:
    """Record what a step launches on the GPU, without running it, and return its replay.

    The step must have run before, must take its batch from the same memory each time, and may not wait for the GPU.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


@contextmanager
def _tensor_float_32(allowed: bool) -> Iterator[None]:
    """Whether the GPU may round what goes into a float32 product to TF32, ten bits of mantissa."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
