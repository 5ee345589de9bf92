"""Stain counterfactuals: the same tissue shown as every hospital would have shown it.

Whatever changes in a network's answer between them is its reliance on stain and nothing else. Generated tissue is
rendered again, which is exact; photographs are re-stained (`causalgrok.data.restaining`). An image under its own
hospital is the split's own image, bit for bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from causalgrok.arrays import open_arrays, write_arrays
from causalgrok.data.restaining import fit_stains, restain
from causalgrok.data.splits import Split
from causalgrok.data.subsets import draw_balanced
from causalgrok.data.tissue import TissueSettings, patch_tissue, render, slide_stain
from causalgrok.data.wilds_layout import HOSPITALS

RENDERED = "rendered"
"""The method for generated tissue; the others are those of `causalgrok.data.restaining`."""

REFERENCES = 200
"""Patches of a hospital, at most, from which its stain is estimated."""


@dataclass(frozen=True)
class Counterfactuals:
    """Some images of a split, shown as every hospital's."""

    rows: np.ndarray
    """(m,) int64 positions of the images in the split, ascending."""

    targets: np.ndarray
    """(t,) int64 hospitals as which each image is shown, ascending; its own is among them."""

    inputs: dict[str, np.ndarray]
    """Method -> (t, m, h, w, 3) uint8."""

    def __post_init__(self):
        expected = (len(self.targets), len(self.rows))
        for method, images in self.inputs.items():
            if images.shape[:2] != expected:
                raise ValueError(f"counterfactuals {method} have shape {images.shape}; expected {expected} in front")


def save(counterfactuals: dict[str, Counterfactuals], path: str | Path) -> None:
    """Write the counterfactuals of several splits, by name, as one safetensors file, whole or not at all."""
    arrays = {}
    for split, shown in counterfactuals.items():
        arrays |= {f"{split}/rows": shown.rows, f"{split}/targets": shown.targets}
        arrays |= {f"{split}/inputs/{method}": images for method, images in shown.inputs.items()}
    write_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def load(path: str | Path) -> dict[str, Counterfactuals]:
    """Read what `save` wrote."""
    with open_arrays(path) as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    splits = [name.removesuffix("/rows") for name in arrays if name.endswith("/rows")]
    return {
        split: Counterfactuals(
            arrays[f"{split}/rows"],
            arrays[f"{split}/targets"],
            {name.split("/")[2]: array for name, array in arrays.items() if name.startswith(f"{split}/inputs/")},
        )
        for split in splits
    }


def make_counterfactuals(
    splits: dict[str, Split], *, methods: Sequence[str], images: int, tissue: TissueSettings | None = None
) -> dict[str, Counterfactuals]:
    """Show images of every split as every hospital that occurs in any of them.

    Args:
        splits: the splits by name; the hospitals' stains are estimated from all of them.
        methods: rendered, macenko, reinhard.
        images: images of a split, at most, see `choose`.
        tissue: the settings that the dataset was generated from; rendering needs them.

    Raises:
        ValueError: rendering without settings or with other ones than the dataset's, an unknown method, too few
            images, or a hospital whose patches allow no estimate of its stain.
    """
    targets = np.unique(np.concatenate([split.domains for split in splits.values()]))
    chosen = {name: choose(split, images) for name, split in splits.items()}
    inputs: dict[str, dict[str, np.ndarray]] = {name: {} for name in splits}
    for method in methods:
        if method == RENDERED:
            for name, split in splits.items():
                inputs[name][method] = _rendered(name, split[chosen[name]], targets, tissue)
        else:
            stains = fit_stains(references(splits), method)
            for name, split in splits.items():
                some = split[chosen[name]]
                shown = [restain(some.inputs, some.domains, stains, target) for target in targets.tolist()]
                inputs[name][method] = np.stack(shown)
    return {name: Counterfactuals(chosen[name], targets, inputs[name]) for name in splits}


def show_all(
    splits: dict[str, Split], show: Callable[[Split, int], np.ndarray], hospitals: Sequence[int]
) -> dict[str, Counterfactuals]:
    """Show all images of every split as every hospital, by whoever drew them.

    Args:
        splits: the splits by name.
        show: renders the images of a split as a hospital's.
        hospitals: the targets, ascending.

    Raises:
        ValueError: rendered as its own hospital's, an image is another than the split's.
    """
    targets, made = np.array(hospitals), {}
    for name, split in splits.items():
        images = np.stack([show(split, target) for target in targets.tolist()])
        made[name] = Counterfactuals(
            np.arange(len(split)), targets, {RENDERED: _with_own(name, images, split, targets)}
        )
    return made


