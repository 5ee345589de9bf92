"""A small decoder-only transformer for tasks such as modular arithmetic.

A last token, ``=``, is added to an example's tokens, and the answer is read off there. Vectors are embedded linearly,
without a bias, and the one that is added is zero: what it brings is its position. A block is causal softmax
attention without biases and a ReLU MLP with them, each added to the residual stream. Without layer normalisation the
network and its initialisation are those of Nanda et al.; with it, each residual sum is normalised as in Power et al.,
whose position encoding, MLP biases and initialisation are PyTorch's, not ours.

Nanda, Chan, Lieberum, Smith, Steinhardt: Progress measures for grokking (2023), https://arxiv.org/abs/2301.05217
Power, Burda, Edwards, Babuschkin, Misra: Grokking (2022), https://arxiv.org/abs/2201.02177
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from causalgrok.models.settings import Inputs
from causalgrok.models.settings import Transformer as TransformerSettings


class Attention(nn.Module):
    """Causal softmax attention of several heads, without biases."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, stream: Tensor, *, last: bool = False) -> Tensor:
        """What each position (b, length, width) takes from itself and those before it, or the last (b, 1, width)."""
        asking = stream[:, -1:] if last else stream
        query, key, value = (
            layer(read).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, read in ((self.query, asking), (self.key, stream), (self.value, stream))
        )
        # All positions are before the last, or it.
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=not last)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then an MLP, each added to the residual stream and, if asked for, normalised."""

    def __init__(self, settings: TransformerSettings):
        super().__init__()
        self.attention = Attention(settings.width, settings.heads)
        self.mlp_in = nn.Linear(settings.width, settings.hidden)
        self.mlp_out = nn.Linear(settings.hidden, settings.width)
        norms = [nn.LayerNorm(settings.width) if settings.layer_norm else nn.Identity() for _ in range(2)]
        self.attention_norm, self.mlp_norm = norms

    def forward(self, stream: Tensor, *, last: bool = False) -> Tensor:
        """The residual stream (b, length, width) after this block, or that of the last position (b, 1, width)."""
        kept = stream[:, -1:] if last else stream
        stream = self.attention_norm(kept + self.attention(stream, last=last))
        return self.mlp_norm(stream + self.mlp_out(functional.relu(self.mlp_in(stream))))


class Transformer(nn.Module):
    """The network.

    Args:
        settings: layers, width, heads, MLP and normalisation.
        classes: rows of the head.
        inputs: what an example looks like, without what is added.
    """

    def __init__(self, settings: TransformerSettings, *, classes: int, inputs: Inputs):
        super().__init__()
        self.inputs = inputs
        if inputs.kind == "tokens":
            self.embedding = nn.Embedding(inputs.tokens + 1, settings.width)
        else:
            self.embedding = nn.Linear(inputs.features, settings.width, bias=False)
        self.position = nn.Embedding(inputs.length + 1, settings.width)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.fc = nn.Linear(settings.width, classes, bias=False)
        self._initialise(settings.width)

    @torch.no_grad()
    def _initialise(self, width: int) -> None:
        """Nanda et al.'s: every weight normal with deviation 1 / sqrt(width), the head's 1 / sqrt(its rows)."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                rows = len(module.weight) if module is self.fc else width
                module.weight.normal_(std=1 / math.sqrt(rows))
            if isinstance(module, nn.Linear) and module.bias is not None:
                module.bias.zero_()

    def prepare(self, examples: Tensor) -> Tensor:
        """Add the last item: (b, length) int64 to (b, length + 1), (b, length, features) float32 likewise."""
        if self.inputs.kind == "tokens":
            return functional.pad(examples, (0, 1), value=self.inputs.tokens)
        return functional.pad(examples, (0, 0, 0, 1))

    def stages(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield each stage's name and its output (b, width) at the last token, ``pooled`` the last."""
        stream = self.embedding(inputs) + self.position.weight
        yield "embedding", stream[:, -1]
        for i, block in enumerate(self.blocks, start=1):
            # Of the last block's positions the head reads one: with three, the others are half of a step's work.
            stream = block(stream, last=i == len(self.blocks))
            if i < len(self.blocks):
                yield f"block{i}", stream[:, -1]
        yield "pooled", stream[:, -1]

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (b, classes) of what `prepare` gives."""
        return self.fc(dict(self.stages(inputs))["pooled"])


def build(settings: TransformerSettings, *, classes: int, inputs: Inputs) -> Transformer:
    """Build the network; see `causalgrok.models.registry.build_model`."""
    return Transformer(settings, classes=classes, inputs=inputs)
