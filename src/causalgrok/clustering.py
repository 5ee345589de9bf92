"""Subclasses where labels name none: clusters of each class in a network's latent space.

A ResNet-18 learns the classes from examples set apart. What one of its stages makes of other examples, which it has not
seen, is clustered class by class by k-means; further examples join the nearest centroid. Clusters are numbered by their
size, the largest first, so that numbers do not depend on the order in which k-means found them.
"""

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from causalgrok.data.clusters import ClusteringSettings
from causalgrok.data.splits import Split
from causalgrok.models.settings import ResNet18
from causalgrok.training.adamw import AdamW
from causalgrok.training.loss import loss_function
from causalgrok.training.recipe import Recipe
from causalgrok.training.schedule import Schedule
from causalgrok.training.settings import Training
from causalgrok.training.step import Step
from causalgrok.training.trainer import initialise, make_deterministic, stream

RECIPE = Recipe(learning_rate=1e-3, weight_decay=1e-2, batch_size=64)
"""AdamW with torch's defaults."""

STARTS = 10
"""Of k-means, the best of which counts."""

_BATCH = 256


def find_clusters(splits: dict[str, Split], settings: ClusteringSettings) -> dict[str, np.ndarray]:
    """Cluster the images of each class; the same bits for the same input on one machine.

    Args:
        splits: images (n, h, w) uint8 and labels: `network`, what the network learns from; `train`, what centroids are
            fitted to; `test`, what joins them.
        settings: network, stage and number of clusters.

    Returns:
        Of `train`, and likewise of `test`: ``train/clusters`` (n,) int64 from 0 in every class, ``train/distances``
        (n,) float32 to the centroid, in units of the stage's activations, and ``train/images``, ``train/labels`` and
        ``train/rows`` as they were given.

    Raises:
        ValueError: a class has fewer examples, or fewer different ones, than clusters are asked for.
    """
    network = _trained(splits["network"], settings)
    clustered = {name: splits[name] for name in ("train", "test")}
    features = {name: _features(network, split, settings) for name, split in clustered.items()}
    found = {name: np.full((len(split), 2), np.nan) for name, split in clustered.items()}
    for label in np.unique(splits["train"].labels):
        own = {name: split.labels == label for name, split in clustered.items()}
        centroids = _centroids(features["train"][own["train"]], int(label), settings)
        for name, values in found.items():
            distances = cdist(features[name][own[name]], centroids)
            values[own[name]] = np.stack([distances.argmin(axis=1), distances.min(axis=1)], axis=1)
    arrays = {}
    for name, split in clustered.items():
        clusters, distances = found[name].T
        arrays |= {f"{name}/images": split.inputs, f"{name}/labels": split.labels, f"{name}/rows": split.rows}
        arrays |= {f"{name}/clusters": clusters.astype(np.int64), f"{name}/distances": distances.astype(np.float32)}
    return arrays


def _trained(split: Split, settings: ClusteringSettings) -> nn.Module:
    """The network, trained and in evaluation mode."""
    training = Training(
        model=ResNet18(width=settings.width),
        classes=int(split.labels.max()) + 1,
        loss="cross_entropy",
        recipe=RECIPE,
        schedule=Schedule(epochs=settings.epochs, evaluate_every=settings.epochs, checkpoint_every=settings.epochs),
        seed=settings.seed,
        device="cpu",
    )
    make_deterministic(training)
    network = initialise(training)
    examples = _coloured(split), torch.from_numpy(split.labels)
    optimiser = AdamW(list(network.parameters()), RECIPE)
    step = Step(network, loss_function(training.loss), examples, optimiser=optimiser)
    order = torch.Generator().manual_seed(stream(settings.seed, "order"))
    for epoch in range(settings.epochs):
        for batch in torch.randperm(len(split), generator=order).split(RECIPE.batch_size):
            if len(batch) > 1:  # of one image there are no batch statistics
                step(batch)
        print(f"epoch {epoch + 1}/{settings.epochs}", flush=True)
    return network.eval()


@torch.no_grad()
def _features(network: nn.Module, split: Split, settings: ClusteringSettings) -> np.ndarray:
    """The stage's maps (n, channels * cells) of a split; says how well the network tells its classes apart."""
    parts, right = [], 0
    batches = zip(_coloured(split).split(_BATCH), torch.from_numpy(split.labels).split(_BATCH), strict=True)
    for images, labels in batches:
        stages = dict(network.stages(network.prepare(images)))
        maps = stages[settings.layer]
        side = min(settings.grid or maps.shape[-1], maps.shape[-1])
        parts.append(adaptive_avg_pool2d(maps, side).flatten(1))
        right += int((network.fc(stages["pooled"]).argmax(dim=1) == labels).sum())
    print(f"accuracy of the network on {len(split)} images it has not seen: {right / len(split):.4f}", flush=True)
    return torch.cat(parts).numpy()


def _coloured(split: Split) -> torch.Tensor:
    """Grey images as the network reads them, (n, h, w, 3), without a copy."""
    return torch.from_numpy(split.inputs)[..., None].expand(-1, -1, -1, 3)


def _centroids(features: np.ndarray, label: int, settings: ClusteringSettings) -> np.ndarray:
    """Centroids (k, d) of the clusters of a class's features (n, d), that of the largest first."""
    from sklearn.cluster import KMeans

    if len(features) < settings.clusters:
        raise ValueError(f"clusters: {settings.clusters} is above the {len(features)} examples of class {label}")
    means = KMeans(settings.clusters, n_init=STARTS, random_state=settings.seed).fit(features)
    sizes = np.bincount(means.labels_, minlength=settings.clusters)
    if not sizes.all():
        raise ValueError(f"clusters: {settings.clusters} is above the {np.count_nonzero(sizes)} that class {label} has")
    order = np.argsort(-sizes, kind="stable")
    print(f"class {label}: clusters of {', '.join(map(str, sizes[order]))}", flush=True)
    return means.cluster_centers_[order]
