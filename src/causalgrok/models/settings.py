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


Model = ResNet18
"""Any network: a union, told apart by `name`, as soon as there is a second."""
