import pytest
import torch
from torchvision.models import resnet18, resnet50

from causalgrok.models.initialisation import scale_weights
from causalgrok.models.registry import build_model
from causalgrok.models.resnet import ResNet
from causalgrok.models.settings import OpenedResNet, ResNet18


def total_norm(model: torch.nn.Module) -> float:
    return float(sum(p.detach().square().sum() for p in model.parameters()) ** 0.5)


@pytest.mark.parametrize(
    ("zero_init_last", "scale", "norm"),
    [(False, 1, 111.7), (False, 4, 357.3), (True, 4, 354.6)],
)
def test_initial_norms_are_the_published_ones(zero_init_last, scale, norm):
    torch.manual_seed(0)
    model = build_model(ResNet18(zero_init_last=zero_init_last), classes=2)
    scale_weights(model, scale)
    assert total_norm(model) == pytest.approx(norm, rel=2e-3)


def test_equals_torchvision_with_the_same_weights():
    torch.manual_seed(1)
    reference = resnet18(num_classes=2).eval()
    model = build_model(ResNet18(), classes=2).eval()
    model.load_state_dict(reference.state_dict())
    images = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(model(images), reference(images))


@pytest.mark.parametrize(("depth", "reference"), [(18, resnet18), (50, resnet50)])
def test_starts_as_torchvisions(depth, reference):
    torch.manual_seed(2)
    model = ResNet(classes=3, depth=depth)
    torch.manual_seed(2)
    expected = reference(num_classes=3).state_dict()
    assert list(model.state_dict()) == list(expected)
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_features_of_every_depth_and_width(depth):
    settings = OpenedResNet(depth=depth, width=4, classes=2)
    model = ResNet(classes=2, depth=depth, width=4).eval()
    with torch.no_grad():
        stages = dict(model.stages(torch.randn(1, 3, 36, 36)))
    assert stages["pooled"].shape == (1, settings.features)
    assert model.fc.in_features == settings.features


def test_zero_gains_leave_blocks_their_shortcut_alone():
    model = ResNet(classes=2, depth=50, width=2, zero_init_last=True)
    assert all((block.bn3.weight == 0).all() for block in (*model.layer1, *model.layer4))
    assert not (model.layer1[0].bn2.weight == 0).any()


def test_stages_end_in_what_the_head_reads():
    model = build_model(ResNet18(width=8), classes=2).eval()
    images = torch.randn(3, 3, 36, 36)
    with torch.no_grad():
        stages = dict(model.stages(images))
        assert list(stages) == ["stem", "layer1", "layer2", "layer3", "layer4", "pooled"]
        assert torch.allclose(model.fc(stages["pooled"]), model(images), atol=1e-6)
        assert [stages[name].shape[1] for name in stages] == [8, 8, 16, 32, 64, 64]


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
@pytest.mark.parametrize("width", [6, 16])
def test_convolutions_are_scale_invariant_where_the_model_says_so(norm, width):
    torch.manual_seed(0)
    model = build_model(ResNet18(width=width, norm=norm, zero_init_last=False), classes=2).train()
    images = torch.randn(8, 3, 36, 36)
    with torch.no_grad():
        before = model(images)
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.mul_(3)
        after = model(images)
    assert torch.isfinite(before).all()
    assert model.scale_invariant_convolutions == (norm != "none")
    assert torch.allclose(before, after, atol=1e-3) == (norm != "none")


def test_prepare_normalises_as_imagenet():
    model = build_model(ResNet18(width=4), classes=2)
    white = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    expected = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(model.prepare(white)[0, :, 0, 0], expected)
    assert model.prepare(white).shape == (1, 3, 2, 2)


def test_scaling_leaves_biases_and_normalisation_alone():
    torch.manual_seed(0)
    model = build_model(ResNet18(width=4, zero_init_last=False), classes=2)
    before = {name: p.clone() for name, p in model.named_parameters()}
    scale_weights(model, 4)
    for name, parameter in model.named_parameters():
        factor = 4 if parameter.dim() > 1 else 1
        assert torch.equal(parameter, factor * before[name]), name
