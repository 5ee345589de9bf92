"""From a model's settings to the network. A new network is a module with a `build` and a line here."""

import importlib
from typing import TYPE_CHECKING

from causalgrok.models.settings import Inputs, Model

if TYPE_CHECKING:
    from torch import nn

MODULES = {
    "resnet18": "causalgrok.models.resnet",
    "transformer": "causalgrok.models.transformer",
    "embedding_mlp": "causalgrok.models.embedding_mlp",
    "mlp": "causalgrok.models.mlp",
    "twin_cnn": "causalgrok.models.twin_cnn",
}
"""Model name -> the module that builds it; imported when asked for, so that one network's edit retrains no other."""


def build_model(settings: Model, *, classes: int, inputs: Inputs | None = None) -> "nn.Module":
    """Build the network with its default initialisation, drawn from torch's global generator.

    Args:
        settings: the network.
        classes: rows of its head.
        inputs: what an example looks like; images of any size need not say.
    """
    return importlib.import_module(MODULES[settings.name]).build(settings, classes=classes, inputs=inputs)
