"""The MNIST setting of Omnigrok: our training against the usual loop, and against its bare kernels.

A 784-200-200-10 network on 1,000 images, batches of 200, judged on 1,000 training and 10,000 test images at epochs 0,
1, 2, every third and the last: of 2,000 steps every 15, where the public scripts judge at the first thirty, at every
tenth to the 150th and then at every 14. The usual loop is theirs: torchvision's MNIST with ToTensor, a DataLoader,
AdamW loop by parameter, loss and accuracy of a split each from a DataLoader of their own in batches of 50. The bare
kernels are a step's matrix products, activations, loss and fused AdamW on batches that lie ready: no autograd, no
modules, no shuffling. All start at the same weights and are checked to take the same steps. One thread; processor time.
Run as ``python bench/mnist.py --data DIR``, DIR with the gz files in MNIST/raw; without, images are random.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from _sides import in_turn, show
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from causalgrok.data.mnist import PIXELS, fetch
from causalgrok.data.splits import Split
from causalgrok.models.settings import MLP, Vectors
from causalgrok.training.recipe import Recipe
from causalgrok.training.resume import ResumeState
from causalgrok.training.schedule import Schedule
from causalgrok.training.settings import Training
from causalgrok.training.trainer import Trainer, initialise, stream

N, BATCH = 1000, 200
RECIPE = Recipe(learning_rate=1e-3, weight_decay=1e-2, init_scale=8, init_scale_biases=True, batch_size=BATCH)
"""The config's `omnigrok_minibatch`."""


def main() -> None:
    """Check that all sides do the same, run them in turn and print rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000, help="steps of a training, a multiple of 5")
    parser.add_argument("--repeats", type=int, default=3, help="rounds in which every side runs once")
    parser.add_argument("--every", type=int, default=3, help="epochs between evaluations after 0, 1, 2, 4, ...")
    parser.add_argument("--test-images", type=int, default=10_000, help="test images, the first")
    parser.add_argument("--data", type=Path, help="folder that holds MNIST/raw with the gz files")
    options = parser.parse_args()
    train, test = _images(options.data)
    test = test[: options.test_images]
    print(f"{'MNIST' if options.data else 'random'} images, {len(train)} and {len(test)}")
    epochs = max(options.steps * BATCH // N, 1)
    settings = _settings(epochs, min(options.every, epochs))
    _check(train, test, settings)
    print(f"{epochs * N // BATCH} steps, {len(settings.schedule.evaluations())} evaluations")
    steps = epochs * N // BATCH
    rates = in_turn(
        {
            "ours": lambda: steps / _seconds(lambda: _trained(train, test, settings, Trainer.run)),
            "usual": lambda: steps / _seconds(lambda: usual(train, test, settings)),
            "usual, steps alone": lambda: steps / _seconds(lambda: usual(train, None, settings)),
        },
        options.repeats,
    )
    # These take seconds, and how fast the machine is changes within minutes: more rounds, one right after the other.
    alone = in_turn(
        {
            "ours, steps alone": lambda: steps / _steps_alone(train, settings),
            "bare kernels": lambda: steps / _seconds(bare(train, settings)),
        },
        4 * options.repeats,
    )
    for name, values in (rates | alone).items():
        show(name, values, "steps/s")
    show("ours to usual", rates["ours"] / rates["usual"], "times", asked="20")
    without = np.median(alone["ours, steps alone"]) / rates["usual, steps alone"]
    show("the same, steps alone", without, "times")
    share = 100 * alone["ours, steps alone"] / alone["bare kernels"]
    show("ours of bare kernels", share, "%", asked="85")


class Images(MNIST):
    """torchvision's MNIST with images that are given instead of downloaded."""

    def __init__(self, split: Split):
        Dataset.__init__(self)
        self.data = torch.from_numpy((split.inputs.reshape(-1, 28, 28) * 255).round().astype(np.uint8))
        self.targets, self.transform, self.target_transform = torch.from_numpy(split.labels), ToTensor(), None


def usual(train: Split, test: Split | None, settings: Training, order: list[int] | None = None) -> nn.Module:
    """The usual loop, to its end; returns the network.

    Args:
        train: training examples.
        test: test examples; None for steps without evaluation.
        settings: recipe, seed and schedule.
        order: the order of examples in every epoch; None shuffles.
    """
    train_set, test_set = Subset(Images(train), range(len(train))), Images(test) if test else None
    loader = DataLoader(train_set, batch_size=BATCH, shuffle=order is None, sampler=order)
    hidden, last = (source := initialise(settings)).hidden, source.fc
    model = nn.Sequential(nn.Flatten(), hidden[0], nn.ReLU(), hidden[1], nn.ReLU(), last)
    recipe = settings.recipe
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, foreach=False, fused=False
    )
    loss_function, one_hots = nn.MSELoss(), torch.eye(10, 10)
    evaluations = set(settings.schedule.evaluations())
    for epoch in range(settings.schedule.epochs + 1):
        if epoch:
            for x, labels in loader:
                optimiser.zero_grad()
                loss = loss_function(model(x), one_hots[labels])
                loss.backward()
                optimiser.step()
        if test_set and epoch in evaluations:
            for dataset in (train_set, test_set):
                usual_loss(model, dataset)
                usual_accuracy(model, dataset)
    return model


@torch.no_grad()
def usual_accuracy(model: nn.Module, dataset: Dataset) -> float:
    """Accuracy on a dataset."""
    correct = sum(torch.sum(model(x).argmax(dim=1) == y) for x, y in DataLoader(dataset, batch_size=50, shuffle=True))
    return (correct / len(dataset)).item()


