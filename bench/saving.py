"""What it costs to save the state that a killed training resumes from, against training without saving.

Both sides train the same ResNet-18 at full width for the same steps, one thread, in turn. One saves its state after
every epoch, far more often than in earnest, so that a save's own seconds can be told; its share at the config's default
interval follows, which is 60 s, or longer where a save takes long. Run as ``python bench/saving.py``.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from causalgrok.data.splits import Split
from causalgrok.models.settings import ResNet18
from causalgrok.training.recipe import GrokfastEma, Recipe
from causalgrok.training.resume import ResumeState
from causalgrok.training.schedule import Schedule
from causalgrok.training.settings import Training
from causalgrok.training.trainer import SAVE_SHARE, Trainer

INTERVAL = 60
"""The config's `save_seconds`."""


def main() -> None:
    """Train both ways in turn and print a save's seconds and its share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=12, help="epochs of one step, each followed by a save or not")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of trainings")
    options = parser.parse_args()
    seconds = [_seconds(options.epochs, save) for _ in range(options.repeats) for save in (False, True)]
    without, with_saves = np.array(seconds[::2]), np.array(seconds[1::2])
    saves = (with_saves - without) / options.epochs
    low, middle, high = np.percentile(saves, [0, 50, 100])
    print(f"without saves  {np.median(without):6.2f} s")
    print(f"with {options.epochs:2}        {np.median(with_saves):6.2f} s")
    print(f"a save         {middle:6.2f} s  (from {low:.2f} to {high:.2f})")
    interval = max(INTERVAL, middle / SAVE_SHARE)
    print(f"by default     {middle / (interval + middle):6.2%} of the time, every {interval:.0f} s")


def _seconds(epochs: int, save: bool) -> float:
    """Wall seconds of a training, with a save after every epoch but the last, which is always saved, or without."""
    rng = np.random.default_rng(0)
    n, index = 8, np.arange(8)
    images = Split(rng.integers(0, 255, (n, 96, 96, 3), dtype=np.uint8), index % 2, index % 3, index, index)
    settings = Training(
        model=ResNet18(),
        classes=2,
        loss="cross_entropy",
        recipe=Recipe(weight_decay=5e-3, init_scale=4, grokfast=GrokfastEma(), batch_size=8),
        schedule=Schedule(epochs=epochs + 1, evaluate_every=epochs + 1, checkpoint_every=epochs + 1),
        seed=0,
        device="cpu",
    )
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        resume = ResumeState(Path(folder), {"save": save})
        trainer = Trainer(
            images,
            {},
            settings,
            resume=resume,
            save_seconds=-1 if save else np.inf,
            save_share=np.inf,
            report=lambda line: None,
        )
        began = time.perf_counter()
        trainer.run()
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