def examples(
    splits: dict[str, Split], counterfactuals: dict[str, Counterfactuals]
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """One image of every hospital and how it is shown, to be looked at.

    Returns:
        The originals (m, h, w, 3), method -> (t, m, h, w, 3), the originals' hospitals (m,) and the targets (t,).
    """
    found: dict[int, tuple[str, int]] = {}
    for name, shown in counterfactuals.items():
        for position, hospital in enumerate(splits[name].domains[shown.rows].tolist()):
            found.setdefault(hospital, (name, position))
    hospitals = sorted(found)
    places = [found[hospital] for hospital in hospitals]
    originals = [splits[name].inputs[counterfactuals[name].rows[position]] for name, position in places]
    first = counterfactuals[places[0][0]]
    by_method = {
        method: np.stack([counterfactuals[name].inputs[method][:, position] for name, position in places], axis=1)
        for method in first.inputs
    }
    return np.stack(originals), by_method, np.array(hospitals), first.targets


def choose(split: Split, images: int) -> np.ndarray:
    """Positions (m,) of at most `images` of a split, equally many of every hospital and label, ascending.

    Raises:
        ValueError: `images` is below the number of combinations of hospital and label.
    """
    return draw_balanced(pd.DataFrame({"hospital": split.domains, "label": split.labels}), images, seed=0)


def references(splits: dict[str, Split]) -> dict[int, np.ndarray]:
    """Hospital -> at most `REFERENCES` of its patches (k, h, w, 3) from all splits, equally many of every label."""
    parts = [
        pd.DataFrame({"split": name, "position": range(len(split)), "hospital": split.domains, "label": split.labels})
        for name, split in splits.items()
    ]
    patches = {}
    for hospital, pool in pd.concat(parts, ignore_index=True).groupby("hospital"):
        drawn = pool.loc[draw_balanced(pool, REFERENCES, seed=0)]
        some = [splits[name].inputs[part["position"]] for name, part in drawn.groupby("split")]
        patches[hospital] = np.concatenate(some)
    return patches


def rerender(settings: TissueSettings, rows: np.ndarray, targets: Sequence[int], size: int) -> np.ndarray:
    """Grow generated tissue again and render it as every target hospital's.

    A slide keeps its own thickness and dyes under every hospital. Growing costs far more than rendering and is done
    once a patch.

    Args:
        settings: what the dataset was generated from.
        rows: (m,) row ids in its metadata.
        targets: (t,) hospitals.
        size: pixels a side to average down to, as the dataset's patches were when they were packed.

    Returns:
        (t, m, size, size, 3) uint8.

    Raises:
        ValueError: a row is not in the dataset, or its patches are smaller than `size`.
    """
    last = len(HOSPITALS) * settings.patches_per_hospital - 1
    if len(rows) and not 0 <= min(rows) <= max(rows) <= last:
        raise ValueError(f"rows {min(rows)} to {max(rows)} were asked for, but the tissue has rows 0 to {last}")
    if size > settings.image_size:
        raise ValueError(f"size {size} is above the tissue's image_size {settings.image_size}")
    images = np.empty((len(targets), len(rows), size, size, 3), dtype=np.uint8)
    for i, row in enumerate(rows):
        # The metadata go hospital by hospital, each in the order of its patches' indices.
        hospital, index = divmod(int(row), settings.patches_per_hospital)
        tissue = patch_tissue(settings, hospital, index)
        for shown, target in zip(images, targets, strict=True):
            shown[i] = _average_down(render(tissue, slide_stain(settings, int(target), tissue.slide)), size)
    return images


def restaining_quality(splits: dict[str, Split], counterfactuals: dict[str, Counterfactuals]) -> pd.DataFrame:
    """How close re-stained tissue comes to the same tissue rendered as the target hospital's.

    Args:
        splits: the splits by name.
        counterfactuals: their images by `rendered` and at least one other method.

    Returns:
        A row a method and pair of different hospitals: method, source_hospital, target_hospital, images, error (mean
        absolute difference to the rendered image in grey levels), baseline (that of the image left alone) and ratio =
        error / baseline: 0 is perfect, 1 no better than leaving the image alone.

    Raises:
        ValueError: there are no rendered images, the truth, or no others.
    """
    parts = []
    for name, shown in counterfactuals.items():
        restained = [method for method in shown.inputs if method != RENDERED]
        if not restained or RENDERED not in shown.inputs:
            raise ValueError(
                f"split {name} has counterfactuals by {', '.join(shown.inputs) or 'no method'}; a comparison takes "
                f"{RENDERED}, the truth, and another"
            )
        some = splits[name][shown.rows]
        for i, target in enumerate(shown.targets.tolist()):
            truth = shown.inputs[RENDERED][i]
            case = {"source_hospital": some.domains, "target_hospital": target}
            case |= {"baseline": _difference(some.inputs, truth)}
            for method in restained:
                error = _difference(shown.inputs[method][i], truth)
                parts.append(pd.DataFrame({"method": method, "error": error, **case}))
    every = pd.concat(parts, ignore_index=True)
    pairs = every[every["source_hospital"] != every["target_hospital"]].groupby(
        ["method", "source_hospital", "target_hospital"]
    )
    quality = pairs.agg(images=("error", "size"), error=("error", "mean"), baseline=("baseline", "mean")).reset_index()
    return quality.assign(ratio=quality["error"] / quality["baseline"].where(quality["baseline"] > 0))


def _rendered(name: str, some: Split, targets: np.ndarray, tissue: TissueSettings | None) -> np.ndarray:
    if tissue is None:
        raise ValueError("rendered needs the settings of generated tissue; for photographs take macenko or reinhard")
    return _with_own(name, rerender(tissue, some.rows, targets.tolist(), some.inputs.shape[1]), some, targets)


def _with_own(name: str, images: np.ndarray, some: Split, targets: np.ndarray) -> np.ndarray:
    """The rendered images (t, m, h, w, 3), those under their own hospital being the split's, bit for bit."""
    own = np.searchsorted(targets, some.domains), np.arange(len(some))
    # More than rounding, which may differ between machines.
    if _difference(images[own], some.inputs).max(initial=0) > 1:
        raise ValueError(f"split {name} was generated from other settings: rendered again, its images differ")
    images[own] = some.inputs
    return images


def _difference(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Mean absolute difference (n,) of images (n, h, w, 3) uint8 in grey levels."""
    return np.abs(images.astype(np.int16) - others).mean(axis=(1, 2, 3))


def _average_down(image: np.ndarray, size: int) -> np.ndarray:
    """The image (h, w, 3) at the size asked for, as `causalgrok.data.wilds_layout.read_images` does it."""
    from PIL import Image

    if len(image) == size:
        return image
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BOX))
