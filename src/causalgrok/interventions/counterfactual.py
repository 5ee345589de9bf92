"""How much the network relies on stain: its answers to the same tissue shown as every hospital's.

For every image, the logit margin when it is shown as hospital t, minus the margin of the image as it is; and whether
the predicted class flips. An image under its own hospital is unchanged and not counted as moved. The margin is
``logit_1 - logit_0`` (tumour minus normal); with more than two classes it is that of the true class,
``logit_y - log sum_{j != y} exp(logit_j)``.

Stale BatchNorm statistics are not a shortcut, so every split is also scored with statistics re-estimated on its own
unlabelled images (Schneider et al. 2020, https://arxiv.org/abs/2006.16971; Li et al. 2016,
https://arxiv.org/abs/1603.04779). The images are shuffled into B batches of near-equal size, at most 64; with
BatchNorm alone in training mode each channel's statistics become the averages over the batches

    running_mean = 1/B sum_b mean_b        running_var = 1/B sum_b n_b / (n_b - 1) var_b

where n_b counts the batch's images times positions and var_b is the biased variance. Then the split is scored in
evaluation mode.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from causalgrok.columns import COLUMNS
from causalgrok.data.counterfactuals import Counterfactuals
from causalgrok.data.splits import Split
from causalgrok.scoring import accuracy, auroc

BATCH = 256
STATISTICS_BATCH = 64
"""Images over which BatchNorm statistics are taken at a time, at most."""


def measure_counterfactuals(
    model: nn.Module,
    checkpoints: Iterable[tuple[int, dict[str, Tensor]]],
    splits: dict[str, Split],
    counterfactuals: dict[str, Counterfactuals],
    *,
    device: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure reliance on stain, and on stale BatchNorm statistics, at every checkpoint.

    Args:
        model: the run's network; its weights are replaced by each checkpoint's. `model.prepare` takes uint8 images.
        checkpoints: (epoch, state dict) in ascending order; those whose logits are not finite are left out.
        splits: the evaluation splits, by name; all are scored under re-estimated statistics.
        counterfactuals: split name -> some of its images shown as every hospital's.
        device: where the network runs.

    Returns:
        The columns of the tables `counterfactual` and `renormalisation`. The first counts flips and shifts over the
        moved images, accuracy and AUROC over all images as they are shown.

    Raises:
        ValueError: counterfactuals were made from other images than the split's, or a split has a single image, over
            which a network with BatchNorm has no statistics.
    """
    for name, shown in counterfactuals.items():
        _check(name, splits, shown)
    model.to(device).eval()
    shown_rows, scored_rows = [], []
    for epoch, state in checkpoints:
        model.load_state_dict(state)
        answers = {
            name: _Answers.of(model, split, counterfactuals.get(name), device=device) for name, split in splits.items()
        }
        if not all(each.finite for each in answers.values()):
            print(f"epoch {epoch} is left out: the network has diverged", flush=True)
            continue
        for name, each in answers.items():
            case = {"epoch": epoch, "split": name}
            if name in counterfactuals:
                shown_rows += [case | row for row in _compare_hospitals(each, splits[name], counterfactuals[name])]
            scored_rows += [case | row for row in _compare_statistics(each, splits[name].labels)]
        print(f"epoch {epoch}", flush=True)
    return (
        pd.DataFrame(shown_rows, columns=list(COLUMNS["counterfactual"])),
        pd.DataFrame(scored_rows, columns=list(COLUMNS["renormalisation"])),
    )


def compare_answers(original: np.ndarray, shown: np.ndarray, labels: np.ndarray, moved: np.ndarray) -> dict[str, float]:
    """What showing images differently does to a network's answers.

    Args:
        original: (m, classes) logits of the images as they are.
        shown: (m, classes) logits of the images as they are shown.
        labels: (m,) classes.
        moved: (m,) whether an image is shown differently from what it is.

    Returns:
        The measures of the table `counterfactual`. Flips and shifts are over the moved images and NaN where there are
        none, the others over all; standard deviations divide by the number of images.
    """
    before, after = margins(original, labels), margins(shown, labels)
    shifts = (after - before)[moved]
    flips = (shown.argmax(axis=1) != original.argmax(axis=1))[moved]
    none = not moved.any()
    return {
        "images": len(labels),
        "moved": int(moved.sum()),
        "flip_fraction": np.nan if none else flips.mean(),
        "logit_shift": np.nan if none else shifts.mean(),
        "logit_shift_sd": np.nan if none else shifts.std(),
        "margin_sd": before.std(),
        "accuracy": accuracy(shown, labels),
        "auroc": auroc(shown, labels),
    }


