"""One run as a job: resumed if it can be, trained to its end, and left with its tables, checkpoints and provenance."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from causalgrok.data.splits import Split
from causalgrok.devices import resolve_device
from causalgrok.files import sha256, write_bytes
from causalgrok.processes import take_gpu
from causalgrok.provenance import environment, settings_hash
from causalgrok.tables import write_table
from causalgrok.training.checkpoints import load_checkpoint
from causalgrok.training.resume import ResumeState
from causalgrok.training.settings import Training
from causalgrok.training.trainer import Trainer


def train_run(
    subset: Split,
    evaluation: dict[str, Split],
    settings: Training,
    *,
    folder: Path,
    name: str,
    code: str,
    data: Sequence[str],
    save_seconds: float = 60,
    start: Path | None = None,
) -> None:
    """Train a run and write metrics.parquet, dynamics.parquet, checkpoints/ and run.json into its folder.

    Args:
        subset: the training examples.
        evaluation: split name -> examples it is evaluated on.
        settings: what the run's numbers depend on.
        folder: the run's folder.
        name: how progress calls the run.
        code: the hash of the code that trains it.
        data: the files that subset and evaluation were read from.
        save_seconds: time between saves of the state that a killed run resumes from.
        start: the checkpoint of another run that this one continues from; its hash stands among the data's.

    Raises:
        ValueError: a GPU is asked for and there is none.
        OSError: what a killed run resumes from, or the results, cannot be written.
    """
    device = resolve_device(settings.device)
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device: cuda is asked for, torch finds no GPU here; run on a GPU, or set the task's device to cpu"
        )
    if device == "cuda":
        torch.cuda.set_device(take_gpu(torch.cuda.device_count()))
    began = time.monotonic()
    provenance = {
        "config": settings.model_dump(mode="json"),
        "config_hash": settings_hash(settings.model_dump(mode="json")),
        "code_hash": code,
        "device": device,
        "data": {str(path): sha256(path) for path in [*data, *([start] if start else [])]},
    }
    resume = ResumeState(folder, provenance, report=lambda line: print(f"{name}  {line}", flush=True))
    trainer = Trainer(
        subset,
        evaluation,
        settings,
        resume=resume,
        save_seconds=save_seconds,
        report=lambda line: print(f"{name}  {line}", flush=True),
        start=load_checkpoint(start) if start else None,
    )
    metrics, dynamics = trainer.run()
    write_table(pd.DataFrame(metrics), folder / "metrics.parquet", "metrics")
    write_table(pd.DataFrame(dynamics), folder / "dynamics.parquet", "dynamics")
    steps = settings.schedule.epochs * trainer.steps_per_epoch
    provenance |= {
        "steps": steps,
        "exposure": settings.recipe.exposure(steps),
        "environment": environment() | ({"gpu": torch.cuda.get_device_name()} if device == "cuda" else {}),
        # What this attempt took: a resumed run says less than its whole.
        "seconds": round(time.monotonic() - began, 1),
        "resumed_after_epoch": trainer.resumed_after,
    }
    write_bytes(folder / "run.json", json.dumps(provenance, indent=2).encode())
    resume.finish(folder)
