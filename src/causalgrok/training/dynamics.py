"""Weights over training, by group: norms and the angle a step turns them by.

Groups are convolution, normalisation, embedding, head (the last linear layer), hidden (other linear layers) and total.
The angle is 2 asin(|u - v| / 2) of the unit vectors u, v before and after a step, in float64: the arc cosine of their
inner product would lose every angle below 1e-4. Buffers are no parameters and count nowhere.
"""

import math

import torch
from torch import Tensor, nn


class Dynamics:
    """Measures a model's parameter groups; `before_step` and `measure` bracket an optimiser step."""

    def __init__(self, model: nn.Module):
        self.groups = _parameter_groups(model)
        self.groups["total"] = list(model.parameters())
        self.scale_invariant = {"convolution": bool(getattr(model, "scale_invariant_convolutions", False))}
        self._previous: dict[str, list[Tensor]] | None = None

    def before_step(self) -> None:
        """Remember the weights, so that the next `measure` can tell the step's angle."""
        self._previous = {
            name: [p.detach().to(torch.float64, copy=True) for p in group] for name, group in self.groups.items()
        }

    @torch.no_grad()
    def measure(self) -> list[dict]:
        """One row a group; the angle is missing where `before_step` was not called since the last measurement."""
        rows = []
        for name, group in self.groups.items():
            weights = [p.detach().double() for p in group]
            norm = _norm(weights)
            angle = math.nan
            if self._previous is not None:
                previous = self._previous[name]
                previous_norm = _norm(previous)
                if norm > 0 and previous_norm > 0:
                    chord = _norm([w / norm - v / previous_norm for w, v in zip(weights, previous, strict=True)])
                    angle = 2 * math.asin(min(1.0, chord / 2))
            rows.append(
                {
                    "group": name,
                    "scale_invariant": self.scale_invariant.get(name, False),
                    "parameters": sum(p.numel() for p in group),
                    "weight_norm": norm,
                    "angle_per_step": angle,
                }
            )
        self._previous = None
        return rows


def _norm(tensors: list[Tensor]) -> float:
    return math.sqrt(sum(float(t.square().sum()) for t in tensors))


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
