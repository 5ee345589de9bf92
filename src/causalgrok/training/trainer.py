"""The training loop: one run from initialisation to its last epoch, evaluated and checkpointed on schedule.

The training examples live on the device, images as uint8, and are prepared there, batch by batch. Runs of equal seed
share initialisation and order across recipes. Arithmetic is float32, but for a step's products where a task asks for
another precision; evaluation is float32 always. A run gives the same bits on the same machine whether it was
interrupted or not, and whatever else runs beside it.
"""

import os
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from causalgrok.data.splits import Split
from causalgrok.devices import resolve_device
from causalgrok.models.initialisation import scale_weights
from causalgrok.models.registry import build_model
from causalgrok.scoring import accuracy, auroc, logit_scale, margin
from causalgrok.training.adamw import AdamW
from causalgrok.training.checkpoints import save_checkpoint
from causalgrok.training.dynamics import Dynamics
from causalgrok.training.grokfast import GradientFilter
from causalgrok.training.loss import Loss, loss_function
from causalgrok.training.resume import ResumeState
from causalgrok.training.settings import Training
from causalgrok.training.step import Step, cuda_graph

EVALUATION_BATCH = 256

SAVE_SHARE = 0.015
"""The share of a training's time that saving may take: where a save takes two seconds, the next waits two minutes."""


class Trainer:
    """One run: the network, its optimiser, its order and what has been measured so far.

    Args:
        subset: the training examples.
        evaluation: split name -> examples it is evaluated on besides the subset itself.
        settings: everything else the numbers depend on.
        resume: where checkpoints go, and the state that an earlier, killed attempt may have left.
        save_seconds: a killed run loses this much work, plus the epoch it was in;
        save_share: more, where saving would take a larger share of the time than this.
        report: called with a line of progress at evaluations.
        start: weights to start from, another run's; empty: the seed's initialisation.
    """

    def __init__(
        self,
        subset: Split,
        evaluation: dict[str, Split],
        settings: Training,
        *,
        resume: ResumeState,
        save_seconds: float = 60,
        save_share: float = SAVE_SHARE,
        report: Callable[[str], None] = print,
        start: dict[str, Tensor] | None = None,
    ):
        make_deterministic(settings)
        recipe = settings.recipe
        self.settings, self.resume, self.report = settings, resume, report
        self.save_seconds, self.save_share = save_seconds, save_share
        self.device = torch.device(resolve_device(settings.device))
        self.model = initialise(settings).to(self.device)
        if self.device.type == "cuda" or settings.precision == "bfloat16":
            # Images come so; otherwise every convolution would turn its weights round. In float32 a CPU is no faster.
            self.model.to(memory_format=torch.channels_last)
        if start is not None:
            self.model.load_state_dict(start)
        self.optimiser = AdamW(list(self.model.parameters()), recipe)
        self.grokfast = GradientFilter(recipe.grokfast) if recipe.grokfast else None
        self.order = torch.Generator().manual_seed(stream(settings.seed, "order"))
        loss = loss_function(settings.loss, output=getattr(settings.model, "output", "linear"))
        self.splits = {
            name: (torch.from_numpy(split.inputs).to(self.device), torch.from_numpy(split.labels).to(self.device))
            for name, split in {"train": subset, **evaluation}.items()
        }
        self.step = Step(
            self.model,
            loss,
            self.splits["train"],
            optimiser=self.optimiser,
            grokfast=self.grokfast,
            precision=settings.precision,
            record=cuda_graph if settings.cuda_graph and self.device.type == "cuda" else None,
        )
        self.steps_per_epoch = -(-len(subset) // recipe.batch_size)
        self.epoch = 0
        self.resumed_after: int | None = None
        self.dynamics = Dynamics(self.model, self.grokfast)
        self.metrics_rows: list[dict] = []
        self.dynamics_rows: list[dict] = []

    def run(self) -> tuple[list[dict], list[dict]]:
        """Train to the last epoch and return the rows of the tables `metrics` and `dynamics`."""
        schedule = self.settings.schedule
        evaluations = set(schedule.evaluations())
        steps = schedule.epochs * self.steps_per_epoch
        exposure = self.settings.recipe.exposure(steps)
        self.report(f"{steps} steps, learning rate x weight decay x steps = {exposure:.3g}")
        state = self.resume.load()
        if state:
            self._restore(state)
            self.report(f"resumed after epoch {self.epoch}")
        progress = Progress(self.epoch, schedule.epochs)
        if not state:
            self._evaluate(progress)
        saved, wait = time.monotonic(), self.save_seconds
        while self.epoch < schedule.epochs:
            self._train_epoch(measured=self.epoch + 1 in evaluations)
            if self.epoch in evaluations:
                self._evaluate(progress)
            # The last state too, so that a kill between here and the last output costs no training.
            if (began := time.monotonic()) - saved > wait or self.epoch == schedule.epochs:
                self.resume.save(self._state())
                saved = time.monotonic()
                wait = max(self.save_seconds, (saved - began) / self.save_share)
        return self.metrics_rows, self.dynamics_rows

    def _train_epoch(self, *, measured: bool) -> None:
        """Pass over the subset once; `measured` brackets the last step for its dynamics."""
        # Not train() each time, which costs a small network as much as its update.
        if not self.model.training:
            self.model.train()
        _, labels = self.splits["train"]
        order = torch.randperm(len(labels), generator=self.order).to(self.device)
        # All examples need no order: their gradient is the same in any.
        batches = [None] if self.steps_per_epoch == 1 else order.split(self.settings.recipe.batch_size)
        for batch in batches[:-1]:
            self.step(batch)
        self.step(batches[-1], before_update=self.dynamics.before_step if measured else None)
        self.epoch += 1

    def _evaluate(self, progress: "Progress") -> None:
        at = {"epoch": self.epoch, "step": self.epoch * self.steps_per_epoch}
        rows = evaluate(self.model, self.splits, self.step.loss)
        self.metrics_rows += [at | row for row in rows]
        self.dynamics_rows += [at | row for row in self.dynamics.measure()]
        if self.epoch in self.settings.schedule.checkpoints():
            save_checkpoint(self.model.state_dict(), self.resume.checkpoints / f"epoch{self.epoch}.safetensors")
        self.report(progress.line(self.epoch, rows))

    def _state(self) -> dict:
        """Everything the rest of the run depends on."""
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state(),
            "grokfast": self.grokfast.average if self.grokfast else [],
            "order": self.order.get_state(),
            "metrics": self.metrics_rows,
            "dynamics": self.dynamics_rows,
        }

    def _restore(self, state: dict) -> None:
        self.epoch = self.resumed_after = state["epoch"]
        self.model.load_state_dict(state["model"])
        self.optimiser.restore(state["optimiser"])
        if self.grokfast:
            self.grokfast.average = [average.to(self.device) for average in state["grokfast"]]
        self.order.set_state(state["order"])
        self.metrics_rows, self.dynamics_rows = state["metrics"], state["dynamics"]


