"""The formulas against their recursions, against AdamW itself, and against the figures of the study's page."""

import math

import numpy as np
import pytest
import torch
from scipy import linalg

from causalgrok.analysis.white_gradients import decayed_norm, diffusion_norm, grokfast_persistence, step_rms
from causalgrok.training.grokfast import GradientFilter
from causalgrok.training.recipe import GrokfastEma

RESNET18 = 11_177_538
"""Parameters of torchvision's ResNet-18 with 2 classes."""


@pytest.mark.parametrize(("learning_rate", "weight_decay"), [(1e-3, 0.0), (1e-3, 5e-3), (0.1, 2.0), (0.5, 4.0)])
def test_closed_form_equals_the_recursion(learning_rate, weight_decay):
    squared, norms, decayed = 9.0, [3.0], [3.0]
    for _ in range(50):
        squared = (1 - learning_rate * weight_decay) ** 2 * squared + 40 * learning_rate**2 * 1.5
        norms.append(math.sqrt(squared))
        decayed.append(abs(1 - learning_rate * weight_decay) * decayed[-1])
    rate = {"learning_rate": learning_rate, "weight_decay": weight_decay}
    np.testing.assert_allclose(diffusion_norm(3.0, np.arange(51), parameters=40, persistence=1.5, **rate), norms)
    np.testing.assert_allclose(decayed_norm(3.0, np.arange(51), **rate), decayed)


def test_arguments_broadcast():
    rates, decays, steps = np.array([1e-3, 1e-2]), np.array([0.0, 0.5]), np.array([10, 200])
    together = diffusion_norm(2.0, steps, parameters=7, learning_rate=rates, weight_decay=decays)
    for i in range(2):
        alone = diffusion_norm(2.0, steps[i], parameters=7, learning_rate=rates[i], weight_decay=decays[i])
        assert together[i] == pytest.approx(float(alone))


def test_published_settings_give_the_known_figures():
    """96,000 steps at n = 1000: 1,037 for standard, 859 to 2,359 for grokking."""
    standard = diffusion_norm(111.7, 96_000, parameters=RESNET18, learning_rate=1e-3, weight_decay=1e-4)
    assert standard == pytest.approx(1037, abs=0.5)
    grokking = {"parameters": RESNET18, "learning_rate": 1e-3, "weight_decay": 5e-3}
    persistence = grokfast_persistence(decay=0.98, amplification=2)
    assert diffusion_norm(357.3, 96_000, **grokking) == pytest.approx(859, abs=0.5)
    assert diffusion_norm(357.3, 96_000, **grokking, persistence=persistence) == pytest.approx(2359, rel=0.003)
    assert decayed_norm(357.3, 96_000, learning_rate=1e-3, weight_decay=5e-3) == pytest.approx(
        357.3 * math.exp(-0.48), rel=1e-5
    )


@pytest.mark.parametrize("grokfast", [None, GrokfastEma(decay=0.9, amplification=2), GrokfastEma(decay=0.8)])
@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_adamw_on_white_noise_does_what_the_formulas_say(grokfast, weight_decay):
    generator, steps, parameters, rate = torch.Generator().manual_seed(0), 1500, 3000, 2e-3
    weights = torch.nn.Parameter(0.02 * torch.randn(parameters, generator=generator))
    initial = float(weights.detach().norm())
    optimiser = torch.optim.AdamW([weights], lr=rate, weight_decay=weight_decay)
    gradient_filter = GradientFilter(grokfast) if grokfast else None
    for _ in range(steps):
        previous = weights.detach().clone()
        weights.grad = torch.randn(parameters, generator=generator)
        if gradient_filter:
            gradient_filter.amplify([weights.grad])
        optimiser.step()
    named = {"decay": grokfast.decay, "amplification": grokfast.amplification} if grokfast else {}
    expected = diffusion_norm(
        initial,
        steps,
        parameters=parameters,
        learning_rate=rate,
        weight_decay=weight_decay,
        persistence=grokfast_persistence(**named) if named else 1,
    )
    assert float(weights.detach().norm()) == pytest.approx(float(expected), rel=0.05)
    update = weights.detach() - (1 - rate * weight_decay) * previous
    rms = step_rms(momentum=0.9, **named)
    assert float(update.norm()) == pytest.approx(rate * rms * math.sqrt(parameters), rel=0.05)
    cosine = torch.nn.functional.cosine_similarity(previous, weights.detach(), dim=0)
    assert math.acos(float(cosine)) == pytest.approx(
        rate * rms * math.sqrt(parameters) / float(previous.norm()), rel=0.06
    )


@pytest.mark.parametrize(("decay", "amplification"), [(0.98, 2.0), (0.5, 1.0), (0.9, 5.0)])
def test_persistence_and_size_agree_with_the_stationary_covariance(decay, amplification):
    """The state (m, Adam's momentum) is linear in white noise, so its covariance solves a Lyapunov equation."""
    momentum = 0.9
    # m' = decay m + (1 - decay) g; u' = momentum u + (1 - momentum) (g + amplification m').
    transition = np.array([[decay, 0], [(1 - momentum) * amplification * decay, momentum]])
    noise = np.array([1 - decay, (1 - momentum) * (1 + amplification * (1 - decay))])
    covariance = linalg.solve_discrete_lyapunov(transition, np.outer(noise, noise))
    filtered = np.array([amplification * decay, 1 + amplification * (1 - decay)])
    variance = filtered[0] ** 2 * covariance[0, 0] + filtered[1] ** 2
    assert step_rms(momentum=momentum, decay=decay, amplification=amplification) == pytest.approx(
        math.sqrt(covariance[1, 1] / variance)
    )
    lags = sum(np.linalg.matrix_power(transition, lag) @ covariance for lag in range(1, 3000))
    long_run = (covariance[1, 1] + 2 * lags[1, 1]) / variance
    assert grokfast_persistence(decay=decay, amplification=amplification) == pytest.approx(long_run, rel=1e-6)


def test_without_amplification_grokfast_is_nothing():
    assert grokfast_persistence(decay=0.98, amplification=0) == 1
    assert step_rms(momentum=0.9, decay=0.98) == step_rms(momentum=0.9) == pytest.approx(math.sqrt(0.1 / 1.9))
