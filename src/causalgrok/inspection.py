"""Somebody else's networks and images as runs of the pipeline: `snakemake inspect --config checkpoints=... images=...`.

A file's path says which run it is a checkpoint of: its last number is the epoch, a word such as ``seed3`` the seed, and
what is left the recipe. Found out at planning, from names and from the table of images alone, so that whatever is wrong
with them is said before any job starts.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from causalgrok.config import Config, Run
from causalgrok.data.image_table import assign, read_table
from causalgrok.data.splits import EVALUATION_SPLITS
from causalgrok.models.state_dicts import find_checkpoints

NAME = "inspect"
"""The task, dataset and study that inspected networks stand under."""

_SEED = re.compile(r"(?:^|_)seed_?(\d{1,9})(?=_|$)")


@dataclass(frozen=True)
class Inspection:
    """What is inspected."""

    checkpoints: dict[Run, dict[int, Path]]
    """Run -> epoch -> file, ascending."""

    images: Path
    """The table of images."""

    splits: tuple[str, ...]
    """The splits its images fall into, besides the probe pool."""

    classes: int
    """Number of labels of the images, and so of the networks' outputs."""

    @property
    def runs(self) -> list[Run]:
        """One a network."""
        return list(self.checkpoints)


def plan_inspection(config: Config) -> Inspection | None:
    """What the config asks to be inspected; None if it names neither checkpoints nor images.

    Raises:
        ValueError: one of the two is missing, or cannot be used; one line.
    """
    if config.checkpoints is None and config.images is None:
        return None
    for key in ("checkpoints", "images"):
        if getattr(config, key) is None:
            raise ValueError(f"config: {key}: missing; inspect takes --config checkpoints=FOLDER images=TABLE")
    table = assign(read_table(config.images), held_out=config.held_out, seed=0)
    splits = tuple(split for split in ("train", *EVALUATION_SPLITS) if split in set(table["split"]))
    networks: dict[str, dict[int, Path]] = {}
    for found in find_checkpoints(config.checkpoints):
        networks.setdefault(found.network, {})[found.epoch] = Path(found.path)
    runs: dict[Run, dict[int, Path]] = {}
    for network, files in sorted(networks.items()):
        recipe, seed = _recipe_and_seed(network)
        while Run(NAME, recipe, 0, seed) in runs:
            seed += 1
        runs[Run(NAME, recipe, 0, seed)] = dict(sorted(files.items()))
    return Inspection(runs, Path(config.images), splits, int(table["label"].max()) + 1)


def _recipe_and_seed(network: str) -> tuple[str, int]:
    """``grokking_seed3`` is seed 3 of recipe ``grokking``; without a seed it is seed 0."""
    found = _SEED.search(network)
    recipe = _SEED.sub("", network, count=1).strip("_")
    if not recipe or not recipe[0].isalpha():
        recipe = f"network_{recipe}".rstrip("_")
    return recipe, int(found.group(1)) if found else 0
