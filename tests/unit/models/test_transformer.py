"""The transformer against PyTorch's own layers with the same weights, and its published size and start."""

import math

import pytest
import torch
from torch import nn

from causalgrok.models.registry import build_model
from causalgrok.models.settings import Tokens, Transformer, Vectors

TOKENS = Tokens(length=2, tokens=113)
VECTORS = Vectors(length=9, features=13)


def build(seed=0, classes=113, inputs=TOKENS, **settings):
    torch.manual_seed(seed)
    return build_model(Transformer(name="transformer", **settings), classes=classes, inputs=inputs)


def numbers(count=64):
    return torch.randint(0, 113, (count, 2), generator=torch.Generator().manual_seed(1))


def test_published_size():
    parameters = sum(p.numel() for p in build().parameters())
    attention, mlp = 4 * 128 * 128, 2 * 128 * 512 + 128 + 512
    assert parameters == 114 * 128 + 3 * 128 + attention + mlp + 128 * 113 == 226_688
    two = build(layers=2, layer_norm=True)
    assert sum(p.numel() for p in two.parameters()) == parameters + attention + mlp + 4 * 2 * 128


def test_the_last_token_is_added():
    prepared = build().prepare(torch.tensor([[3, 5], [0, 112]]))
    assert prepared.tolist() == [[3, 5, 113], [0, 112, 113]]


def test_starts_as_published():
    model = build(layers=2, width=256, hidden=1024)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert (parameter == 0).all(), name
        elif parameter.numel() > 5000:
            expected = 1 / math.sqrt(113 if name == "fc.weight" else 256)
            assert parameter.std().item() == pytest.approx(expected, rel=0.03), name
    assert not torch.equal(model.fc.weight, build(seed=1, layers=2, width=256, hidden=1024).fc.weight)


def torchs_own(model, settings):
    """PyTorch's encoder layers, which normalise after each residual sum too, with the model's weights."""
    layers = []
    for block in model.blocks:
        layer = nn.TransformerEncoderLayer(
            settings.width, settings.heads, settings.hidden, dropout=0.0, batch_first=True, norm_first=False
        )
        attention = block.attention
        with torch.no_grad():
            joint = torch.cat([attention.query.weight, attention.key.weight, attention.value.weight])
            layer.self_attn.in_proj_weight.copy_(joint)
            layer.self_attn.out_proj.weight.copy_(attention.out.weight)
        layer.linear1, layer.linear2 = block.mlp_in, block.mlp_out
        layer.norm1, layer.norm2 = block.attention_norm, block.mlp_norm
        layers.append(layer.eval())
    return layers


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_equals_pytorchs_layers(layers, layer_norm):
    settings = Transformer(name="transformer", layers=layers, layer_norm=layer_norm)
    model = build(layers=layers, layer_norm=layer_norm)
    inputs = model.prepare(numbers())
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    with torch.no_grad():
        stream = model.embedding(inputs) + model.position(torch.arange(3))
        for layer in torchs_own(model, settings):
            stream = layer.train()(stream, src_mask=mask)  # in evaluation its fast path takes other kernels
        assert torch.allclose(model(inputs), model.fc(stream[:, -1]), atol=1e-5)


def test_attention_by_hand():
    """Two tokens, one head of one dimension: weights are softmax(q k), the first token sees itself alone."""
    model = build(width=1, heads=1, hidden=1)
    attention = model.blocks[0].attention
    with torch.no_grad():
        for layer, value in zip(
            (attention.query, attention.key, attention.value, attention.out), (2, 1, 3, 1), strict=True
        ):
            layer.weight.fill_(value)
        out = attention(torch.tensor([[[1.0], [2.0]]]))
    first, second = math.exp(2 * 2 * 1), math.exp(2 * 2 * 2)
    assert out.flatten().tolist() == pytest.approx([3.0, (first * 3 + second * 6) / (first + second)])


@pytest.mark.parametrize("layers", [1, 3])
def test_stages_end_in_what_the_head_reads(layers):
    model = build(layers=layers)
    inputs = model.prepare(numbers())
    with torch.no_grad():
        stages = dict(model.stages(inputs))
        assert torch.equal(model.fc(stages["pooled"]), model(inputs))
    assert list(stages) == ["embedding", *(f"block{i}" for i in range(1, layers)), "pooled"]
    assert stages["pooled"].shape == (64, Transformer(name="transformer").features)


def test_the_order_of_the_tokens_counts():
    model, pairs = build(), numbers()
    with torch.no_grad():
        assert not torch.allclose(model(model.prepare(pairs)), model(model.prepare(pairs.flip(1))), atol=1e-3)


def test_vectors_are_embedded_linearly_and_the_added_one_is_its_position():
    model = build(classes=4, inputs=VECTORS)
    vectors = torch.randn(5, 9, 13, generator=torch.Generator().manual_seed(0))
    inputs = model.prepare(vectors)
    assert inputs.shape == (5, 10, 13)
    seen = []
    model.blocks[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    with torch.no_grad():
        logits = model(inputs)
        expected = vectors @ model.embedding.weight.T + model.position.weight[:9]
    assert logits.shape == (5, 4)
    assert torch.allclose(seen[0][:, :9], expected, atol=1e-6)
    assert torch.equal(seen[0][:, 9], model.position.weight[9].expand(5, -1))


def test_every_vector_and_its_place_count():
    model = build(classes=4, inputs=VECTORS)
    vectors = torch.randn(1, 9, 13, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(model.prepare(vectors))
        for place in range(9):
            changed = vectors.clone()
            changed[:, place] *= -1
            assert not torch.allclose(model(model.prepare(changed)), logits, atol=1e-4)
        assert not torch.allclose(model(model.prepare(vectors.flip(1))), logits, atol=1e-3)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="width 128 is not a multiple of heads 3"):
        Transformer(name="transformer", heads=3)
