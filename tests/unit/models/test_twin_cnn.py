"""Both halves are read by one encoder, place by place."""

import pytest
import torch

from causalgrok.models.registry import build_model
from causalgrok.models.settings import TwinCNN


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_model(TwinCNN(name="twin_cnn", channels=4, grid=3, code=8, hidden=10), classes=5)


def images(seed=0):
    return torch.randint(0, 256, (6, 12, 24, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_stages_lead_to_the_logits(network):
    inputs = network.prepare(images())
    stages = dict(network.stages(inputs))
    assert {name: tuple(values.shape[1:]) for name, values in stages.items()} == {
        "conv": (4, 12, 24),
        "code": (16,),
        "pooled": (10,),
    }
    assert torch.equal(network.fc(stages["pooled"]), network(inputs))


def test_the_encoder_is_shared_and_neither_half_sees_the_other(network):
    inputs = network.prepare(images())
    left, right = inputs.chunk(2, dim=3)
    codes = dict(network.stages(inputs))["code"]
    swapped = dict(network.stages(torch.cat([right, left], dim=3)))["code"]
    torch.testing.assert_close(swapped, torch.cat([codes[:, 8:], codes[:, :8]], dim=1))
    changed = dict(network.stages(torch.cat([left, -right], dim=3)))["code"]
    torch.testing.assert_close(changed[:, :8], codes[:, :8])
    assert (changed[:, 8:] != codes[:, 8:]).all(dim=1).any()


def test_codes_know_where_things_are(network):
    inputs = network.prepare(images())
    rolled = torch.cat([half.roll(4, dims=3) for half in inputs.chunk(2, dim=3)], dim=3)
    codes, moved = (dict(network.stages(one))["code"] for one in (inputs, rolled))
    assert (codes - moved).abs().max() > 0.01
