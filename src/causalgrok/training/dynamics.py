"""Weights over training, by group: norms, the angle a step turns them by, and what pushes their norm.

Groups are convolution, normalisation, embedding, head (the last linear layer), hidden (other linear layers) and total.
The angle is 2 asin(|u - v| / 2) of the unit vectors u, v before and after a step, in float64: the arc cosine of their
inner product would lose every angle below 1e-4. Buffers are no parameters and count nowhere. A group's norm is that of
all its weights as one vector; its summed norm adds up the norms of its weight matrices and biases, which some codes
print as the weight norm.

With w the weights before the step, g their raw gradient and m Grokfast's moving average:

- gradient_growth = cos(-g, w): positive where the gradient makes the norm grow. Scaling weights that are
  scale-invariant changes no loss, so that g is orthogonal to them and this is 0 (van Laarhoven 2017,
  https://arxiv.org/abs/1706.05350).
- grokfast_growth = cos(-m, w): the same of what Grokfast adds, m with this step's gradient in it.
- grokfast_alignment = cos(m, g), m without this step's gradient: 0 where gradients are white noise. With it, noise
  alone would give sqrt(1 - decay^2), .2 at a decay of .98.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from causalgrok.training.grokfast import GradientFilter


class Dynamics:
    """Measures a model's parameter groups; `before_step` and `measure` bracket an optimiser step.

    Args:
        model: the network.
        grokfast: the filter of its gradients, which sees all its parameters in order; None without Grokfast.
    """

    def __init__(self, model: nn.Module, grokfast: GradientFilter | None = None):
        self.groups = _parameter_groups(model)
        self.groups["total"] = list(model.parameters())
        self.grokfast = grokfast
        self.scale_invariant = {"convolution": bool(getattr(model, "scale_invariant_convolutions", False))}
        self._places = {id(parameter): place for place, parameter in enumerate(model.parameters())}
        self._previous: dict[str, list[Tensor]] | None = None
        self._directions: dict[str, dict[str, float]] = {}

    @torch.no_grad()
    def before_step(self) -> None:
        """Remember the weights and where their gradients point; called after backward, before Grokfast's filter."""
        self._previous = {
            name: [p.detach().to(torch.float64, copy=True) for p in group] for name, group in self.groups.items()
        }
        for name, group in self.groups.items():
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in group]
            self._directions[name] = {
                "gradient_growth": -_cosine(gradients, self._previous[name]),
                "grokfast_alignment": _cosine(self._average(group), gradients),
            }

    @torch.no_grad()
    def measure(self) -> list[dict]:
        """One row a group; what belongs to a step is missing if there was no `before_step` since the last one."""
        rows = []
        for name, group in self.groups.items():
            weights = [p.detach().double() for p in group]
            step = dict.fromkeys(
                ("angle_per_step", "gradient_growth", "grokfast_alignment", "grokfast_growth"), math.nan
            )
            if self._previous is not None:
                previous = self._previous[name]
                step |= self._directions[name]
                step["angle_per_step"] = _angle(weights, previous)
                step["grokfast_growth"] = -_cosine(self._average(group), previous)
            rows.append(
                {
                    "group": name,
                    "scale_invariant": self.scale_invariant.get(name, False),
                    "parameters": sum(p.numel() for p in group),
                    "weight_norm": _norm(weights),
                    "summed_norm": sum(_norm([tensor]) for tensor in weights),
                    **step,
                }
            )
        self._previous = None
        return rows

    def _average(self, group: Sequence[nn.Parameter]) -> list[Tensor]:
        """Grokfast's moving average of a group's gradients; nothing before the first gradient and without Grokfast."""
        average = self.grokfast.average if self.grokfast else []
        return [average[self._places[id(parameter)]] for parameter in group] if average else []


def _norm(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(t.double().square().sum()) for t in tensors))


def _angle(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """The angle between two lists of tensors; NaN where one is zero or not finite."""
    norm, other = _norm(first), _norm(second)
    if not (0 < norm < math.inf and 0 < other < math.inf):
        return math.nan
    chord = _norm([a / norm - b / other for a, b in zip(first, second, strict=True)])
    return 2 * math.asin(min(1.0, chord / 2))


def _cosine(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """The cosine between two lists of tensors; NaN where one is empty, zero or not finite."""
    norms = _norm(first) * _norm(second)
    if not 0 < norms < math.inf:
        return math.nan
    return sum(float((a.double() * b.double()).sum()) for a, b in zip(first, second, strict=True)) / norms


def _parameter_groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    kinds = (
        ("convolution", lambda m: isinstance(m, nn.Conv2d)),
        ("normalisation", lambda m: isinstance(m, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm)),
        ("embedding", lambda m: isinstance(m, nn.Embedding)),
        ("head", lambda m: linear and m is linear[-1]),
        ("hidden", lambda m: m in linear[:-1]),
    )
    groups = {}
    for name, belongs in kinds:
        parameters = [p for m in model.modules() if belongs(m) for p in m.parameters(recurse=False)]
        if parameters:
            groups[name] = parameters
    return groups
