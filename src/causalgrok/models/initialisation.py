"""Scaled initialisation: the large start that grokking recipes use (Liu et al. 2022, Omnigrok)."""

import torch
from torch import nn


@torch.no_grad()
def scale_weights(model: nn.Module, scale: float, *, biases: bool = False) -> None:
    """Multiply the weights of convolutions, linear layers and embeddings by `scale`, not biases nor normalisation.

    A default torchvision ResNet-18 with 2 classes has a total L2 norm of 111.7; at scale 4 it is 357.3. With the
    last gain of each block at zero they are 102.8 and 354.8.

    Args:
        model: the network.
        scale: the factor.
        biases: multiply every parameter instead, biases and normalisation too.
    """
    weighted = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
    for parameter in model.parameters() if biases else [module.weight for module in weighted]:
        parameter.mul_(scale)
