import math

import pytest
import torch
from torch import nn

from causalgrok.models.registry import build_model
from causalgrok.models.settings import ResNet18
from causalgrok.training.dynamics import Dynamics


def rows_by_group(dynamics: Dynamics) -> dict[str, dict]:
    return {row["group"]: row for row in dynamics.measure()}


def test_groups_partition_the_parameters():
    model = build_model(ResNet18(width=4), classes=2)
    rows = rows_by_group(Dynamics(model))
    assert list(rows) == ["convolution", "normalisation", "head", "total"]
    assert rows["head"]["parameters"] == 32 * 2 + 2
    parts = [rows[name] for name in ("convolution", "normalisation", "head")]
    assert sum(row["parameters"] for row in parts) == rows["total"]["parameters"]
    assert math.sqrt(sum(row["weight_norm"] ** 2 for row in parts)) == pytest.approx(rows["total"]["weight_norm"])
    assert [row["scale_invariant"] for row in parts] == [True, False, False]


def test_head_has_1026_parameters_at_full_width():
    assert rows_by_group(Dynamics(build_model(ResNet18(), classes=2)))["head"]["parameters"] == 1026


def test_hidden_layers_are_the_linear_ones_before_the_head():
    rows = rows_by_group(Dynamics(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))))
    assert rows["hidden"]["parameters"] == 20
    assert rows["head"]["parameters"] == 12


@pytest.mark.parametrize("angle", [1e-7, 1e-3, 1.0])
def test_angle_of_a_known_rotation(angle):
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.0]]))
    model.double()
    dynamics = Dynamics(model)
    dynamics.before_step()
    with torch.no_grad():
        model.weight.copy_(5 * torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64))
    rows = rows_by_group(dynamics)
    assert rows["head"]["angle_per_step"] == pytest.approx(angle, rel=1e-6)
    assert math.isnan(rows_by_group(dynamics)["head"]["angle_per_step"]), "an angle belongs to one step"
