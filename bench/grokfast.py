"""What Grokfast's gradient filter adds to a training step: a ResNet-18 and a small network, with and without in turn.

Both trainings differ in the filter alone. Few steps of each follow one another, so that whatever else the machine does
falls on both. One thread; processor time on a CPU. Run as
``python bench/grokfast.py``.
"""

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from _sides import in_turn, show

from causalgrok.data.splits import Split
from causalgrok.models.settings import MLP, Model, ResNet18, Vectors
from causalgrok.training.recipe import GrokfastEma, Recipe
from causalgrok.training.resume import ResumeState
from causalgrok.training.schedule import Schedule
from causalgrok.training.settings import Training
from causalgrok.training.trainer import Trainer

TRAINED = {
    "ResNet-18, 96x96, batch 32": (ResNet18(), 32, 1, 1),
    "MLP 784-200-200-10, batch 200": (MLP(name="mlp"), 200, 20, 10),
}
"""What is trained -> its settings, its batch, the steps that follow one another, how often a round has them."""


def main() -> None:
    """Take steps with and without in turn and print the share that the filter adds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="rounds of a repeat, whose median counts")
    parser.add_argument("--repeats", type=int, default=5, help="repeats, between which the spread is")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where it trains")
    options = parser.parse_args()
    for name, (model, batch, steps, times) in TRAINED.items():
        print(name)
        with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
            without, filtered = (
                partial(_milliseconds, _trainer(model, batch, steps, use, options.device, folder))
                for use in (None, GrokfastEma())
            )
            sides = {"without": without, "with": filtered}
            in_turn(sides, 2)
            took = in_turn(sides, options.repeats * options.rounds * times)
        medians = {side: np.median(values.reshape(options.repeats, -1), axis=1) for side, values in took.items()}
        for side, values in medians.items():
            show(f"  {side} Grokfast", values, "ms a step", format=".2f")
        show("  added", 100 * (medians["with"] / medians["without"] - 1), "%", asked="at most 5")


def _milliseconds(trainer: Trainer) -> float:
    """Of a step, from an epoch; of the processor on a CPU."""
    clock = time.process_time if trainer.device.type == "cpu" else time.perf_counter
    began = clock()
    trainer._train_epoch(measured=False)
    if trainer.device.type == "cuda":
        torch.cuda.synchronize()
    return 1e3 * (clock() - began) / trainer.steps_per_epoch


def _trainer(model: Model, batch: int, steps: int, grokfast: GrokfastEma | None, device: str, folder: str) -> Trainer:
    """A training whose epoch has so many steps."""
    rng, index = np.random.default_rng(0), np.arange(batch * steps)
    images = model.name == "resnet18"
    inputs = (
        rng.integers(0, 256, (len(index), 96, 96, 3), dtype=np.uint8)
        if images
        else rng.random((len(index), 1, 784), dtype=np.float32)
    )
    settings = Training(
        model=model,
        inputs=None if images else Vectors(length=1, features=784),
        classes=2 if images else 10,
        loss="cross_entropy",
        recipe=Recipe(weight_decay=1e-2, grokfast=grokfast, batch_size=batch),
        schedule=Schedule(epochs=1, evaluate_every=1, checkpoint_every=1),
        seed=0,
        device=device,
    )
    subset = Split(inputs, index % settings.classes, index, index, index)
    return Trainer(subset, {}, settings, resume=ResumeState(Path(folder), {}), report=lambda line: None)


if __name__ == "__main__":
    main()
