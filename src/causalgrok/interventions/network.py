"""The network of a run, ready to be looked into: one that was trained here, or somebody else's."""

from pathlib import Path

import torch
from torch import nn

from causalgrok.devices import resolve_device
from causalgrok.models.state_dicts import open_network
from causalgrok.processes import take_gpu
from causalgrok.training.checkpoints import all_checkpoints
from causalgrok.training.settings import Training
from causalgrok.training.trainer import initialise, make_deterministic


def open_run(settings: dict, checkpoints: Path) -> tuple[nn.Module, str]:
    """Build a run's network.

    Args:
        settings: the run's `Training`; of somebody else's network only `device` and `threads`.
        checkpoints: the run's checkpoints; somebody else's network is built after the first of them.

    Returns:
        The network in evaluation mode, its weights to be replaced by a checkpoint's, and the device it runs on.
    """
    device = resolve_device(settings["device"])
    if device == "cuda":
        torch.cuda.set_device(take_gpu(torch.cuda.device_count()))
    if "model" in settings:
        training = Training(**settings)
        make_deterministic(training)
        model = initialise(training)
    else:
        torch.set_num_threads(settings["threads"])
        model = open_network(next(all_checkpoints(checkpoints))[1])
    return model.to(device).eval(), device
