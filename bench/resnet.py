"""ResNet-18 at 96x96, batch 32: our training against the usual loop over a wilds DataLoader.

The usual loop is that of the WILDS examples: Camelyon17's PNG files, ToTensor and Normalize, torchvision's ResNet-18,
AdamW, float32, all cores as torch's threads. Ours trains from decoded images in the named precision; runs side by side
are processes of one thread each, or sharing one GPU, and their rates are added. Both are checked to see the same pixels
and to compute the same logits. Every side runs in processes of its own, so that a peak of resident memory is one
side's. Wall time. The limits: what matrix products alone reach in that precision, what decoding alone allows, and what
the memory's speed allows AdamW; and how long the paper study's steps would take, evaluation left out.

Run as ``python bench/resnet.py --data DIR``, DIR with camelyon17_v1.0; without, tissue is generated. With
``--device cuda --steps 1000 --runs 4`` it is the GPU half.
"""

import argparse
import itertools
import multiprocessing
import os
import resource
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from _sides import in_turn, show
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models, transforms
from wilds import get_dataset
from wilds.common.data_loaders import get_train_loader

from causalgrok.data.packing import pack
from causalgrok.data.tissue import TissueSettings, generate
from causalgrok.data.wilds_layout import read_images, read_metadata
from causalgrok.models.registry import build_model
from causalgrok.models.settings import ResNet18
from causalgrok.training.recipe import Recipe
from causalgrok.training.resume import ResumeState
from causalgrok.training.schedule import Schedule
from causalgrok.training.settings import Training
from causalgrok.training.trainer import Trainer

# Labels are read from a table and never written to; neither side minds.
warnings.filterwarnings("ignore", "The given NumPy array is not writable")

