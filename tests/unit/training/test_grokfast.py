import torch

from causalgrok.training.grokfast import GradientFilter
from causalgrok.training.recipe import GrokfastEma


def published_filter(gradients, memory, alpha, lamb):
    """Grokfast-EMA as the paper's algorithm 1 writes it, one tensor and one step at a time."""
    filtered = []
    for i, gradient in enumerate(gradients):
        memory[i] = alpha * memory.get(i, gradient) + (1 - alpha) * gradient
        filtered.append(gradient + lamb * memory[i])
    return filtered


def test_equals_the_published_algorithm():
    torch.manual_seed(0)
    grokfast, memory = GradientFilter(GrokfastEma(decay=0.98, amplification=2.0)), {}
    for _ in range(50):
        gradients = [torch.randn(4, 3), torch.randn(7)]
        expected = published_filter([g.clone() for g in gradients], memory, 0.98, 2.0)
        grokfast.amplify(gradients)
        for got, want in zip(gradients, expected, strict=True):
            assert torch.allclose(got, want, atol=1e-6)


def test_a_constant_gradient_is_amplified_by_one_plus_lambda():
    grokfast = GradientFilter(GrokfastEma(decay=0.9, amplification=2.0))
    for _ in range(5):
        gradients = [torch.ones(3)]
        grokfast.amplify(gradients)
        assert torch.allclose(gradients[0], torch.full((3,), 3.0))