def margins(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Logit margins (m,) of logits (m, classes): class 1 over class 0; with more classes the true one over the rest."""
    if logits.shape[1] == 2:
        return logits[:, 1] - logits[:, 0]
    true = np.arange(logits.shape[1]) == labels[:, None]
    return logits[true] - np.logaddexp.reduce(np.where(true, -np.inf, logits), axis=1)


@contextmanager
def reestimated_statistics(model: nn.Module, inputs: np.ndarray, *, device: str) -> Iterator[None]:
    """Within the block, the model's BatchNorm statistics are those of the inputs; afterwards all is as it was.

    Layers that keep no running statistics, and models without BatchNorm, are left alone.

    Args:
        model: a network in evaluation mode on `device`.
        inputs: (n, h, w, 3) uint8 images.
        device: where the network runs.

    Raises:
        ValueError: there is a single image.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    if layers and len(inputs) < 2:
        raise ValueError(f"BatchNorm statistics take at least 2 images, there is {len(inputs)}")
    before = [(layer.training, layer.momentum, [buffer.clone() for buffer in layer.buffers()]) for layer in layers]
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # torch's word for the average over all batches
            layer.train()
        if layers:
            # Splits are ordered by hospital; a batch of one hospital would hide the variance between them.
            order = np.random.default_rng(0).permutation(len(inputs))
            for batch in np.array_split(order, -(-len(inputs) // STATISTICS_BATCH)):
                _forward(model, inputs[batch], device)
        for layer in layers:
            layer.eval()
        yield
    finally:
        for layer, (training, momentum, buffers) in zip(layers, before, strict=True):
            layer.momentum = momentum
            layer.train(training)
            for buffer, value in zip(layer.buffers(), buffers, strict=True):
                buffer.copy_(value)


@dataclass(frozen=True)
class _Answers:
    """A checkpoint's logits on one split."""

    stored: np.ndarray
    """(n, classes) under the statistics of training."""

    reestimated: np.ndarray
    """(n, classes) under the split's own."""

    shown: dict[tuple[str, int], np.ndarray]
    """(method, target) -> (m, classes) of the counterfactuals; images of the target itself keep the stored ones."""

    @classmethod
    def of(cls, model: nn.Module, split: Split, counterfactuals: Counterfactuals | None, *, device: str) -> Self:
        stored = _logits(model, split.inputs, device)
        with reestimated_statistics(model, split.inputs, device=device):
            reestimated = _logits(model, split.inputs, device)
        shown = {}
        for method, images in counterfactuals.inputs.items() if counterfactuals else ():
            for target, some in zip(counterfactuals.targets.tolist(), images, strict=True):
                moved = split.domains[counterfactuals.rows] != target
                shown[method, target] = stored[counterfactuals.rows]
                if moved.any():
                    shown[method, target][moved] = _logits(model, some[moved], device)
        return cls(stored, reestimated, shown)

    @property
    def finite(self) -> bool:
        return all(np.isfinite(logits).all() for logits in (self.stored, self.reestimated, *self.shown.values()))


def _compare_hospitals(answers: _Answers, split: Split, counterfactuals: Counterfactuals) -> Iterator[dict]:
    some = counterfactuals.rows
    for (method, target), logits in answers.shown.items():
        moved = split.domains[some] != target
        measures = compare_answers(answers.stored[some], logits, split.labels[some], moved)
        yield {"method": method, "target_hospital": target, **measures}


def _compare_statistics(answers: _Answers, labels: np.ndarray) -> Iterator[dict]:
    predicted = answers.stored.argmax(axis=1)
    for statistics, logits in (("stored", answers.stored), ("reestimated", answers.reestimated)):
        scores = {"accuracy": accuracy(logits, labels), "auroc": auroc(logits, labels)}
        yield {"statistics": statistics, **scores, "flip_fraction": (logits.argmax(axis=1) != predicted).mean()}


def _check(name: str, splits: dict[str, Split], shown: Counterfactuals) -> None:
    """Refuse counterfactuals that were made from another split than the one they are compared with."""
    if name not in splits:
        raise ValueError(f"counterfactuals of split {name} come without the split; there are {', '.join(splits)}")
    split, fits = splits[name], shown.rows.max(initial=-1) < len(splits[name])
    for images in shown.inputs.values() if fits else ():
        for target, some in zip(shown.targets, images, strict=True):
            own = split.domains[shown.rows] == target
            fits &= np.array_equal(some[own], split.inputs[shown.rows[own]])
    if not fits:
        raise ValueError(f"the counterfactuals of split {name} were made from other images; make them again")


def _logits(model: nn.Module, inputs: np.ndarray, device: str) -> np.ndarray:
    """Logits (n, classes) float64 of inputs (n, ...)."""
    batches = np.split(inputs, range(BATCH, len(inputs), BATCH))
    return np.concatenate([_forward(model, batch, device).cpu().numpy() for batch in batches]).astype(np.float64)


@torch.inference_mode()
def _forward(model: nn.Module, inputs: np.ndarray, device: str) -> Tensor:
    return model(model.prepare(torch.from_numpy(inputs).to(device)))
