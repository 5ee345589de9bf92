"""Transformers on arithmetic and on subclasses: our training step against the usual loop, and against its products.

The networks are those of the tasks `modular` (one layer, all pairs at once), `modular_division` (two layers with layer
normalisation, batches of 512) and `equidistant_transformer_f0` (two layers of width 32, batches of 32). The usual loop
has PyTorch's own encoder layers under a causal mask, cross-entropy at the last position and AdamW; examples lie in
memory on both sides. The products are the step's matrix products, forwards and back, of what the answer depends on: in
the last layer one position. Both trainings start at the same weights and are checked to take the same steps. One
thread; processor time. Run as ``python bench/transformer.py``.
"""

import argparse
import copy
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from _sides import in_turn, show
from torch import Tensor, nn
from torch.nn import functional

from causalgrok.data.splits import Split
from causalgrok.models.settings import Inputs, Tokens, Transformer, Vectors
from causalgrok.training.recipe import Recipe
from causalgrok.training.resume import ResumeState
from causalgrok.training.schedule import Schedule
from causalgrok.training.settings import Training
from causalgrok.training.trainer import Trainer, stream


@dataclass(frozen=True)
class Task:
    """What is trained."""

    model: Transformer
    inputs: Inputs
    classes: int
    n: int
    batch: int


TASKS = {
    "modular": Task(Transformer(name="transformer"), Tokens(length=2, tokens=113), 113, 3830, 3830),
    "modular_division": Task(
        Transformer(name="transformer", layers=2, layer_norm=True), Tokens(length=2, tokens=97), 97, 4656, 512
    ),
    "equidistant_transformer_f0": Task(
        Transformer(name="transformer", layers=2, width=32, hidden=128, layer_norm=True),
        Vectors(length=9, features=13),
        4,
        200,
        32,
    ),
}


