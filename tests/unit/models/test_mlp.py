import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from causalgrok.models.registry import build_model
from causalgrok.models.settings import MLP, Vectors
from causalgrok.training.dynamics import Dynamics
from causalgrok.training.loss import loss_function

INPUTS = Vectors(length=3, features=5)
LOSSES = [("cross_entropy", "linear"), ("mse", "linear"), ("mse", "sigmoid"), ("mse", "softmax")]


def build(**changes):
    torch.manual_seed(0)
    return build_model(MLP(name="mlp", **{"hidden": [8, 6]} | changes), classes=4, inputs=INPUTS)


def vectors():
    return torch.randn(20, 3, 5, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_equals_the_same_sums_in_numpy(activation):
    model, inputs = build(activation=activation), vectors()
    hidden = inputs.numpy().astype(float).reshape(20, 15)
    for layer in model.hidden:
        sums = hidden @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        hidden = np.maximum(sums, 0) if activation == "relu" else 1 / (1 + np.exp(-sums))
    expected = hidden @ model.fc.weight.detach().numpy().T + model.fc.bias.detach().numpy()
    assert np.allclose(model(model.prepare(inputs)).detach(), expected, atol=1e-5)


def test_stages_end_at_what_the_head_reads():
    model = build(hidden=[8, 7, 6])
    stages = dict(model.stages(model.prepare(vectors())))
    assert {name: values.shape[1] for name, values in stages.items()} == {"hidden1": 8, "hidden2": 7, "pooled": 6}
    assert torch.equal(model.fc(stages["pooled"]), model(model.prepare(vectors())))
    groups = {row["group"]: row["parameters"] for row in Dynamics(model).measure()}
    assert groups == {"head": 28, "hidden": 128 + 63 + 48, "total": 267}


def test_omnigroks_network_has_its_norm():
    """Uniform in +-1/sqrt(fan in), so a layer's expected squared norm is (outputs * (inputs + 1)) / (3 * inputs)."""
    torch.manual_seed(0)
    model = build_model(MLP(name="mlp"), classes=10, inputs=Vectors(length=1, features=784))
    expected = sum(rows * (columns + 1) / (3 * columns) for rows, columns in ((200, 784), (200, 200), (10, 200)))
    squared = sum(float(p.detach().double().square().sum()) for p in model.parameters())
    assert squared == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("output", ["linear", "sigmoid", "softmax"])
def test_the_output_stands_between_logits_and_loss(output):
    logits, labels = torch.randn(6, 4, generator=torch.Generator().manual_seed(2)), torch.tensor([0, 1, 2, 3, 0, 1])
    values = logits.double().numpy()
    exponentials = np.exp(values)
    shown = {
        "linear": values,
        "sigmoid": 1 / (1 + np.exp(-values)),
        "softmax": exponentials / exponentials.sum(axis=1, keepdims=True),
    }[output]
    expected = np.square(shown - np.eye(4)[labels]).mean(axis=1)
    assert np.allclose(loss_function("mse", output=output)(logits, labels), expected, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize(
    "loss", [("cross_entropy", "linear"), ("mse", "linear"), ("mse", "sigmoid"), ("mse", "softmax")]
)
@pytest.mark.parametrize("hidden", [[8], [8, 7, 6]])
def test_gradients_are_those_of_autograd(activation, loss, hidden):
    """Bit for bit, of the loss on its own and of the whole network."""
    model, labels = build(activation=activation, hidden=hidden), torch.arange(20) % 4
    inputs, function = model.prepare(vectors()), loss_function(loss[0], output=loss[1])
    logits = model(inputs)
    logits.retain_grad()
    function(logits, labels).mean().backward()
    of_logits = function.gradient(logits.detach(), labels)
    assert torch.allclose(of_logits, logits.grad, rtol=1e-5, atol=0)
    model.zero_grad()
    model(inputs).backward(of_logits)
    found = model.gradients(inputs, lambda logits: function.gradient(logits, labels))
    assert all(torch.equal(p.grad, gradient) for p, gradient in zip(model.parameters(), found, strict=True))


@pytest.mark.parametrize(
    "name, output", [("cross_entropy", "linear"), ("mse", "linear"), ("mse", "sigmoid"), ("mse", "softmax")]
)
def test_a_loss_gives_the_gradient_that_torchs_average_gives(name, output):
    """Bit for bit, with reduction "mean"."""
    logits = torch.randn(30, 4, generator=torch.Generator().manual_seed(3), requires_grad=True)
    labels = torch.arange(30) % 4
    shown = {"linear": lambda x: x, "sigmoid": torch.sigmoid, "softmax": lambda x: x.softmax(dim=1)}[output](logits)
    if name == "mse":
        functional.mse_loss(shown, functional.one_hot(labels, 4).float()).backward()
    else:
        functional.cross_entropy(shown, labels).backward()
    assert torch.equal(loss_function(name, output=output).gradient(logits.detach(), labels), logits.grad)


@pytest.mark.parametrize(
    "changed", [{"hidden": []}, {"hidden": [0]}, {"activation": "tanh"}, {"output": "relu"}, {"width": 3}]
)
def test_settings_that_cannot_be_meant_are_refused(changed):
    with pytest.raises(ValidationError):
        MLP(name="mlp", **changed)