@torch.no_grad()
def usual_loss(model: nn.Module, dataset: Dataset) -> float:
    """Mean squared error on a dataset."""
    loss_function, one_hots, total = nn.MSELoss(reduction="sum"), torch.eye(10, 10), 0
    for x, labels in DataLoader(dataset, batch_size=50, shuffle=True):
        total += loss_function(model(x), one_hots[labels]).item() / 10
    return total / len(dataset)


def bare(train: Split, settings: Training, order: Tensor | None = None):
    """What takes a training's steps with nothing but their kernels, and returns the parameters.

    Args:
        train: training examples.
        settings: recipe, seed and schedule.
        order: (n,) order of examples in every epoch; None is as they come.
    """
    recipe = settings.recipe
    w1, b1, w2, b2, w3, b3 = parameters = [p.detach() for p in initialise(settings).parameters()]
    gradients, first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(3))
    g1, c1, g2, c2, g3, c3 = gradients
    counts = [torch.zeros(()) for _ in parameters]
    options = {"lr": recipe.learning_rate, "beta1": recipe.betas[0], "beta2": recipe.betas[1], "eps": 1e-8}
    options |= {"weight_decay": recipe.weight_decay, "amsgrad": False, "maximize": False}
    order = torch.arange(len(train)) if order is None else order
    inputs, targets = (
        torch.from_numpy(train.inputs)[order].flatten(1),
        torch.eye(10)[torch.from_numpy(train.labels)[order]],
    )
    batches = list(zip(inputs.flatten(1).split(BATCH), targets.split(BATCH), strict=True))
    h1, h2, d1, d2 = torch.empty(4, BATCH, 200)
    y = torch.empty(BATCH, 10)
    backward = torch.ops.aten.threshold_backward.grad_input

    @torch.no_grad()
    def steps() -> list[Tensor]:
        for _ in range(settings.schedule.epochs):
            for x, target in batches:
                torch.addmm(b1, x, w1.T, out=h1).relu_()
                torch.addmm(b2, h1, w2.T, out=h2).relu_()
                torch.addmm(b3, h2, w3.T, out=y).sub_(target)
                y.square().mean()
                y.mul_(2 / y.numel())
                torch.mm(y.T, h2, out=g3)
                torch.sum(y, 0, out=c3)
                backward(torch.mm(y, w3, out=d2), h2, 0, grad_input=d2)
                torch.mm(d2.T, h1, out=g2)
                torch.sum(d2, 0, out=c2)
                backward(torch.mm(d2, w2, out=d1), h1, 0, grad_input=d1)
                torch.mm(d1.T, x, out=g1)
                torch.sum(d1, 0, out=c1)
                torch._foreach_add_(counts, 1)
                torch._fused_adamw_(parameters, gradients, first, second, [], counts, **options)
        return parameters

    return steps


def _check(train: Split, test: Split, settings: Training) -> None:
    """An epoch of every side in our order gives the same weights, and these the same scores."""
    once = settings.model_copy(update={"schedule": Schedule(epochs=1, evaluate_every=1, checkpoint_every=1)})
    trainer = _trained(train, test, once, Trainer.run)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(stream(settings.seed, "order")))
    network = usual(train, test, once, order.tolist())
    for parameters in (list(network.parameters()), bare(train, once, order)()):
        torch.testing.assert_close(
            parameters, list(trainer.model.parameters()), rtol=1e-3, atol=1e-4, msg="other weights"
        )
    (scores,) = [row for row in trainer.metrics_rows if row["epoch"] == 1 and row["split"] == "test"]
    np.testing.assert_allclose(usual_accuracy(network, Images(test)), scores["accuracy"], atol=2 / len(test))
    np.testing.assert_allclose(usual_loss(network, Images(test)), scores["loss"], rtol=1e-3)


def _trained(train: Split, test: Split, settings: Training, run) -> Trainer:
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        resume = ResumeState(Path(folder), {})
        trainer = Trainer(train, {"test": test}, settings, resume=resume, save_seconds=np.inf, report=lambda line: None)
        run(trainer)
        return trainer


def _steps_alone(train: Split, settings: Training) -> float:
    """Seconds of our steps without evaluation, checkpoint or state."""

    def epochs(trainer: Trainer) -> None:
        nonlocal seconds
        seconds = _seconds(lambda: [trainer._train_epoch(measured=False) for _ in range(settings.schedule.epochs)])

    seconds = np.nan
    _trained(train, train[:1], settings, epochs)
    return seconds


def _seconds(run) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def _settings(epochs: int, every: int) -> Training:
    return Training(
        model=MLP(name="mlp"),
        inputs=Vectors(length=1, features=784),
        classes=10,
        loss="mse",
        recipe=RECIPE,
        schedule=Schedule(epochs=epochs, evaluate_every=every, checkpoint_every=every * -(-epochs // every)),
        seed=0,
        device="cpu",
    )


def _images(data: Path | None) -> tuple[Split, Split]:
    """Training and test images, those of a data root or random ones."""
    if data:
        with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
            arrays = fetch(destination=Path(folder), data_root=data)
    else:
        rng, n = np.random.default_rng(0), {"train": N, "test": 10_000}
        arrays = {f"{split}/images": rng.integers(0, 256, (n[split], 28, 28)) for split in n}
        arrays |= {f"{split}/labels": rng.integers(0, 10, n[split]) for split in n}
    return _split(arrays, "train")[:N], _split(arrays, "test")


def _split(arrays: dict[str, np.ndarray], name: str) -> Split:
    inputs = arrays[f"{name}/images"].reshape(-1, 1, PIXELS).astype(np.float32) / np.float32(255)
    index = np.arange(len(inputs))
    return Split(inputs, arrays[f"{name}/labels"], np.zeros_like(index), index, index)


if __name__ == "__main__":
    main()
