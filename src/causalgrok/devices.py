"""Which device a run trains on, decided at planning, without importing torch."""

import os
from pathlib import Path
from typing import Literal


def resolve_device(device: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    """Turn `auto` into cuda where this machine shows an NVIDIA GPU, else into cpu; leave the others as they are."""
    if device != "auto":
        return device
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "cpu"
    return "cuda" if any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists() else "cpu"
