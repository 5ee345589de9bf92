"""Subclasses that no label names: which network looks at the examples, and how what it makes of them is clustered."""

from typing import Annotated, Literal

from pydantic import Field

from causalgrok.settings import Integer, Settings


class ClusteringSettings(Settings):
    """What the clusters of a dataset depend on, besides its examples."""

    clusters: Annotated[Integer, Field(ge=2, le=100)]
    """k: clusters of each class, which are its subclasses."""

    layer: Literal["stem", "layer1", "layer2", "layer3", "layer4"]
    """Stage of the network, a ResNet-18, whose maps (channels, height, width) are clustered."""

    grid: Annotated[Integer, Field(ge=1, le=64)] | None = None
    """Cells a side over which these maps are averaged before, 1 for their mean; empty: as they are."""

    width: Annotated[Integer, Field(ge=1, le=64)] = 8
    """Channels of the network's first stage."""

    examples: Annotated[Integer, Field(ge=2, le=1_000_000)] = 20_000
    """Training examples, the last, that the network learns from; they are clustered and shown to runs never."""

    epochs: Annotated[Integer, Field(ge=1, le=1000)] = 5
    """Passes over them."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Seed of the network and of k-means."""
