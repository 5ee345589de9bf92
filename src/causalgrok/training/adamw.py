"""AdamW in one call to torch's fused kernel.

w <- (1 - lr wd) w - lr m' / (sqrt(v') + eps), m' and v' the bias-corrected moving averages of g and g squared.
Loshchilov, Hutter: Decoupled weight decay regularization (2019), https://arxiv.org/abs/1711.05101

``torch.optim.AdamW(fused=True)`` gives the same bits. What it does about the kernel costs a small network more than the
kernel, and its constructor imports torch's compiler, which takes as long as importing torch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from causalgrok.training.recipe import Recipe

_EPSILON = 1e-8
"""torch's and the paper's."""


class AdamW:
    """The moments of some parameters, and their update.

    Args:
        parameters: float32 tensors on one device.
        recipe: learning rate, weight decay and betas.
    """

    def __init__(self, parameters: Sequence[Tensor], recipe: Recipe):
        self.parameters, self.recipe = list(parameters), recipe
        self.first = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.second = [torch.zeros_like(parameter) for parameter in self.parameters]
        # On the device, so that a recorded step counts too.
        self.steps = torch.zeros((), device=self.parameters[0].device)

    @torch.no_grad()
    def update(self, gradients: Sequence[Tensor]) -> None:
        """One step along the gradients, one a parameter."""
        self.steps += 1
        torch._fused_adamw_(
            self.parameters,
            list(gradients),
            self.first,
            self.second,
            [],
            [self.steps] * len(self.parameters),
            lr=self.recipe.learning_rate,
            beta1=self.recipe.betas[0],
            beta2=self.recipe.betas[1],
            weight_decay=self.recipe.weight_decay,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> dict[str, object]:
        """What `restore` takes up."""
        return {"first": self.first, "second": self.second, "steps": self.steps}

    def restore(self, state: dict) -> None:
        """Continue from the state of another, of equal parameters."""
        for ours, theirs in ((self.first, state["first"]), (self.second, state["second"])):
            for tensor, value in zip(ours, theirs, strict=True):
                tensor.copy_(value)
        self.steps.copy_(state["steps"])
