"""No speed bought with truth: the trainer's step against a plain loop from the same seed, and replayed steps."""

import numpy as np
import pandas as pd
import pytest
import torch

from causalgrok.analysis.detector import detect
from causalgrok.analysis.settings import DetectorSettings
from causalgrok.config import Task
from causalgrok.data.modular import ModularSettings, draw
from causalgrok.data.splits import Split
from causalgrok.models.settings import MLP, EmbeddingMLP, ResNet18, Tokens, Vectors
from causalgrok.training.adamw import AdamW
from causalgrok.training.loss import loss_function
from causalgrok.training.recipe import GrokfastEma, Recipe
from causalgrok.training.resume import ResumeState
from causalgrok.training.schedule import Schedule
from causalgrok.training.settings import Training
from causalgrok.training.step import WARM_UP, Step
from causalgrok.training.trainer import Trainer, initialise, stream

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def images(n: int) -> Split:
    rng = np.random.default_rng(n)
    index = np.arange(n)
    return Split(rng.integers(0, 255, (n, 24, 24, 3), dtype=np.uint8), index % 2, index % 3, index, index)


def vectors(n: int) -> Split:
    rng = np.random.default_rng(n)
    index = np.arange(n)
    return Split(rng.normal(size=(n, 1, 30)).astype(np.float32), index % 4, index % 3, index, index)


def conv(**changes) -> Training:
    values = {
        "model": ResNet18(width=4),
        "classes": 2,
        "loss": "cross_entropy",
        "recipe": Recipe(weight_decay=0.1, init_scale=2, grokfast=GrokfastEma(), batch_size=8),
        "schedule": Schedule(epochs=6, evaluate_every=1, checkpoint_every=6),
        "seed": 1,
        "device": "cpu",
    }
    return Training(**values | changes)


def mlp(**changes) -> Training:
    shape = {
        "model": MLP(name="mlp", hidden=(32, 16)),
        "classes": 4,
        "loss": "mse",
        "inputs": Vectors(length=1, features=30),
    }
    return conv(**shape | {"recipe": Recipe(weight_decay=0.1, init_scale=4, batch_size=16)} | changes)


def trained(folder, chosen: Training, train: Split, test: Split) -> pd.DataFrame:
    """Loss and accuracy by (epoch, split), by the trainer."""
    trainer = Trainer(train, {"test": test}, chosen, resume=ResumeState(folder, {}), report=lambda line: None)
    rows, _ = trainer.run()
    return pd.DataFrame(rows).set_index(["epoch", "split"])[["loss", "accuracy"]].sort_index()


def plainly_trained(chosen: Training, train: Split, test: Split) -> pd.DataFrame:
    """The same, as one would write it down: a batch at a time, every update tensor by tensor, no kernel of several."""
    recipe, model = chosen.recipe, initialise(chosen)
    loss = loss_function(chosen.loss)
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=recipe.learning_rate,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
        foreach=False,
        fused=False,
    )
    order = torch.Generator().manual_seed(stream(chosen.seed, "order"))
    averages = [None for _ in model.parameters()]
    rows = []

    def evaluate(epoch: int) -> None:
        model.eval()
        for name, split in {"train": train, "test": test}.items():
            with torch.no_grad():
                logits = model(model.prepare(torch.from_numpy(split.inputs)))
            labels = torch.from_numpy(split.labels)
            right = (logits.argmax(1) == labels).double().mean()
            rows.append((epoch, name, float(loss(logits, labels).mean()), float(right)))

    evaluate(0)
    for epoch in range(1, chosen.schedule.epochs + 1):
        model.train()
        for batch in torch.randperm(len(train), generator=order).split(recipe.batch_size):
            optimiser.zero_grad()
            inputs, labels = torch.from_numpy(train.inputs)[batch], torch.from_numpy(train.labels)[batch]
            loss(model(model.prepare(inputs)), labels).mean().backward()
            if recipe.grokfast:
                for i, parameter in enumerate(model.parameters()):
                    gradient, kept = parameter.grad.clone(), recipe.grokfast.decay
                    averages[i] = gradient if averages[i] is None else kept * averages[i] + (1 - kept) * gradient
                    parameter.grad += recipe.grokfast.amplification * averages[i]
            optimiser.step()
        if epoch in chosen.schedule.evaluations():
            evaluate(epoch)
    return pd.DataFrame(rows, columns=["epoch", "split", "loss", "accuracy"]).set_index(["epoch", "split"]).sort_index()


@pytest.mark.parametrize(
    "device",
    [{}, pytest.param({"device": "cuda"}, marks=GPU), pytest.param({"device": "cuda", "cuda_graph": True}, marks=GPU)],
)
@pytest.mark.parametrize("settings, examples", [(conv, images), (mlp, vectors)])
def test_the_first_steps_are_those_of_a_plain_loop(tmp_path, settings, examples, device):
    ours, plain = (
        trained(tmp_path, settings(**device), examples(28), examples(20)),
        plainly_trained(settings(), examples(28), examples(20)),
    )
    pd.testing.assert_frame_equal(ours, plain, rtol=1e-3 if device else 1e-4, atol=1e-6)
    assert ours["loss"].groupby("split").nunique().eq(7).all()


