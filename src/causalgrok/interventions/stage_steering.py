"""Steering at the stages before pooling: the forward pass continues from a stage whose output was moved.

At stages of maps (stem and layer1 to layer4 of a ResNet) the hospital direction is channel-wise: it is fitted, as in
`steering`, on the maps' averages over space, ``m' = m + alpha sigma v`` is the same at every place, and the rest of the
network follows; a stage whose output is a vector is moved as pooled features are. What lies behind is nonlinear, so
unlike at the pooled stage AUROC may change: the network uses what was moved. `bias` adds to all images' logits the mean
shift that the hospital direction made there, and keeps only the threshold's part of it.

layer4 is followed by average pooling and a linear head, so steering it is steering the pooled features, exactly; it is
computed so. The costly stages are restricted: a balanced part of the images, controls at the largest |alpha| only.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from causalgrok.columns import COLUMNS
from causalgrok.data.splits import Split
from causalgrok.interventions.features import Head
from causalgrok.interventions.margins import score_shifted, score_steered
from causalgrok.interventions.scoring import double
from causalgrok.interventions.settings import Measurement
from causalgrok.interventions.steering import Directions, bias_cases, steering_directions
from causalgrok.models.staged import StagedNetwork

AVERAGED = "layer4"
"""The stage of which pooling takes averages, and nothing else."""

BATCH = 64
"""Images whose outputs are held at a time."""

MOVED = {"cpu": 2**22, "cuda": 2**27}
"""Moved elements that are pushed through the rest of the network at once: 16 MiB fit caches, 512 MiB a GPU."""


def balanced_part(split: Split, at_most: int) -> Split:
    """Part of a split, as equally balanced by hospital and label as there are examples, in the split's order.

    Cells of hospital and label are thinned evenly, so that neighbours (one slide's patches) go before slides do.

    Args:
        split: the examples.
        at_most: upper limit of their number.
    """
    if len(split) <= at_most:
        return split
    cells = np.unique(np.column_stack([split.domains, split.labels]), axis=0, return_inverse=True)[1].ravel()
    members = sorted((np.flatnonzero(cells == cell) for cell in np.unique(cells)), key=len)
    kept: list[np.ndarray] = []
    left = at_most
    for number, rows in enumerate(members):
        share = min(left // (len(members) - number), len(rows))
        kept.append(rows[np.arange(share) * len(rows) // max(share, 1)])
        left -= share
    return split[np.sort(np.concatenate(kept))]


@torch.inference_mode()
def steer_stages(
    model: StagedNetwork,
    checkpoints: Iterable[tuple[int, Mapping[str, Tensor]]],
    splits: Mapping[str, Split],
    pool: Split,
    *,
    names: Mapping[str, int],
    settings: Measurement,
    device: str,
) -> pd.DataFrame:
    """Steer every stage before pooling at the named checkpoints.

    Without OOD val, directions point to where the margin of the last class over the first rises on the probe pool.
    Without id_val, accuracy at the recalibrated threshold is missing.

    Args:
        model: the run's network; its weights are replaced by each checkpoint's.
        checkpoints: (epoch, state dict); those that have no name are left out.
        splits: the evaluation splits by name; `settings.steered_images` of each are used.
        pool: the probe pool.
        names: checkpoint name -> epoch; an epoch with several names is computed once.
        settings: strengths, repeats and seed.
        device: where the network runs.

    Returns:
        The columns of the table `steering` at all stages before pooling: hospital and bias at every alpha;
        permuted and matched, `repeats` of each, at the largest |alpha| with either sign.

    Raises:
        ValueError: a named epoch is not among the checkpoints or has diverged, or the probe pool has only one
            hospital, no label in two of them, or no hospital with a second slide.
    """
    wanted, seen, frames = set(names.values()), set(), []
    splits = {name: balanced_part(split, settings.steered_images) for name, split in splits.items()}
    model.to(device, memory_format=torch.channels_last).eval()
    for epoch, state in checkpoints:
        if epoch in wanted - seen:
            model.load_state_dict(state)
            frames += [frame.assign(epoch=epoch) for frame in _steer_checkpoint(model, splits, pool, settings, epoch)]
            print(f"epoch {epoch}", flush=True)
        seen.add(epoch)
    if wanted - seen:
        raise ValueError(f"epochs {sorted(wanted - seen)} are named, but the checkpoints are those of {sorted(seen)}")
    return pd.concat(frames, ignore_index=True)[list(COLUMNS["steering"])]


def _steer_checkpoint(
    model: StagedNetwork, splits: Mapping[str, Split], pool: Split, settings: Measurement, epoch: int
) -> Iterator[pd.DataFrame]:
    """Two frames a stage: the directions, and the bias."""
    directions = _directions(model, splits.get("ood_val"), pool, settings, epoch)
    strongest = max(map(abs, settings.alphas))
    cases = {stage: one.cases(settings.alphas, sorted({-strongest, strongest})) for stage, one in directions.items()}
    steps = {stage: added for stage, (_, added) in cases.items()}
    logits = {name: _logits(model, split.inputs, steps) for name, split in splits.items()}
    unsteered = {name: plain for name, (plain, _) in logits.items()}
    labels = {name: split.labels for name, split in splits.items()}
    for stage, (rows, added) in cases.items():
        hospital = rows["direction"] == "hospital"
        if stage == AVERAGED:
            shifts = dict.fromkeys(splits, added @ _head(model).weight.T)
            frame = score_shifted(rows, shifts, unsteered, labels)
            bias = {name: shift[hospital] for name, shift in shifts.items()}
        else:
            steered = {name: moved[stage] for name, (_, moved) in logits.items()}
            frame = score_steered(rows, steered, unsteered, labels)
            bias = {name: np.mean(moved[hospital] - unsteered[name], axis=1) for name, moved in steered.items()}
        yield frame.assign(stage=stage)
        yield score_shifted(bias_cases(rows), bias, unsteered, labels).assign(stage=stage)


def _directions(
    model: StagedNetwork, ood_val: Split | None, pool: Split, settings: Measurement, epoch: int
) -> dict[str, Directions]:
    """The hospital direction and its controls of every stage."""
    means = _channel_means(model, pool.inputs)
    toward = _channel_means(model, ood_val.inputs) if ood_val else {}
    if not all(np.isfinite(values).all() for values in [*means.values(), *toward.values()]):
        raise ValueError(f"features at epoch {epoch} are not finite: the network has diverged; name another checkpoint")
    directions = {
        stage: steering_directions(
            values,
            pool.domains,
            pool.groups,
            pool.labels,
            toward[stage].mean(axis=0) if toward else None,
            permuted=settings.repeats,
            matched=settings.repeats,
            isotropic=0,
            seed=settings.seed,
        )
        for stage, values in means.items()
    }
    if toward:
        return directions
    steps = {stage: one.steps for stage, one in directions.items()}
    unsteered, steered = _logits(model, balanced_part(pool, BATCH).inputs, steps)
    rises = {stage: np.mean(moved - unsteered, axis=1) for stage, moved in steered.items()}
    if AVERAGED in steps:
        rises[AVERAGED] = steps[AVERAGED] @ _head(model).weight.T
    return {stage: one.oriented(rises[stage]) for stage, one in directions.items()}


def _head(model: StagedNetwork) -> Head:
    return double(Head(model.fc.weight.cpu().numpy(), model.fc.bias.cpu().numpy()))


def _logits(
    model: StagedNetwork, inputs: np.ndarray, steps: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits (n, classes) of images; and by stage but layer4 those (k, n, classes) after each of its steps (k, c)."""
    pooled: list[np.ndarray] = []
    steered: dict[str, list[np.ndarray]] = {stage: [] for stage in steps if stage != AVERAGED}
    for stage, output in _outputs(model, inputs):
        if stage == "pooled":
            pooled.append(output.double().cpu().numpy())
        elif stage in steered:
            steered[stage].append(_continue(model, stage, output, torch.from_numpy(steps[stage]).to(output)))
    unsteered = _head(model).logits(np.concatenate(pooled))
    moved = {stage: np.concatenate(parts, axis=1) for stage, parts in steered.items()}
    for stage, logits in moved.items():
        # Not moved at all: the same numbers, not the same up to the rounding of another batch.
        logits[~steps[stage].any(axis=1)] = unsteered
    return unsteered, moved


def _continue(model: StagedNetwork, stage: str, output: Tensor, steps: Tensor) -> np.ndarray:
    """Logits (k, b, classes) of maps (b, c, h, w) or vectors (b, c) at a stage, moved by each of the steps (k, c)."""
    segments = model.segments()
    later = [*segments][[*segments].index(stage) + 1 :]
    # Channels last: a step is the same at every place.
    places = output.movedim(1, -1).contiguous()
    logits = []
    for part in steps.split(max(1, MOVED[output.device.type] // output.numel())):
        added = part.reshape(len(part), *[1] * (places.dim() - 1), -1)
        moved = (places + added).flatten(0, 1).movedim(-1, 1)
        for name in later:
            moved = segments[name](moved)
        logits.append(model.fc(moved).unflatten(0, (len(part), len(output))))
    return torch.cat(logits).double().cpu().numpy()


def _channel_means(model: StagedNetwork, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs (n, c) of every stage before pooling, maps averaged over space."""
    means: dict[str, list[np.ndarray]] = {stage: [] for stage in model.segments() if stage != "pooled"}
    for stage, output in _outputs(model, inputs):
        if stage in means:
            averaged = output.mean(dim=(2, 3)) if output.dim() == 4 else output
            means[stage].append(averaged.double().cpu().numpy())
    return {stage: np.concatenate(parts) for stage, parts in means.items()}


def _outputs(model: StagedNetwork, inputs: np.ndarray) -> Iterator[tuple[str, Tensor]]:
    """Yield stage and output of the images (n, height, width, 3), batch by batch, stage by stage."""
    device = model.fc.weight.device
    for batch in torch.from_numpy(inputs).split(BATCH):
        yield from model.stages(model.prepare(batch.to(device)))
