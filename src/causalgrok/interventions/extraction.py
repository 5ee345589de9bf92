"""One pass of the evaluation images through every checkpoint: stages, pooled features and head.

Networks run in evaluation mode, so features depend on no other image of the batch. The training subset and the
evaluation splits keep their pooled features; the probe pool keeps all stages. Maps before pooling are averaged over
a grid of cells, `grid` a side, and flattened channel by channel.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from causalgrok.data.splits import Split
from causalgrok.interventions.features import PROBE

BATCH = 256


@torch.no_grad()
def extract_features(
    model: nn.Module,
    checkpoints: Iterable[tuple[int, dict[str, Tensor]]],
    splits: dict[str, Split],
    *,
    grid: int,
    device: str,
) -> dict[str, np.ndarray]:
    """Compute the arrays of `causalgrok.interventions.features.Features`.

    Args:
        model: the run's network; its weights are replaced by each checkpoint's.
        checkpoints: (epoch, state dict) in ascending order; those whose features are not finite are left out.
        splits: the training subset, the evaluation splits and the probe pool, by name.
        grid: cells a side over which maps before pooling are averaged.
        device: where the network runs.

    Returns:
        Array name -> array, float32 features and int64 labels, hospitals and slides.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, split in splits.items():
        arrays |= {f"{name}/{field}": getattr(split, field) for field in ("labels", "domains", "groups")}
    model.to(device).eval()
    epochs = []
    for epoch, state in checkpoints:
        model.load_state_dict(state)
        features = {
            f"{epoch}/{name}/{stage}": values
            for name, split in splits.items()
            for stage, values in _forward(model, split, device, grid, every_stage=name == PROBE).items()
        }
        if not all(np.isfinite(values).all() for values in features.values()):
            print(f"epoch {epoch} is left out: the network has diverged", flush=True)
            continue
        arrays |= features
        arrays[f"{epoch}/head.weight"] = model.fc.weight.cpu().numpy().copy()
        bias = model.fc.bias if model.fc.bias is not None else torch.zeros(len(model.fc.weight))
        arrays[f"{epoch}/head.bias"] = bias.cpu().numpy().copy()
        epochs.append(epoch)
        print(f"epoch {epoch}", flush=True)
    return arrays | {"epochs": np.array(epochs)}


def _forward(model: nn.Module, split: Split, device: str, grid: int, *, every_stage: bool) -> dict[str, np.ndarray]:
    collected: dict[str, list[Tensor]] = {}
    for batch in torch.from_numpy(split.inputs).split(BATCH):
        for stage, output in model.stages(model.prepare(batch.to(device))):
            if stage == "pooled" or every_stage:
                if output.dim() == 4:
                    output = adaptive_avg_pool2d(output, min(grid, output.shape[-1])).flatten(1)
                collected.setdefault(stage, []).append(output.cpu())
    return {stage: torch.cat(parts).numpy() for stage, parts in collected.items()}
