"""Which network a task trains; free of torch, so that planning a study stays fast."""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from causalgrok.settings import Boolean, Integer, Settings

_Positive = Annotated[Integer, Field(ge=1)]
_Width = Annotated[Integer, Field(ge=1, le=65_536)]


class Tokens(Settings):
    """Examples that are sequences of tokens."""

    kind: Literal["tokens"] = "tokens"
    """Integer tokens."""

    length: _Positive
    """Tokens of an example."""

    tokens: _Positive
    """Number of different tokens, 0 to tokens - 1."""


class Vectors(Settings):
    """Examples that are sequences of vectors; a flat example is a sequence of one."""

    kind: Literal["vectors"] = "vectors"
    """Vectors of numbers."""

    length: _Positive
    """Vectors of an example."""

    features: _Positive
    """Numbers of a vector."""


Inputs = Annotated[Tokens | Vectors, Field(discriminator="kind")]
"""What one example looks like, for networks whose layers depend on it."""


class Network(Settings):
    """What every network's settings say of it."""

    reads: ClassVar[tuple[str, ...]] = ("images",)
    """What its inputs may be: images, tokens, vectors."""

    @property
    @abstractmethod
    def features(self) -> int:
        """Channels of the pooled features, which the head reads."""

    @property
    def batch_normalised(self) -> bool:
        """Whether it normalises over a batch, which then needs two examples."""
        return False


class ResNet18(Network):
    """ResNet-18 from scratch (He et al. 2016): torchvision's, with a width and a choice of normalisation."""

    name: Literal["resnet18"] = "resnet18"
    """Which network."""

    width: Annotated[Integer, Field(ge=1, le=512)] = 64
    """Channels of the first stage; the later ones have 2, 4 and 8 times as many. 64 is the published network."""

    norm: Literal["batch", "group", "none"] = "batch"
    """Normalisation after each convolution."""

    zero_init_last: Boolean = True
    """Start the last normalisation gain of each block at zero, as timm does and torchvision does not."""

    @property
    def features(self) -> int:
        """Channels of the pooled features."""
        return 8 * self.width

    @property
    def batch_normalised(self) -> bool:
        """Whether it normalises over a batch, which then needs two examples."""
        return self.norm == "batch"


class Transformer(Network):
    """A decoder-only transformer that answers at an added last token (Power et al. 2022); embeds vectors linearly."""

    name: Literal["transformer"]
    """Which network."""

    reads: ClassVar[tuple[str, ...]] = ("tokens", "vectors")

    layers: Annotated[Integer, Field(ge=1, le=256)] = 1
    """Blocks of attention and MLP: 1 in Nanda et al. (2023), 2 in Power et al. (2022)."""

    width: _Width = 128
    """Dimensions of the residual stream."""

    heads: _Width = 4
    """Attention heads, each of width / heads dimensions."""

    hidden: _Width = 512
    """Units of each block's MLP, ReLU."""

    layer_norm: Boolean = False
    """Layer normalisation after each residual sum, as in Power et al.; without it the network is Nanda et al.'s."""

    @model_validator(mode="after")
    def _divides(self) -> "Transformer":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self

    @property
    def features(self) -> int:
        """Channels of the pooled features: the residual stream at the last token."""
        return self.width


class EmbeddingMLP(Network):
    """One hidden layer on the embeddings of all tokens side by side: the smallest network that groks arithmetic."""

    name: Literal["embedding_mlp"]
    """Which network."""

    reads: ClassVar[tuple[str, ...]] = ("tokens",)

    embedding: _Width = 128
    """Dimensions of a token's embedding, shared by all positions."""

    hidden: _Width = 128
    """Units of the hidden layer, ReLU."""

    @property
    def features(self) -> int:
        """Channels of the pooled features: the hidden layer."""
        return self.hidden


class MLP(Network):
    """A multilayer perceptron on vectors, which it flattens, with PyTorch's default initialisation."""

    name: Literal["mlp"]
    """Which network."""

    reads: ClassVar[tuple[str, ...]] = ("vectors",)

    hidden: Annotated[list[_Width], Field(min_length=1, max_length=64)] = Field([200, 200])
    """Units of each hidden layer."""

    activation: Literal["relu", "sigmoid"] = "relu"
    """What the hidden layers apply to their sums."""

    output: Literal["linear", "sigmoid", "softmax"] = "linear"
    """What is applied to the logits before the loss sees them; cross-entropy, which has its own softmax, asks for
    linear. Scores are those of the logits."""

    @property
    def features(self) -> int:
        """Channels of the pooled features: the last hidden layer."""
        return self.hidden[-1]


class TwinCNN(Network):
    """One small convolutional encoder for both halves of an image, and a hidden layer on the two codes."""

    name: Literal["twin_cnn"]
    """Which network."""

    channels: _Width = 16
    """Channels of the convolution, ReLU."""

    grid: Annotated[Integer, Field(ge=1, le=32)] = 6
    """Cells a side of the grid to which each half is pooled."""

    code: _Width = 128
    """Dimensions of a half's code."""

    hidden: _Width = 256
    """Units of the hidden layer on both codes, ReLU."""

    @property
    def features(self) -> int:
        """Channels of the pooled features: the hidden layer."""
        return self.hidden


class OpenedResNet(Settings):
    """A ResNet that somebody else trained, as its weights show it; no config asks for one."""

    depth: Literal[18, 34, 50]
    """Layers with weights."""

    width: Annotated[Integer, Field(ge=1)]
    """Channels of the stem; 64 in the published networks."""

    classes: Annotated[Integer, Field(ge=1)]
    """Rows of the head."""

    @property
    def features(self) -> int:
        """Channels of the pooled features."""
        return 8 * self.width * (4 if self.depth == 50 else 1)

    def __str__(self) -> str:
        width = "" if self.width == 64 else f" of width {self.width}"
        return f"ResNet-{self.depth}{width} with {self.classes} classes"


Model = Annotated[ResNet18 | Transformer | EmbeddingMLP | MLP | TwinCNN, Field(discriminator="name")]
"""Any network, told apart by `name`."""
