"""Which network a task trains; free of torch, so that planning a study stays fast."""

from typing import Annotated, Literal

from pydantic import Field

from causalgrok.settings import Boolean, Integer, Settings


class ResNet18(Settings):
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


Model = ResNet18
"""Any network: a union, told apart by `name`, as soon as there is a second."""
