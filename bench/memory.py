"""Peak resident memory of every stage that a run of the paper study goes through, at that study's sizes.

ResNet-18 at full width, 96 x 96 patches, 1,000 to train on, 2,000 of each evaluation split, 3,000 for probes, all
refits and controls. Images are random: memory does not depend on what they show. Each stage has a process of its own
and one or a few checkpoints; what grows with their number is said beside it. Run as ``python bench/memory.py``.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from causalgrok.arrays import open_arrays, write_arrays
from causalgrok.data.splits import EVALUATION_SPLITS, Split
from causalgrok.interventions.features import PROBE, Features
from causalgrok.interventions.settings import Measurement

HOSPITALS = {"id_val": (0, 3, 4), "ood_val": (1,), "ood_test": (2,), PROBE: (0, 3, 4), "train": (0, 3, 4)}
HOLDS = {
    "train": "grows with images, 28 kB each",
    "extract_features": "grows with checkpoints, whose features it holds until all are there; of one",
    "probe_layers": "one checkpoint and stage at a time",
    "ablate_features": "one checkpoint at a time",
    "measure_erasure": "one checkpoint at a time",
    "measure_features": "one checkpoint at a time",
    "measure_counterfactuals": "grows with images, 28 kB each: 300 a split shown as five hospitals by two methods",
    "steer_activations": "maps of 64 images at a time; of 64 images a split and two refits, not of all",
}
CHECKPOINTS = 27
"""That a run of the study keeps."""


def main() -> None:
    """Run every stage and print what it took, or one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1, help="part of the study's numbers of images")
    parser.add_argument("--width", type=int, default=64, help="of the network; 64 is the study's")
    parser.add_argument("--stage", choices=HOLDS, help="run this one here; by default all, each in a process")
    parser.add_argument("--folder", type=Path, help="where the stage finds features")
    options = parser.parse_args()
    if options.stage:
        _stage(options.stage, options.scale, options.width, options.folder)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        sizes = {}
        for stage in ("extract_features", *(stage for stage in HOLDS if stage != "extract_features")):
            passed = ["--scale", str(options.scale), "--width", str(options.width)]
            command = [sys.executable, __file__, "--stage", stage, "--folder", folder, *passed]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            sizes[stage] = int(said.split()[-1])
            print(f"{stage:24} {sizes[stage] / 1e9:6.2f} GB measured  {HOLDS[stage]}", flush=True)
        kept = (Path(folder) / "features.safetensors").stat().st_size
        whole = sizes["extract_features"] + (CHECKPOINTS - 1) * kept
        print(f"{'extract_features':24} {whole / 1e9:6.2f} GB computed  for {CHECKPOINTS} checkpoints")


def _images(name: str, n: int) -> Split:
    rng = np.random.default_rng(n)
    domains = np.resize(HOSPITALS[name], n)
    inputs = rng.integers(0, 255, (n, 96, 96, 3), dtype=np.uint8)
    return Split(inputs, rng.integers(0, 2, n), domains, 10 * domains + rng.integers(0, 10, n), np.arange(n))


def _stage(stage: str, scale: float, width: int, folder: Path) -> None:
    splits = {name: _images(name, int(scale * 2000)) for name in EVALUATION_SPLITS}
    measurement, path = Measurement(), folder / "features.safetensors"
    if stage in ("probe_layers", "ablate_features", "measure_erasure", "measure_features"):
        with open_arrays(path) as file:
            _pooled(stage, Features.of(file.get_tensor, file.keys()), measurement)
    elif stage == "train":
        _train(splits, int(scale * 1000), width, folder)
    else:
        _forward(stage, splits, scale, width, path, measurement)


def _pooled(stage: str, features: Features, measurement: Measurement) -> None:
    if stage == "probe_layers":
        from causalgrok.interventions.probing import probe_layers

        probe_layers(features, measurement)
    elif stage == "ablate_features":
        from causalgrok.interventions.ablation import ablate_features

        ablate_features(features, measurement)
    elif stage == "measure_erasure":
        from causalgrok.interventions.erasure import measure_erasure

        measure_erasure(features, {"final": 0}, measurement)
    else:
        from causalgrok.analysis.geometry import measure_geometry
        from causalgrok.interventions.evaluation import evaluate_slides

        measure_geometry(features)
        evaluate_slides(features)


def _train(splits: dict[str, Split], n: int, width: int, folder: Path) -> None:
    from causalgrok.models.settings import ResNet18
    from causalgrok.training.recipe import GrokfastEma, Recipe
    from causalgrok.training.resume import ResumeState
    from causalgrok.training.schedule import Schedule
    from causalgrok.training.settings import Training
    from causalgrok.training.trainer import Trainer

    settings = Training(
        model=ResNet18(width=width),
        classes=2,
        loss="cross_entropy",
        recipe=Recipe(weight_decay=5e-3, init_scale=4, grokfast=GrokfastEma()),
        schedule=Schedule(epochs=1, evaluate_every=1, checkpoint_every=1),
        seed=0,
        device="cpu",
    )
    Trainer(_images("train", n), splits, settings, resume=ResumeState(folder, {}), report=lambda line: None).run()


def _forward(
    stage: str, splits: dict[str, Split], scale: float, width: int, path: Path, measurement: Measurement
) -> None:
    import torch

    from causalgrok.data.counterfactuals import Counterfactuals
    from causalgrok.interventions.counterfactual import measure_counterfactuals
    from causalgrok.interventions.extraction import extract_features
    from causalgrok.interventions.stage_steering import steer_stages
    from causalgrok.models.registry import build_model
    from causalgrok.models.settings import ResNet18

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_model(ResNet18(width=width), classes=2)
    checkpoints = [(0, {name: tensor.clone() for name, tensor in model.state_dict().items()})]
    pool = _images(PROBE, int(scale * 3000))
    if stage == "extract_features":
        everything = {"train": _images("train", int(scale * 1000)), **splits, PROBE: pool}
        arrays = extract_features(model, checkpoints, everything, grid=measurement.stage_grid, device="cpu")
        write_arrays(arrays, path)
    elif stage == "measure_counterfactuals":
        targets, shown = np.arange(5), {}
        for name, split in splits.items():
            rows = np.arange(int(scale * 300))
            images = np.stack([split.inputs[rows]] * 5)
            shown[name] = Counterfactuals(rows, targets, {"macenko": images, "reinhard": images.copy()})
        measure_counterfactuals(model, checkpoints, splits, shown, device="cpu")
    else:
        # Hours with all of them, and no more memory.
        fewer = measurement.model_copy(update={"steered_images": 64, "repeats": 2})
        steer_stages(model, checkpoints, splits, pool, names={"final": 0}, settings=fewer, device="cpu")


if __name__ == "__main__":
    main()
