"""All pooled-stage interventions of one checkpoint from cached features, against a forward pass for every setting.

Both sides answer the same questions about the same network (ResNet-18 at full width) and images. The naive side is
timed on a few settings and multiplied by their number, because all of them would take days; on those few the two sides
must agree to rounding. One thread; seconds of processor time, so that other work on the machine does not
count. Run as ``python bench/pooled_interventions.py``.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from causalgrok.data.splits import Split
from causalgrok.interventions.ablation import ablate_features
from causalgrok.interventions.extraction import extract_features
from causalgrok.interventions.features import PROBE, SPLITS, STAGES, Features
from causalgrok.interventions.settings import Measurement
from causalgrok.interventions.steering import steer_activations, steering_directions
from causalgrok.models.registry import build_model
from causalgrok.models.settings import ResNet18

HOSPITALS = {"train": (0, 3, 4), "id_val": (0, 3, 4), PROBE: (0, 3, 4), "ood_val": (1,), "ood_test": (2,)}


def main() -> None:
    """Run both sides and print seconds, settings and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help="evaluation images of a split")
    parser.add_argument("--passes", type=int, default=2, help="settings for which the naive side is run")
    parser.add_argument("--repeats", type=int, default=3, help="timings of our side, whose median is given")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_model(ResNet18(), classes=2).eval()
    features = _cached(options.images)
    naive_split = _images(min(options.images, 200), HOSPITALS["ood_test"])
    measurement = Measurement()

    rows, ours = 0, 0.0
    for name, intervene in {
        "steering": lambda: [steer_activations(features, measurement)],
        "ablation": lambda: list(ablate_features(features, measurement, ("subspace", "neurons")).values()),
    }.items():
        seconds = []
        for _ in range(options.repeats):
            began = time.process_time()
            tables = intervene()
            seconds.append(time.process_time() - began)
        settings = sum(map(len, tables))
        print(
            f"{name:10} {np.median(seconds):7.2f} s  (from {min(seconds):.2f} to {max(seconds):.2f})  {settings} rows"
        )
        rows, ours = rows + settings, ours + np.median(seconds)
    per_image = _check_and_time(model, naive_split, measurement, options.passes)
    naive = rows * options.images * per_image
    print(f"all        {ours:7.2f} s  {rows} settings (split by split), {options.images} images each")
    print(f"naive      {naive:7.0f} s  {1 / per_image:.0f} images/s in {options.passes} forward passes, multiplied")
    print(f"ratio      {naive / ours:7.0f}")


def _images(n: int, hospitals: tuple[int, ...]) -> Split:
    rng = np.random.default_rng(n + hospitals[0])
    domains = np.resize(hospitals, n)
    inputs = (rng.integers(0, 200, (n, 96, 96, 3)) + 5 * domains[:, None, None, None]).astype(np.uint8)
    groups = 10 * domains + rng.integers(0, 10, n)
    return Split(inputs, rng.integers(0, 2, n), domains, groups, np.arange(n))


def _cached(images: int) -> Features:
    """Features of 512 channels with the spectrum, slides and hospitals of real ones, and a head."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((512, 512)))[0] * np.arange(1, 513) ** -0.5
    arrays = {"epochs": np.array([0])}
    for split in (*SPLITS, PROBE):
        n = {PROBE: 3000, "train": 1000}.get(split, images)
        domains = np.resize(HOSPITALS[split], n)
        groups = 10 * domains + rng.integers(0, 10, n)
        labels = rng.integers(0, 2, n)
        codes = rng.standard_normal((n, 512)) + 0.3 * rng.standard_normal((60, 512))[groups]
        codes[:, 5] += domains
        codes[:, 9] += 2 * labels
        values = np.maximum(codes @ axes.T + 0.3, 0).astype(np.float32)
        arrays |= {f"{split}/labels": labels, f"{split}/domains": domains, f"{split}/groups": groups}
        arrays |= {f"0/{split}/{stage}": values for stage in STAGES}
    row = axes[:, 9] + 0.3 * axes[:, 5]
    arrays["0/head.weight"] = np.stack([-row, row]).astype(np.float32)
    arrays["0/head.bias"] = np.array([0.0, -0.3], dtype=np.float32)
    return Features(arrays.__getitem__)


@torch.inference_mode()
def _check_and_time(model: torch.nn.Module, split: Split, measurement: Measurement, passes: int) -> float:
    """Seconds an image of a forward pass with the pooled features moved, the same numbers as ours checked."""
    pool, target = _images(60, HOSPITALS[PROBE]), _images(20, HOSPITALS["ood_val"])
    states = [(0, {name: tensor.clone() for name, tensor in model.state_dict().items()})]
    splits = {"train": pool, "id_val": pool, "ood_val": target, "ood_test": split, PROBE: pool}
    arrays = extract_features(model, states, splits, grid=1, device="cpu")
    features = Features.of(arrays.__getitem__, arrays.keys())
    table = steer_activations(features, measurement)
    table = table[(table["split"] == "ood_test") & (table["direction"] == "hospital")]
    step = _hospital_step(features, measurement)
    images, seconds = torch.from_numpy(split.inputs), 0.0
    for alpha in measurement.alphas[:passes]:
        move = torch.from_numpy((alpha * step).astype(np.float32))
        hook = model.avgpool.register_forward_hook(lambda module, args, out, move=move: out + move[None, :, None, None])
        began = time.process_time()
        logits = torch.cat([model(model.prepare(batch)) for batch in images.split(256)]).numpy()
        seconds += time.process_time() - began
        hook.remove()
        accuracy = np.mean(logits.argmax(axis=1) == split.labels)
        np.testing.assert_allclose(accuracy, table.loc[table["alpha"] == alpha, "accuracy"].item(), atol=2 / len(split))
    return seconds / passes / len(split)


def _hospital_step(features: Features, measurement: Measurement) -> np.ndarray:
    pool = (features.at(0, PROBE), features.domains(PROBE), features.groups(PROBE), features.labels(PROBE))
    target = features.at(0, "ood_val").mean(axis=0, dtype=np.float64)
    counts = {"permuted": 1, "matched": 0, "isotropic": 0}
    return steering_directions(*pool, target, **counts, seed=measurement.seed).steps[0]


if __name__ == "__main__":
    main()
