"""Which device a run trains on: the same answer at planning and in the job, without importing torch."""

import os
from pathlib import Path
from typing import Literal


def gpu_visible() -> bool:
    """Whether this machine shows an NVIDIA GPU that CUDA_VISIBLE_DEVICES does not hide."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and (any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists())


def resolve_device(device: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    """Turn `auto` into cuda where there is a GPU, else into cpu; leave the others as they are."""
    if device == "auto":
        return "cuda" if gpu_visible() else "cpu"
    return device
