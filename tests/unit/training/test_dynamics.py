import math

import pytest
import torch
from torch import nn

from causalgrok.models.registry import build_model
from causalgrok.models.settings import ResNet18
from causalgrok.training.dynamics import Dynamics
from causalgrok.training.grokfast import GradientFilter
from causalgrok.training.recipe import GrokfastEma


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
    assert sum(row["summed_norm"] for row in parts) == pytest.approx(rows["total"]["summed_norm"])
    assert rows["total"]["summed_norm"] == pytest.approx(sum(float(p.detach().norm()) for p in model.parameters()))
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


def backward(model, inputs, labels):
    model.zero_grad()
    nn.functional.cross_entropy(model(inputs), labels).backward()


def test_a_planted_average_is_aligned_with_the_gradient_it_is_made_of():
    model = nn.Linear(3, 1, bias=False)
    grokfast = GradientFilter(GrokfastEma(decay=0.5, amplification=1))
    dynamics = Dynamics(model, grokfast)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[2.0, 0, 0]]))
    gradients = [torch.tensor([[0.0, 1, 0]]), torch.tensor([[-1.0, 1, 0]])]
    rows = []
    for gradient in gradients:
        model.weight.grad = gradient.clone()
        dynamics.before_step()
        grokfast.amplify([model.weight.grad])
        rows.append(rows_by_group(dynamics)["head"])
    assert math.isnan(rows[0]["grokfast_alignment"]), "there is no earlier gradient"
    assert (rows[0]["grokfast_growth"], rows[0]["gradient_growth"]) == (0, 0)
    # The average before the second gradient is the first one: 45 degrees apart. After it, it is their mean.
    assert rows[1]["grokfast_alignment"] == pytest.approx(math.sqrt(0.5))
    assert rows[1]["gradient_growth"] == pytest.approx(math.sqrt(0.5)), "minus the gradient pushes the weight up"
    assert rows[1]["grokfast_growth"] == pytest.approx(0.5 / math.hypot(0.5, 1))


def test_white_noise_is_not_aligned_with_its_average():
    generator = torch.Generator().manual_seed(0)
    model = nn.Linear(10_000, 1, bias=False)
    grokfast = GradientFilter(GrokfastEma())
    dynamics, alignments = Dynamics(model, grokfast), []
    for _ in range(150):
        model.weight.grad = torch.randn(1, 10_000, generator=generator)
        dynamics.before_step()
        grokfast.amplify([model.weight.grad])
        alignments.append(rows_by_group(dynamics)["total"]["grokfast_alignment"])
    late = torch.tensor(alignments[50:])
    assert late.std() == pytest.approx(0.01, rel=0.3)
    assert abs(late.mean()) < 4 * 0.01 / math.sqrt(100)


def test_nothing_of_grokfast_is_there_without_it():
    model = nn.Linear(3, 2)
    dynamics = Dynamics(model)
    backward(model, torch.ones(1, 3), torch.tensor([0]))
    dynamics.before_step()
    row = rows_by_group(dynamics)["head"]
    assert math.isnan(row["grokfast_alignment"]) and math.isnan(row["grokfast_growth"])
    assert not math.isnan(row["gradient_growth"])
    assert math.isnan(rows_by_group(dynamics)["head"]["gradient_growth"]), "a direction belongs to one step"


@pytest.mark.parametrize(("norm", "zero"), [("batch", True), ("group", True), ("none", False)])
def test_gradients_of_scale_invariant_weights_are_orthogonal_to_them(norm, zero):
    torch.manual_seed(0)
    model = build_model(ResNet18(width=4, norm=norm, zero_init_last=False), classes=2).train()
    dynamics = Dynamics(model)
    backward(model, torch.randn(16, 3, 36, 36), torch.arange(16) % 2)
    dynamics.before_step()
    rows = rows_by_group(dynamics)
    assert rows["convolution"]["scale_invariant"] == zero
    assert (abs(rows["convolution"]["gradient_growth"]) < 1e-3) == zero
    assert abs(rows["head"]["gradient_growth"]) > 1e-3


def test_layers_of_a_homogeneous_network_are_pushed_alike():
    """Euler: w_l . g_l is the same in every layer of a network without biases and normalisation."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7, bias=False), nn.ReLU(), nn.Linear(7, 3, bias=False))
    dynamics = Dynamics(model)
    backward(model, torch.randn(20, 5), torch.arange(20) % 3)
    dynamics.before_step()
    rows = rows_by_group(dynamics)
    pushes = [
        rows[group]["gradient_growth"] * rows[group]["weight_norm"] * float(model[place].weight.grad.norm())
        for group, place in (("hidden", 0), ("head", 2))
    ]
    assert pushes[0] == pytest.approx(pushes[1], rel=1e-5)


def test_weights_that_are_no_longer_finite_have_no_angle():
    model = nn.Linear(2, 1, bias=False)
    dynamics = Dynamics(model)
    dynamics.before_step()
    with torch.no_grad():
        model.weight.fill_(math.inf)
    row = rows_by_group(dynamics)["head"]
    assert math.isinf(row["weight_norm"]) and math.isnan(row["angle_per_step"])
