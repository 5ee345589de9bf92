"""How cost grows: seconds of each part of a study against its size, and the exponents of the growth.

Training against the number of training images (the steps of an epoch) and evaluation against the number of images, with
the MLP of the MNIST tasks; geometry and probing against the number of checkpoints, at the pooled width of a ResNet-18
and its six stages' widths; planning against the number of runs (``bench/planning.py``). An exponent is the slope of a
straight line through logarithms: 1 is proportional, below 1 there is something that every size costs. Sizes are run in
turn; one thread, processor time. Run as ``python bench/growth.py --figure docs/images/growth.svg``.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib.pyplot as plt
import numpy as np
import planning
import probing
import torch
from _sides import in_turn
from matplotlib.axes import Axes
from mnist import _settings, _trained

from causalgrok.analysis.geometry import measure_geometry
from causalgrok.data.splits import Split
from causalgrok.interventions.features import SPLITS, Features
from causalgrok.interventions.probing import probe_layers
from causalgrok.interventions.settings import Measurement
from causalgrok.plotting.style import CONTEXT, GREY, TWO_COLUMNS
from causalgrok.training.trainer import evaluate

STEPS = np.array([1, 2, 4, 8, 16])
"""Sizes as multiples of the smallest."""


def main() -> None:
    """Measure every part at every size, print seconds and exponents, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="rounds in which every size runs once")
    parser.add_argument("--sizes", type=int, default=5, help="sizes, each twice the one before")
    parser.add_argument("--images", type=int, default=400, help="patches of the probe pool and of a split")
    parser.add_argument("--figure", type=Path, help="where the figure goes; none: no figure")
    options = parser.parse_args()
    factors = [int(factor) for factor in STEPS[: options.sizes]]
    parts = {
        "training images": ("an epoch of training", 500, _train),
        "images evaluated": ("an evaluation", 2500, _evaluate),
        "checkpoints": ("geometry", 2, lambda count: _geometry(count, options.images)),
        "checkpoints probed": ("layer-wise probing", 1, lambda count: _probing(count, options.images)),
        "runs": ("planning", 100, lambda runs: planning.plan(runs)[0]),
    }
    measured = {}
    for unit, (what, smallest, run) in parts.items():
        sizes = [smallest * factor for factor in factors]
        seconds = in_turn({size: (lambda size=size, run=run: run(size)) for size in sizes}, options.repeats)
        measured[unit] = what, sizes, np.array([seconds[size] for size in sizes])
        shown = "  ".join(f"{size}: {np.median(seconds[size]):.3g} s" for size in sizes)
        print(f"{what:20} grows with {unit} to the {exponent(sizes, measured[unit][2])[0]:.2f}   {shown}", flush=True)
    if options.figure:
        _draw(measured, options.figure)


def exponent(sizes: list[int], seconds: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the line through the logarithms of sizes (k,) and of median seconds (k, repeats)."""
    return tuple(np.polyfit(np.log(sizes), np.log(np.median(seconds, axis=1)), 1))


def _draw(measured: dict[str, tuple[str, list[int], np.ndarray]], path: Path) -> None:
    with plt.rc_context(CONTEXT):
        figure, axes = plt.subplots(1, len(measured), figsize=(TWO_COLUMNS, 1.9), layout="constrained")
        for axis, (unit, (what, sizes, seconds)) in zip(axes, measured.items(), strict=True):
            _panel(axis, unit, what, sizes, seconds)
        axes[0].set_ylabel("processor time (s)")
        figure.savefig(path, metadata={"Date": None})


def _panel(axis: Axes, unit: str, what: str, sizes: list[int], seconds: np.ndarray) -> None:
    slope, intercept = exponent(sizes, seconds)
    axis.plot(sizes, np.exp(intercept) * np.array(sizes, float) ** slope, color=GREY, linewidth=1)
    middle = np.median(seconds, axis=1)
    spread = [middle - seconds.min(axis=1), seconds.max(axis=1) - middle]
    axis.errorbar(sizes, middle, spread, fmt="o", color="#0072B2", markersize=3, elinewidth=1)
    axis.set(xscale="log", yscale="log", xlabel=unit, title=f"{what}\nexponent {slope:.2f}")
    axis.set_xticks(sizes[:: len(sizes) // 2], [str(size) for size in sizes[:: len(sizes) // 2]])
    axis.set_yticks(ends := middle[[0, -1]], [f"{end:.2g}" for end in ends])
    axis.minorticks_off()


def _train(n: int) -> float:
    """Seconds of an epoch on n examples."""

    def epochs(trainer) -> None:
        nonlocal seconds
        trainer._train_epoch(measured=False)
        seconds = _seconds(lambda: [trainer._train_epoch(measured=False) for _ in range(5)]) / 5

    seconds = np.nan
    _trained(_vectors(n), _vectors(1), _settings(1, 1), epochs)
    return seconds


def _evaluate(n: int) -> float:
    """Seconds of an evaluation on n examples."""
    trainer = _trained(_vectors(1), _vectors(1), _settings(1, 1), lambda trainer: None)
    examples = _vectors(n)
    splits = {"test": (torch.from_numpy(examples.inputs), torch.from_numpy(examples.labels))}
    return _seconds(lambda: evaluate(trainer.model, splits, trainer.step.loss))


def _geometry(checkpoints: int, images: int) -> float:
    rng, arrays = np.random.default_rng(0), {"epochs": np.arange(checkpoints)}
    arrays |= {
        f"{epoch}/{split}/pooled": rng.random((images, 512), dtype=np.float32)
        for epoch in range(checkpoints)
        for split in SPLITS
    }
    return _seconds(lambda: measure_geometry(Features(arrays.__getitem__)))


def _probing(checkpoints: int, images: int) -> float:
    axes = {width: probing._axes(width) for width in set(probing.WIDTHS.values())}
    run = [probing.checkpoint(epoch, images, axes) for epoch in range(checkpoints)]

    def get(name: str) -> np.ndarray:
        if name == "epochs":
            return np.arange(checkpoints)
        epoch = name.split("/")[0]
        return run[int(epoch) if epoch.isdigit() else 0].get(name)

    return _seconds(lambda: probe_layers(Features(get), Measurement()))


def _vectors(n: int) -> Split:
    rng, index = np.random.default_rng(0), np.arange(n)
    return Split(rng.random((n, 1, 784), dtype=np.float32), index % 10, index, index, index)


def _seconds(run) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


if __name__ == "__main__":
    main()
