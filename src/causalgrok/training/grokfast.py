"""Grokfast: amplify the slow part of the gradient.

m <- alpha * m + (1 - alpha) * g, m starting at the first gradient; g <- g + lambda * m, between backward and step.
Lee, Kang, Kim, Lee: Grokfast (2024), https://arxiv.org/abs/2405.20233
"""

import torch
from torch import Tensor

from causalgrok.training.recipe import GrokfastEma


class GradientFilter:
    """The moving average of the gradients of some parameters."""

    def __init__(self, settings: GrokfastEma):
        self.settings = settings
        self.average: list[Tensor] = []

    @torch.no_grad()
    def amplify(self, gradients: list[Tensor]) -> None:
        """Update the moving average with the gradients and add `amplification` times it to them, in place.

        Gradients are one a parameter, of any shape, in the same order each time.

        One pass over both, by the kernel of SGD with momentum: m <- momentum * m + (1 - dampening) * g and
        w <- w - lr * m, with the gradients themselves as w.
        """
        first = not self.average
        if first:
            self.average = [torch.empty_like(gradient) for gradient in gradients]
        torch._fused_sgd_(
            gradients,
            gradients,
            self.average,
            weight_decay=0.0,
            momentum=self.settings.decay,
            dampening=self.settings.decay,
            lr=-self.settings.amplification,
            nesterov=False,
            maximize=False,
            is_first_step=first,
        )
