"""From a source's settings to its splits, for datasets whose examples are drawn for each n and seed.

A new one is a module with `SETTINGS`, its settings with a literal `kind` and the names of its `splits`, `train` first,
and a function ``draw(settings, *, n, seed)``, and a line here and in the union `DrawnDataset.source` of
`causalgrok.config`. One that is drawn from downloaded files names them in `reads` and takes them as ``files``; a
module with a function ``fetch(*, destination, data_root)`` stands in `FILES` for them. One whose subclasses are
clusters says how they are found in `clustering`, gives what they are found in by ``to_cluster(*, files, examples)``,
and is drawn from what `causalgrok.clustering.find_clusters` makes of it. One with hospitals draws the splits of packed
datasets, `probe` among them, and has a function ``show(settings, rows, hospitals, slides, *, seed)`` that renders its
images as other hospitals would have.
"""

import importlib
from pathlib import Path

import numpy as np

from causalgrok.data.splits import Split

MODULES = {
    "modular": "causalgrok.data.modular",
    "mnist": "causalgrok.data.mnist",
    "wine": "causalgrok.data.wine",
    "subclass_shift": "causalgrok.data.subclass_shift",
    "mnist_clusters": "causalgrok.data.mnist_clusters",
    "gaussians": "causalgrok.data.gaussians",
    "nuclei": "causalgrok.data.nuclei",
    "stained_nuclei": "causalgrok.data.stained_nuclei",
}
"""Kind of source -> the module that draws it; imported when asked for, so that one's edit redraws no other."""

FILES = {"mnist": "causalgrok.data.mnist", "wine_quality": "causalgrok.data.wine"}
"""Files that sources are drawn from -> the module that fetches them."""


def splits(kind: str) -> tuple[str, ...]:
    """What is drawn of a kind of source for each n and seed: `train`, and what a run is evaluated on."""
    return importlib.import_module(MODULES[kind]).SETTINGS.splits


def has_hospitals(kind: str) -> bool:
    """Whether a kind of source has hospitals."""
    return "probe" in splits(kind)


def folders() -> list[str]:
    """Where a data root holds the files that sources are drawn from."""
    return [importlib.import_module(module).FOLDER for module in FILES.values()]


def holds_files(data_root: Path) -> bool:
    """Whether a folder holds any of the files that sources are drawn from."""
    return any((data_root / folder).is_dir() for folder in folders())


def fetch(name: str, *, destination: Path, data_root: Path | None) -> dict:
    """Fetch the files of a name in `FILES`, as arrays.

    Args:
        name: which files.
        destination: a folder for what is downloaded on the way.
        data_root: folder that may hold them already; it is left as it is.

    Raises:
        causalgrok.data.wilds_layout.DataError: they cannot be had, or are not the published ones.
    """
    return importlib.import_module(FILES[name]).fetch(destination=destination, data_root=data_root)


def to_cluster(source: dict, *, files: Path) -> dict[str, Split]:
    """The images of a source in the parts that `causalgrok.clustering.find_clusters` takes.

    Args:
        source: its `kind` and its `clustering` as plain JSON.
        files: what `fetch` gave.
    """
    module = importlib.import_module(MODULES[source["kind"]])
    return module.to_cluster(files=files, examples=source["clustering"]["examples"])


def draw(source: dict, *, n: int, seed: int, files: Path | None = None) -> dict[str, Split]:
    """Draw the splits of a source by name.

    Args:
        source: the settings as plain JSON.
        n: size of the training subset.
        seed: seed of the draw; the subset of a smaller n is a part of a larger one's, and `test` has the same examples.
        files: what `fetch` gave, if the source reads files; of one with clusters, what `find_clusters` gave.

    Raises:
        ValueError: there are fewer than n training examples.
    """
    module = importlib.import_module(MODULES[source["kind"]])
    given = {} if files is None else {"files": files}
    return module.draw(module.SETTINGS(**source), n=n, seed=seed, **given)


def show(source: dict, some: Split, hospital: int, *, seed: int) -> np.ndarray:
    """The images (n, h, w, 3) of a split that `draw` gave for this seed, as another hospital would have shown them."""
    module = importlib.import_module(MODULES[source["kind"]])
    hospitals = np.full(len(some), hospital)
    return module.show(module.SETTINGS(**source), some.rows, hospitals, some.groups, seed=seed)