def main() -> None:
    """Check that both sides take the same steps, run them in turn and print times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a side in a repeat")
    parser.add_argument("--repeats", type=int, default=7, help="rounds in which every side runs once")
    options = parser.parse_args()
    for name, task in TASKS.items():
        print(name)
        with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
            trainer, loop = _trainer(task, Path(folder)), Usual(task, _trainer(task, Path(folder)))
            _check(trainer, loop)
            steps = {
                "ours": (partial(trainer._train_epoch, measured=False), trainer.steps_per_epoch),
                "usual": (loop.epoch, trainer.steps_per_epoch),
                "products": (products(task), 1),
            }
            took = in_turn(
                {side: partial(_milliseconds, *what, options.seconds) for side, what in steps.items()}, options.repeats
            )
        for side, values in took.items():
            show(f"  {side}", values, "ms a step", format=".2f")
        show("  ours to usual", took["usual"] / took["ours"], "times", format=".2f")
        show("  products of ours", 100 * took["products"] / took["ours"], "%")


class Usual:
    """The usual loop, from the weights that a trainer starts at.

    Args:
        task: what is trained.
        start: the trainer.
    """

    def __init__(self, task: Task, start: Trainer):
        recipe = start.settings.recipe
        self.batch, self.prepare = task.batch, start.model.prepare
        self.inputs, self.labels = (torch.as_tensor(part) for part in _examples(task))
        model = copy.deepcopy(start.model)
        self.embedding, self.position, self.head = model.embedding, model.position, model.fc
        self.layers = nn.ModuleList(_torchs_own(task.model, block) for block in model.blocks)
        self.mask = nn.Transformer.generate_square_subsequent_mask(task.inputs.length + 1)
        self.optimiser = torch.optim.AdamW(
            [p for part in (self.embedding, self.position, self.layers, self.head) for p in part.parameters()],
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
        )

    def logits(self, inputs: Tensor) -> Tensor:
        """Logits (b, classes) of prepared examples."""
        hidden = self.embedding(inputs) + self.position.weight
        for layer in self.layers:
            hidden = layer(hidden, src_mask=self.mask, is_causal=True)
        return self.head(hidden[:, -1])

    def epoch(self, order: Tensor | None = None) -> None:
        """Train on all examples once, shuffled if no order is given."""
        order = torch.randperm(len(self.inputs)) if order is None else order
        for batch in order.split(self.batch):
            self.optimiser.zero_grad()
            loss = functional.cross_entropy(self.logits(self.prepare(self.inputs[batch])), self.labels[batch])
            loss.backward()
            self.optimiser.step()


def products(task: Task) -> Callable[[], None]:
    """What runs the matrix products of one step of a full batch."""
    settings, length = task.model, task.inputs.length + 1
    width, hidden, tokens = settings.width, settings.hidden, task.batch * length
    heads, size = task.batch * settings.heads, width // settings.heads
    shapes = [] if task.inputs.kind == "tokens" else [((tokens, task.inputs.features), (task.inputs.features, width))]
    for layer in range(settings.layers):
        asking = 1 if layer == settings.layers - 1 else length
        read = task.batch * asking
        shapes += [((read, width), (width, width))] * 2 + [((tokens, width), (width, width))] * 2
        shapes += [((heads, asking, size), (heads, size, length)), ((heads, asking, length), (heads, length, size))]
        shapes += [((read, width), (width, hidden)), ((read, hidden), (hidden, width))]
    shapes.append(((task.batch, width), (width, task.classes)))
    factors = [(torch.randn(left), torch.randn(right)) for left, right in shapes]
    sides = [(left, right, torch.ones_like(left @ right)) for left, right in factors]

    def run() -> None:
        for left, right, gradient in sides:
            torch.matmul(left, right)
            torch.matmul(gradient, right.mT)
            torch.matmul(left.mT, gradient)

    return run


def _torchs_own(settings: Transformer, block: nn.Module) -> nn.TransformerEncoderLayer:
    """PyTorch's encoder layer with a block's weights."""
    layer = nn.TransformerEncoderLayer(
        settings.width, settings.heads, settings.hidden, dropout=0.0, batch_first=True, norm_first=False
    )
    own = block.attention
    joint = [own.query.weight, own.key.weight, own.value.weight]
    layer.self_attn.in_proj_weight.data = torch.cat([weight.detach() for weight in joint])
    layer.self_attn.out_proj.weight = own.out.weight
    # Ours has none in attention.
    layer.self_attn.in_proj_bias = layer.self_attn.out_proj.bias = None
    layer.linear1, layer.linear2 = block.mlp_in, block.mlp_out
    layer.norm1, layer.norm2 = block.attention_norm, block.mlp_norm
    return layer


def _trainer(task: Task, folder: Path) -> Trainer:
    settings = Training(
        model=task.model,
        inputs=task.inputs,
        classes=task.classes,
        loss="cross_entropy",
        recipe=Recipe(learning_rate=1e-3, weight_decay=1, batch_size=task.batch),
        schedule=Schedule(epochs=1, evaluate_every=1, checkpoint_every=1),
        seed=0,
        device="cpu",
    )
    index = np.arange(task.n)
    subset = Split(*_examples(task), index, index, index)
    return Trainer(subset, {}, settings, resume=ResumeState(folder, {}), report=lambda line: None)


def _examples(task: Task) -> tuple[np.ndarray, np.ndarray]:
    rng, inputs = np.random.default_rng(0), task.inputs
    if inputs.kind == "tokens":
        examples = rng.integers(0, inputs.tokens, (task.n, inputs.length))
    else:
        examples = rng.random((task.n, inputs.length, inputs.features), dtype=np.float32)
    return examples, rng.integers(0, task.classes, task.n)


def _check(trainer: Trainer, loop: Usual) -> None:
    """An epoch of both in our order gives the same answers."""
    n = len(loop.inputs)
    shuffled = torch.randperm(n, generator=torch.Generator().manual_seed(stream(trainer.settings.seed, "order")))
    trainer._train_epoch(measured=False)
    loop.epoch(shuffled if loop.batch < n else torch.arange(n))
    inputs = trainer.model.prepare(loop.inputs)
    with torch.no_grad():
        torch.testing.assert_close(trainer.model(inputs), loop.logits(inputs), rtol=1e-3, atol=1e-3)


def _milliseconds(run: Callable[[], None], steps: int, seconds: float) -> float:
    """Of a step, from as many runs of so many steps as fit."""
    began, runs = time.process_time(), 0
    while not runs or time.process_time() - began < seconds:
        run()
        runs += 1
    return 1e3 * (time.process_time() - began) / (runs * steps)


if __name__ == "__main__":
    main()
