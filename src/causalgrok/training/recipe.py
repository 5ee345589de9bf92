"""Recipes: the optimisation settings that a study compares."""

from typing import Annotated, Literal

from pydantic import Field

from causalgrok.settings import Boolean, Integer, Number, Settings

Decay = Annotated[Number, Field(ge=0, lt=1)]


class GrokfastEma(Settings):
    """Grokfast's gradient filter (Lee et al. 2024): g <- g + amplification * m, m the moving average of g."""

    decay: Annotated[Number, Field(gt=0, lt=1)] = 0.98
    """alpha: how much of the moving average stays at each step."""

    amplification: Annotated[Number, Field(ge=0)] = 2.0
    """lambda: how strongly the moving average is added to the gradient."""


class Recipe(Settings):
    """Optimisation settings: everything about a training except data, network, loss and budget."""

    optimiser: Literal["adamw"] = "adamw"
    """AdamW (Loshchilov & Hutter 2019), decay on every parameter."""

    learning_rate: Annotated[Number, Field(gt=0)] = 1e-3
    """Constant learning rate."""

    weight_decay: Annotated[Number, Field(ge=0)]
    """Decoupled weight decay: each step multiplies the weights by 1 - learning_rate * weight_decay."""

    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """AdamW's decay rates of the first and second moment."""

    init_scale: Annotated[Number, Field(gt=0)] = 1.0
    """Factor on the initial weights of convolutions, linear layers and embeddings."""

    init_scale_biases: Boolean = False
    """Whether the factor is on every parameter, biases too, as in Omnigrok (Liu et al. 2022)."""

    grokfast: GrokfastEma | None = None
    """Gradient filter between backward and step; empty is off."""

    batch_size: Annotated[Integer, Field(ge=1)] = 32
    """Examples a step; the final, smaller batch of an epoch is kept."""

    def exposure(self, steps: int) -> float:
        """Learning rate * weight decay * steps: without gradients, decay alone leaves exp(-exposure) of a norm.

        Below 1 weight decay cannot have undone the initialisation; an equilibrium needs several times 1.
        """
        return self.learning_rate * self.weight_decay * steps