def initialise(settings: Training) -> nn.Module:
    """The network at epoch 0, on the CPU: the seed's draw, scaled as the recipe says."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which seeds GPUs that draw nothing here and imports torch's compiler to do so.
        torch.default_generator.manual_seed(stream(settings.seed, "initialisation"))
        model = build_model(settings.model, classes=settings.classes, inputs=settings.inputs)
    scale_weights(model, settings.recipe.init_scale, biases=settings.recipe.init_scale_biases)
    return model


@torch.no_grad()
def evaluate(model: nn.Module, splits: dict[str, tuple[Tensor, Tensor]], loss: Loss) -> list[dict]:
    """Loss and scores of the logits on each split, with running statistics for normalisation; one row a split."""
    model.eval()
    rows = []
    for name, (inputs, labels) in splits.items():
        logits = torch.cat([model(model.prepare(batch)) for batch in inputs.split(EVALUATION_BATCH)])
        losses = loss(logits, labels)
        scores, targets = logits.double().cpu().numpy(), labels.cpu().numpy()
        diverged = not np.isfinite(scores).all()
        rows.append(
            {
                "split": name,
                "loss": float(losses.double().mean()),
                # A network that has diverged would otherwise be right about one class.
                "accuracy": np.nan if diverged else float(accuracy(scores, targets)),
                "auroc": float(auroc(scores, targets)),
                "margin": np.nan if diverged else float(margin(scores, targets)),
                "logit_scale": np.nan if diverged else float(logit_scale(scores)),
                # Only memorised examples can freeze a run this way; elsewhere the number would say nothing.
                "zero_loss_fraction": float((losses == 0).double().mean()) if name == "train" else np.nan,
            }
        )
    return rows


def make_deterministic(settings: Training) -> None:
    """Let equal runs give equal bits: a fixed number of threads, deterministic kernels, no TF32."""
    torch.set_num_threads(settings.threads)
    # Moments of units that have died decay to denormal numbers, never to zero, and every step would pay for them.
    torch.set_flush_denormal(True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # On a GPU a kernel without a deterministic form warns and runs: a warning in the log beats a lost training.
    # Said so, and not by use_deterministic_algorithms, which imports torch's compiler to set an option there.
    torch.set_deterministic_debug_mode("warn" if resolve_device(settings.device) == "cuda" else "error")
    # Nothing here reads memory that it has not written; filling all of it first costs a tenth of a small step.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def stream(seed: int, purpose: str) -> int:
    """A seed of its own for each use of randomness in a run, so that none shifts another."""
    return int(np.random.SeedSequence([seed, *purpose.encode()]).generate_state(1, np.uint64)[0] >> np.uint64(1))


class Progress:
    """Lines a person can follow: where the run is, how well it does, when it will end."""

    def __init__(self, start: int, epochs: int):
        self.start, self.epochs, self.began = start, epochs, time.monotonic()

    def line(self, epoch: int, rows: list[dict]) -> str:
        """For instance ``epoch 150/3000  train 1.000  id_val 0.843  ood_val 0.712  ood_test 0.655  ETA 0:12:31``."""
        scores = "  ".join(f"{row['split']} {row['accuracy']:.3f}" for row in rows)
        done = epoch - self.start
        if not done:
            return f"epoch {epoch}/{self.epochs}  {scores}"
        seconds = round((time.monotonic() - self.began) / done * (self.epochs - epoch))
        eta = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"epoch {epoch}/{self.epochs}  {scores}  ETA {eta}"
