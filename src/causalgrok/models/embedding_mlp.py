"""A multilayer perceptron on token embeddings: ``logits = V relu(sum_i W_i E[token_i] + b) + c``.

The embedding E is shared by all positions, the first layer W has a part for each. The smallest network that groks
modular arithmetic, after Gromov: Grokking modular arithmetic (2023), https://arxiv.org/abs/2301.02679, which has
one-hot tokens and a quadratic activation.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from causalgrok.models.settings import EmbeddingMLP as EmbeddingMLPSettings
from causalgrok.models.settings import Tokens


class EmbeddingMLP(nn.Module):
    """One hidden ReLU layer on the embeddings of all tokens of an example, side by side.

    Args:
        settings: widths of embedding and hidden layer.
        classes: rows of the head.
        length: tokens of an example.
        tokens: number of different tokens.
    """

    def __init__(self, settings: EmbeddingMLPSettings, *, classes: int, length: int, tokens: int):
        super().__init__()
        self.length = length
        self.embedding = nn.Embedding(tokens, settings.embedding)
        self.hidden = nn.Linear(length * settings.embedding, settings.hidden)
        self.fc = nn.Linear(settings.hidden, classes)
        with torch.no_grad():
            self.embedding.weight.normal_(std=1 / math.sqrt(settings.embedding))
            for layer in (self.hidden, self.fc):
                layer.weight.normal_(std=1 / math.sqrt(layer.in_features))
                layer.bias.zero_()

    @staticmethod
    def prepare(tokens: Tensor) -> Tensor:
        """Tokens (b, length) int64 as they are."""
        return tokens

    def _hidden(self, inputs: Tensor) -> Tensor:
        # The first layer is applied to each token of the vocabulary, not to each example: the same sum, and several
        # times cheaper where there are more examples than tokens.
        parts = self.hidden.weight.chunk(self.length, dim=1)
        sums = self.hidden.bias
        for position, part in enumerate(parts):
            sums = sums + functional.embedding(inputs[:, position], self.embedding.weight @ part.T)
        return functional.relu(sums)

    def stages(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield each stage's name and output: ``embedding`` (b, length * embedding), ``pooled`` (b, hidden)."""
        yield "embedding", self.embedding(inputs).flatten(1)
        yield "pooled", self._hidden(inputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (b, classes) of tokens (b, length)."""
        return self.fc(self._hidden(inputs))


def build(settings: EmbeddingMLPSettings, *, classes: int, inputs: Tokens) -> EmbeddingMLP:
    """Build the network; see `causalgrok.models.registry.build_model`."""
    return EmbeddingMLP(settings, classes=classes, length=inputs.length, tokens=inputs.tokens)
