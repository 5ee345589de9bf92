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
        """Update the moving average with the gradients and add it to them, in place."""
        if not self.average:
            self.average = [gradient.clone() for gradient in gradients]
        else:
            torch._foreach_lerp_(self.average, gradients, 1 - self.settings.decay)
        torch._foreach_add_(gradients, self.average, alpha=self.settings.amplification)