BATCH = 32
STUDY_STEPS = 858_000
"""Of the config's `camelyon17`: eight runs of 1,000 images and three of 300, 3,000 epochs each."""

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def main() -> None:
    """Check that both sides do the same, run them in turn and print images a second, memory and limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds camelyon17_v1.0")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where both sides train")
    parser.add_argument("--precision", default="bfloat16", help="of ours, besides float32: bfloat16 or tf32")
    parser.add_argument("--steps", type=int, default=12, help="timed steps of a run")
    parser.add_argument(
        "--runs", type=int, default=2, help="our runs side by side; on a CPU also the usual loop's cores"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes of the DataLoader")
    parser.add_argument("--repeats", type=int, default=3, help="rounds in which every side runs once")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        if options.data is None:
            generate(TissueSettings(image_size=96, patches_per_hospital=120), folder)
        root = str(options.data or folder)
        print(f"{options.data or 'generated tissue'}, {options.device}, {options.steps} steps of {BATCH}")
        _check(root)
        memory: dict[str, float] = {}
        sides = {
            "usual": (usual, 1, ()),
            "ours, float32": (ours, 1, ("float32",)),
            f"ours, {options.precision}": (ours, 1, (options.precision,)),
            f"ours, float32, {options.runs} side by side": (ours, options.runs, ("float32",)),
            f"ours, {options.precision}, {options.runs} side by side": (ours, options.runs, (options.precision,)),
        }
        rates = in_turn(
            {
                name: (lambda name=name, side=side: _run(name, side, root, options, memory))
                for name, side in sides.items()
            },
            options.repeats,
        )
        for name, values in rates.items():
            show(name, values, "images/s")
        for name, values in list(rates.items())[1:]:
            asked = {"cpu": "2", "cuda": "10"}[options.device] if name.endswith("side by side") else ""
            show(f"{name}, to usual", values / rates["usual"], "times", asked=asked, format=".2f")
        kind = "GPU memory" if options.device == "cuda" else "resident memory above that before the first step"
        print(f"peak {kind}, MB a run: " + ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in memory.items()))
        _limits(root, options, rates)


def usual(root: str, options: argparse.Namespace):
    """The usual loop; yields after every step, the first a warm-up."""
    torch.set_num_threads(options.runs if options.device == "cpu" else 4)
    dataset = get_dataset("camelyon17", root_dir=root, download=False)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(*IMAGENET)])
    loader = get_train_loader(
        "standard",
        dataset.get_subset("train", transform=transform),
        batch_size=BATCH,
        num_workers=options.workers,
        pin_memory=options.device == "cuda",
        drop_last=True,
    )
    model = models.resnet18(num_classes=2).to(options.device).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    for x, labels, _ in itertools.chain.from_iterable(itertools.repeat(loader)):
        loss = nn.functional.cross_entropy(model(x.to(options.device)), labels.to(options.device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield 1


def ours(root: str, options: argparse.Namespace, precision: str):
    """Our training; yields the steps of an epoch after each, the first a warm-up."""
    metadata = read_metadata(root)
    steps = min(4 if options.device == "cpu" else 31, options.steps)
    rows = np.resize(metadata.index[metadata["split"] == "train"], steps * BATCH)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            pack(root, metadata, rows, size=96),
            {},
            _settings(options.device, precision),
            resume=ResumeState(Path(folder), {}),
        )
        while True:
            trainer._train_epoch(measured=False)
            yield steps


def _run(name: str, side: tuple, root: str, options: argparse.Namespace, memory: dict[str, float]) -> float:
    """Images a second of all processes of a side together, each from the moment that all are warm."""
    loop, runs, arguments = side
    context = multiprocessing.get_context("spawn")
    warm, done = context.Barrier(runs), context.Queue()
    processes = [
        context.Process(target=_work, args=(loop, (root, options, *arguments), warm, done)) for _ in range(runs)
    ]
    for process in processes:
        process.start()
    results = [done.get(timeout=3600) for _ in processes]
    for process in processes:
        process.join()
    memory[name] = max(memory.get(name, 0), *(megabytes for _, megabytes in results))
    return sum(rate for rate, _ in results)


def _work(loop, arguments: tuple, warm, done) -> None:
    device, steps = arguments[1].device, arguments[1].steps
    before, taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    running = loop(*arguments)
    next(running)
    warm.wait()
    began = time.perf_counter()
    while taken < steps:
        taken += next(running)
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    done.put((taken * BATCH / seconds, torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else peak))


def _check(root: str) -> None:
    """The loader's pixels are those that our network prepares, and its logits our network's."""
    subset = get_dataset("camelyon17", root_dir=root, download=False).get_subset(
        "train", transform=transforms.Compose([transforms.ToTensor(), transforms.Normalize(*IMAGENET)])
    )
    theirs = torch.stack([subset[i][0] for i in range(4)])
    model, reference = build_model(ResNet18(), classes=2).eval(), models.resnet18(num_classes=2).eval()
    prepared = model.prepare(torch.from_numpy(read_images(root, subset.indices[:4])))
    torch.testing.assert_close(prepared, theirs, rtol=1e-4, atol=1e-5)
    reference.load_state_dict(model.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(model(prepared), reference(theirs), rtol=1e-3, atol=1e-4)


def _limits(root: str, options: argparse.Namespace, rates: dict[str, np.ndarray]) -> None:
    """Print what products, decoding and memory alone allow, the share that is reached, and how long the study is."""
    with FlopCounterMode(display=False) as counter:
        build_model(ResNet18(), classes=2)(torch.zeros(2, 3, 96, 96)).sum().backward()
    operations = counter.get_total_flops() / 2
    for precision in dict.fromkeys(["float32", options.precision]):
        limit = _products(options.device, precision)
        reached = np.median(rates[f"ours, {precision}"]) * operations
        print(
            f"matrix products, {precision}: {limit / 1e9:.0f} GFLOP/s; an image is {operations / 1e9:.2f} GFLOP, "
            f"so at most {limit / operations:.0f} images/s; reached {reached / limit:.0%}"
        )
    rows = np.arange(min(200, len(read_metadata(root))))
    began = time.process_time()
    read_images(root, rows)
    decode = (time.process_time() - began) / len(rows)
    print(
        f"decoding a PNG: {1e3 * decode:.2f} ms, so at most {1 / decode:.0f} images/s a core by any loop that decodes"
    )
    # AdamW reads a weight, its gradient and two moments and writes all but the gradient.
    moved = 7 * 4 * sum(weights.numel() for weights in build_model(ResNet18(), classes=2).parameters())
    speed = _memory(options.device)
    print(
        f"memory: {speed / 1e9:.0f} GB/s; AdamW moves {moved / 1e6:.0f} MB a step, "
        f"so at most {BATCH * speed / moved:.0f} images/s"
    )
    for name, values in rates.items():
        print(
            f"{STUDY_STEPS:,} steps at the rate of {name}: {STUDY_STEPS * BATCH / np.median(values) / 60:,.0f} minutes"
        )


def _products(device: str, precision: str) -> float:
    """Floating-point operations a second of large matrix products, the best of a few; one thread on a CPU."""
    torch.set_num_threads(1)
    size, times = (8192, 20) if device == "cuda" else (1024, 5)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    matrix, best = torch.randn(size, size, device=device, dtype=dtype), np.inf
    for _ in range(times):
        began = time.perf_counter()
        matrix @ matrix
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def _memory(device: str) -> float:
    """Bytes a second, read and written, of copying 256 MB, the best of a few; one thread on a CPU."""
    source = torch.ones(2**26, device=device)
    target, best = torch.empty_like(source), np.inf
    for _ in range(10):
        began = time.perf_counter()
        target.copy_(source)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * source.nbytes / best


def _settings(device: str, precision: str) -> Training:
    return Training(
        model=ResNet18(),
        classes=2,
        loss="cross_entropy",
        recipe=Recipe(weight_decay=1e-2, batch_size=BATCH),
        schedule=Schedule(epochs=1, evaluate_every=1, checkpoint_every=1),
        seed=0,
        device=device,
        precision=precision,
        cuda_graph=device == "cuda",
    )


if __name__ == "__main__":
    main()