def test_the_verdict_is_that_of_a_plain_loop(tmp_path):
    chosen = Training(
        model=EmbeddingMLP(name="embedding_mlp", embedding=64, hidden=128),
        classes=31,
        inputs=Tokens(length=2, tokens=31),
        loss="cross_entropy",
        recipe=Recipe(learning_rate=2e-2, weight_decay=1, betas=(0.9, 0.98), batch_size=16384),
        schedule=Schedule(epochs=1000, evaluate_every=20, checkpoint_every=1000),
        seed=0,
        device="cpu",
    )
    splits = draw(ModularSettings(kind="modular", operation="addition", modulus=31, train_fraction=0.6), n=576, seed=0)
    found = []
    for curves in (trained(tmp_path, chosen, **splits), plainly_trained(chosen, **splits)):
        accuracy = curves["accuracy"].unstack("split")
        found.append(
            detect(
                accuracy.index, accuracy["train"], accuracy["test"], chance=1 / 31, settings=DetectorSettings(ceiling=1)
            )
        )
    assert [detection.label for detection in found] == ["grokked", "grokked"]
    assert found[0].alpha_1 == pytest.approx(found[1].alpha_1, rel=0.5)
    assert found[0].delta_S == pytest.approx(found[1].delta_S, abs=0.05)


def steps(chosen: Training, examples: Split, record) -> tuple[list[float], Step]:
    """Weights after 14 steps in batches of 8, 8, 4, as a checksum a step."""
    torch.manual_seed(0)
    model = initialise(chosen)
    optimiser = AdamW(list(model.parameters()), chosen.recipe)
    tensors = torch.from_numpy(examples.inputs), torch.from_numpy(examples.labels)
    step = Step(model, loss_function(chosen.loss), tensors, optimiser=optimiser, record=record)
    sums = []
    for epoch in range(4):
        for batch in torch.randperm(20, generator=torch.Generator().manual_seed(epoch)).split(8):
            step(batch, before_update=(lambda: None) if epoch == 2 else None)
            sums.append(float(sum(p.detach().double().abs().sum() for p in model.parameters())))
    return sums, step


def test_replayed_steps_are_the_steps():
    """A recording runs on the same batch tensor again: here what is recorded is called once more, as a GPU would."""
    recorded, replays = [], []

    def record(step):
        recorded.append(step)
        return lambda: (replays.append(1), step())

    replayed, _ = steps(mlp(), vectors(20), record)
    plain, _ = steps(mlp(), vectors(20), None)
    assert replayed == plain
    assert len(recorded) == 1
    # Of eight full batches outside the measured epoch two thirds are as large as the first; the warm-up runs as it is.
    assert len(replays) == 6 - WARM_UP


def test_all_examples_at_once_are_replayed_too():
    replays = []

    def record(step):
        return lambda: (replays.append(1), step())

    model = initialise(mlp())
    examples = vectors(20)
    optimiser = AdamW(list(model.parameters()), mlp().recipe)
    tensors = torch.from_numpy(examples.inputs), torch.from_numpy(examples.labels)
    step = Step(model, loss_function("mse"), tensors, optimiser=optimiser, record=record)
    for _ in range(WARM_UP + 4):
        step(None)
    assert len(replays) == 4
    assert optimiser.steps == WARM_UP + 4


@pytest.mark.parametrize(
    "device, precision",
    [("cpu", "bfloat16"), pytest.param("cuda", "bfloat16", marks=GPU), pytest.param("cuda", "tf32", marks=GPU)],
)
def test_a_coarser_precision_changes_the_steps_and_not_where_they_begin(tmp_path, device, precision):
    exact, rounded = (
        trained(tmp_path / chosen, conv(device=device, precision=chosen), images(28), images(20))
        for chosen in ("float32", precision)
    )
    assert (exact["loss"].loc[0] == rounded["loss"].loc[0]).all()
    assert (exact["loss"].loc[1:] != rounded["loss"].loc[1:]).all()
    np.testing.assert_allclose(exact["loss"].loc[1], rounded["loss"].loc[1], rtol=0.1)


def test_bfloat16_is_not_what_is_stored():
    model = initialise(conv())
    optimiser = AdamW(list(model.parameters()), conv().recipe)
    tensors = torch.from_numpy(images(8).inputs), torch.from_numpy(images(8).labels)
    Step(model, loss_function("cross_entropy"), tensors, optimiser=optimiser, precision="bfloat16")(None)
    assert {p.dtype for p in model.parameters()} == {p.grad.dtype for p in model.parameters()} == {torch.float32}
    assert {moment.dtype for moment in (*optimiser.first, *optimiser.second)} == {torch.float32}


@pytest.mark.parametrize("change", [{"precision": "tf32"}, {"cuda_graph": True}])
def test_what_only_a_gpu_can_do_is_refused_on_the_cpu(change):
    task = {"dataset": "tissue", "model": {"name": "resnet18"}, "device": "cpu"}
    task["schedule"] = {"epochs": 4, "evaluate_every": 2, "checkpoint_every": 2}
    Task(**task | change | {"device": "auto"})
    with pytest.raises(ValueError, match="is for GPUs, device is cpu"):
        Task(**task | change)


def test_the_optimiser_gives_the_bits_of_torchs():
    recipe = Recipe(learning_rate=3e-3, weight_decay=0.3, betas=(0.8, 0.98))
    first, second = initialise(conv()), initialise(conv())
    ours = AdamW(list(first.parameters()), recipe)
    torchs = torch.optim.AdamW(second.parameters(), lr=3e-3, weight_decay=0.3, betas=(0.8, 0.98), fused=True)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        gradients = [torch.randn(p.shape, generator=generator) for p in first.parameters()]
        ours.update(gradients)
        for parameter, gradient in zip(second.parameters(), gradients, strict=True):
            parameter.grad = gradient
        torchs.step()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert all(torch.equal(a, torchs.state[b]["exp_avg"]) for a, b in zip(ours.first, second.parameters(), strict=True))
