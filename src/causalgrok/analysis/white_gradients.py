"""What AdamW does to weights whose gradients are white noise: what norms and angles are read against.

A step is w <- (1 - lr wd) w - lr u, u the gradients' momentum over their root mean square. If gradients are white
noise, u leads nowhere, is orthogonal to w on average, and the norm n of P weights still grows:

    n_{t+1}^2 = (1 - lr wd)^2 n_t^2 + P lr^2 kappa
    n_t^2 = q^t n_0^2 + P lr^2 kappa (1 - q^t) / (1 - q),  q = (1 - lr wd)^2;  n_0^2 + P lr^2 kappa t  without decay

kappa, the persistence, is the long-run variance of u: the sum of its autocovariances over all lags, 1 for independent
steps of 1 a weight. Adam's momentum spreads a gradient over steps and leaves that sum as it is, so kappa = 1 for AdamW.
Grokfast of decay a and amplification l turns white gradients of variance 1 into g + l m with variance v and long-run
variance (1 + l)^2:

    v = 1 + 2 l (1 - a) + l^2 (1 - a) / (1 + a),   kappa = (1 + l)^2 / v

The angle of a step is |lr u| / |w|, so it goes as 1 / |w|; the root mean square of u is sqrt((1 - b) / (1 + b)) for
momentum b without Grokfast. Kosson, Messmer, Jaggi: Rotational equilibrium (2024), https://arxiv.org/abs/2305.17212
derive the same recursion and its equilibrium. What is neglected: the first 1 / (1 - beta_2) steps, in which Adam's mean
square is still noisy, and 1 / (1 - a) steps beside 1 / (lr wd).
"""

import numpy as np
from numpy.typing import ArrayLike


def decayed_norm(
    initial: ArrayLike, steps: ArrayLike, *, learning_rate: ArrayLike, weight_decay: ArrayLike
) -> np.ndarray:
    """The norm after so many steps of decay alone, about exp(-lr wd steps) of the initial one; all broadcast."""
    return np.asarray(initial) * np.abs(1 - np.multiply(learning_rate, weight_decay)) ** np.asarray(steps)


def diffusion_norm(
    initial: ArrayLike,
    steps: ArrayLike,
    *,
    parameters: ArrayLike,
    learning_rate: ArrayLike,
    weight_decay: ArrayLike,
    persistence: ArrayLike = 1.0,
) -> np.ndarray:
    """The norm after so many steps of AdamW on white noise: the null of "the norm grew". All arguments broadcast.

    Args:
        initial: L2 norm before training.
        steps: optimiser steps.
        parameters: number of weights P.
        learning_rate: AdamW's.
        weight_decay: AdamW's, decoupled.
        persistence: kappa; 1 takes steps as uncorrelated, `grokfast_persistence` is that of Grokfast.
    """
    kept = (1 - np.multiply(learning_rate, weight_decay)) ** 2
    left = kept ** np.asarray(steps)
    accumulated = np.where(kept == 1, steps, (1 - left) / np.where(kept == 1, 1, 1 - kept))
    grown = np.square(learning_rate) * np.multiply(parameters, persistence) * accumulated
    return np.sqrt(left * np.square(initial) + grown)


def grokfast_persistence(*, decay: float, amplification: float) -> float:
    """kappa of Grokfast: how much faster than independent steps of equal size its steps spread, in squared norm."""
    return (1 + amplification) ** 2 / _variance(decay, amplification)


def step_rms(*, momentum: float, decay: float = 0.0, amplification: float = 0.0) -> float:
    """Root mean square of u on white noise: a step's length is lr times this times sqrt(P), its angle that over |w|.

    Grokfast's gradients of variance v have the autocovariance c a^j at lag j, c = l (1 - a) + l^2 (1 - a) / (1 + a);
    momentum b leaves (1 - b) / (1 + b) (v + 2 c a b / (1 - a b)) of it.

    Args:
        momentum: Adam's beta_1.
        decay: Grokfast's alpha; without Grokfast 0.
        amplification: Grokfast's lambda; without Grokfast 0.
    """
    variance = _variance(decay, amplification)
    covariance = amplification * (1 - decay) * (1 + amplification / (1 + decay))
    lagged = decay * momentum / (1 - decay * momentum)
    return float(np.sqrt((1 - momentum) / (1 + momentum) * (1 + 2 * covariance / variance * lagged)))


def _variance(decay: float, amplification: float) -> float:
    """Variance of g + l m for white g of variance 1."""
    return 1 + 2 * amplification * (1 - decay) + amplification**2 * (1 - decay) / (1 + decay)
