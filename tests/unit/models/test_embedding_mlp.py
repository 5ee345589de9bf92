import pytest
import torch

from causalgrok.models.initialisation import scale_weights
from causalgrok.models.registry import build_model
from causalgrok.models.settings import EmbeddingMLP, Tokens
from causalgrok.training.dynamics import Dynamics

SETTINGS = EmbeddingMLP(name="embedding_mlp", embedding=16, hidden=24)


def build(length=2):
    torch.manual_seed(0)
    return build_model(SETTINGS, classes=7, inputs=Tokens(length=length, tokens=11))


def numbers(length=2):
    return torch.randint(0, 11, (40, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("length", [1, 2, 3])
def test_equals_the_layers_applied_to_each_example(length):
    model, inputs = build(length), numbers(length)
    reference = torch.nn.Sequential(model.embedding, torch.nn.Flatten(), model.hidden, torch.nn.ReLU(), model.fc)
    assert torch.allclose(model(inputs), reference(inputs), atol=1e-6)
    gradients = []
    for network in (model, reference):
        network.zero_grad()
        torch.nn.functional.cross_entropy(network(model.prepare(inputs)), inputs[:, 0] % 7).backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.allclose(one, other, atol=1e-7) for one, other in zip(*gradients, strict=True))


def test_size_stages_and_groups():
    model = build()
    assert sum(p.numel() for p in model.parameters()) == 11 * 16 + (2 * 16 * 24 + 24) + (24 * 7 + 7)
    stages = dict(model.stages(numbers()))
    assert {name: tuple(values.shape) for name, values in stages.items()} == {"embedding": (40, 32), "pooled": (40, 24)}
    assert torch.equal(model.fc(stages["pooled"]), model(numbers()))
    assert SETTINGS.features == 24
    groups = {row["group"]: row["parameters"] for row in Dynamics(model).measure()}
    assert groups == {"embedding": 176, "head": 175, "hidden": 792, "total": 1143}


def test_init_scale_reaches_every_weight():
    plain, scaled, whole = build(), build(), build()
    with torch.no_grad():
        for parameter in (*plain.parameters(), *scaled.parameters(), *whole.parameters()):
            parameter.add_(0.5)  # biases start at zero
    scale_weights(scaled, 3)
    scale_weights(whole, 3, biases=True)
    assert all(
        torch.equal(after, 3 * before) for before, after in zip(plain.parameters(), whole.parameters(), strict=True)
    )
    for (name, before), (_, after) in zip(plain.named_parameters(), scaled.named_parameters(), strict=True):
        assert torch.equal(after, before if name.endswith("bias") else 3 * before), name
