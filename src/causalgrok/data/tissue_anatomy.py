"""Lymph node tissue with or without a metastasis, as the two dyes see it: maps of haematoxylin and eosin.

Haematoxylin binds to nuclei, eosin to cytoplasm and collagen. Nuclei are ellipses with lobes, packed without overlap;
what carries the label is what a pathologist reads: tumour nuclei are larger, paler inside, less round and less alike
than lymphocytes. As in life the classes overlap: every patch draws its own mean sizes and densities, reactive cells of
normal nodes are large too, lymphocytes invade tumours, and a tumour may lie just outside the central third.

Everything is drawn in micrometres before a pixel exists, so a seed gives the same tissue at every image size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FIELD = 64.0
"""Side of a patch in micrometres."""

CENTRE = FIELD / 6
"""Half the side of the central third, whose tissue the label describes."""

LYMPHOCYTE, FIBROBLAST, REACTIVE, TUMOUR = range(4)

_DARTS = 260
"""Places tried for a nucleus; crowding and room decide how many of them hold one."""

# One column a kind of cell: lymphocyte, fibroblast, reactive, tumour. Lengths in micrometres.
_RADIUS = np.array([[3.3, 2.6, 4.2, 4.7], [0.30, 0.20, 0.40, 0.55]])  # mean over patches, sd between patches
_PLEOMORPHISM = np.array([[0.06, 0.15, 0.10, 0.10], [0.10, 0.25, 0.18, 0.26]])  # sd of log radius in a patch: range
_ELONGATION = np.array([[0.0, 1.2, 0.0, 0.0], [0.10, 0.25, 0.22, 0.26]])  # log of the ratio of axes: mean, sd
_LOBES = np.array([0.02, 0.03, 0.05, 0.07])  # relative sd of the outline
_CHROMATIN = np.array([[1.0, 0.75, 0.72, 0.85], [0.08, 0.05, 0.08, 0.13]])  # haematoxylin: mean, sd between patches
_OPENNESS = np.array([[0.10, 0.05, 0.35, 0.15], [0.20, 0.15, 0.55, 0.50]])  # how pale inside: range over patches
_CROWDING = np.array([[0.45, 0.08, 0.30, 0.35], [1.00, 0.25, 0.80, 0.90]])  # chance that a dart holds: range
_ROOM = np.array([1.0, 1.0, 1.25, 1.12])  # cytoplasm: space a cell keeps, in nuclear radii


@dataclass(frozen=True)
class _Waves:
    """A Gaussian random field of unit variance as a sum of plane waves: defined everywhere, on no grid."""

    numbers: np.ndarray
    """(k, 2) wave numbers along x and y, radians per micrometre."""

    phases: np.ndarray
    """(k,) radians."""

    @classmethod
    def draw(cls, rng: np.random.Generator, length: float, count: int = 24) -> "_Waves":
        """A field that is correlated over about `length` micrometres."""
        return cls(rng.normal(size=(count, 2)) / length, rng.uniform(0, 2 * np.pi, count))

    def at(self, points: np.ndarray) -> np.ndarray:
        """Values (n,) at points (n, 2)."""
        waves = np.outer(points[:, 0], self.numbers[:, 0]) + np.outer(points[:, 1], self.numbers[:, 1])
        return np.sqrt(2 / len(self.phases)) * np.cos(waves + self.phases).sum(1)

    def on(self, axis: np.ndarray) -> np.ndarray:
        """Values (h, w) on the square of pixels with these centres (h,), each the mean over its pixel."""
        pixel = axis[1] - axis[0]
        # exp(ik(x + pixel)) = exp(ikx) exp(ik pixel): a product a pixel costs a tenth of a cosine
        steps = np.repeat(np.exp(1j * self.numbers * pixel)[None], len(axis), axis=0)
        steps[0] = np.exp(1j * self.numbers * axis[0])
        x, y = np.cumprod(steps, axis=0).transpose(2, 0, 1)
        y = y * np.exp(1j * self.phases) * np.sinc(self.numbers * pixel / (2 * np.pi)).prod(1)
        # cos(x + y) = cos x cos y - sin x sin y; einsum, because the last bits of a BLAS product depend on its threads
        rows, columns = np.concatenate([y.real, -y.imag], axis=1), np.concatenate([x.real, x.imag], axis=1)
        return np.sqrt(2 / len(self.phases)) * np.einsum("hk,wk->hw", rows, columns)


def pixel_centres(size: int) -> np.ndarray:
    """Centres (size,) of a patch's pixels in micrometres from its middle."""
    return (np.arange(size) + 0.5) * FIELD / size - FIELD / 2


@dataclass(frozen=True)
class Nuclei:
    """The k nuclei of a patch and its surroundings; lengths in micrometres, positions from the patch's middle."""

    position: np.ndarray
    """(k, 2) x and y; some lie outside the patch and reach into it."""

    kind: np.ndarray
    """(k,) LYMPHOCYTE, FIBROBLAST, REACTIVE or TUMOUR."""

    radius: np.ndarray
    """(k,) geometric mean of the two half-axes."""

    elongation: np.ndarray
    """(k,) ratio of the long axis to the short one."""

    angle: np.ndarray
    """(k,) direction of the long axis in radians."""

    lobes: np.ndarray
    """(k, 3) complex: the outline's second to fourth harmonic, relative to the radius."""

    chromatin: np.ndarray
    """(k,) haematoxylin bound under the membrane."""

    openness: np.ndarray
    """(k,) fraction of it missing inside."""

    nucleolus: np.ndarray
    """(k, 2) x and y of the nucleolus from the nucleus's middle."""

    def __getitem__(self, index: np.ndarray) -> "Nuclei":
        """The nuclei that an index array or mask selects."""
        return Nuclei(**{name: values[index] for name, values in vars(self).items()})


@dataclass(frozen=True)
class _Plan:
    """Where a patch is tumour, collagen or fat; everything else is lymphoid."""

    nest_middle: np.ndarray
    """(2,) x and y of the tumour's middle."""

    nest_radius: float
    """The tumour's mean radius."""

    nest_edge: _Waves
    """How its radius varies, relative to 18 % of it."""

    collagen: _Waves
    """There is collagen where this field exceeds the level."""

    collagen_level: float

    fibre_angle: float
    """Direction of the collagen's fibres in radians."""

    fat: np.ndarray
    """(k, 3) x, y and radius of fat vacuoles; none reaches the patch's middle."""

    @classmethod
    def draw(cls, rng: np.random.Generator, *, tumour: bool) -> "_Plan":
        radius, towards = rng.uniform(14, 48), rng.uniform(0, 2 * np.pi)
        inside, beside = rng.uniform(0, 0.5) * radius, 1.5 * (radius + CENTRE)
        elsewhere = beside if rng.random() < 0.15 else 10 * FIELD  # so far off that there is none
        fat_radius, fat_gap, fat_angle = rng.uniform((8, 8, 0), (24, 24, 2 * np.pi), (2, 3)).T
        fat = np.stack([*_polar(fat_radius + fat_gap, fat_angle), fat_radius], axis=1)
        return cls(
            nest_middle=_polar(inside if tumour else elsewhere, towards),
            nest_radius=radius,
            nest_edge=_Waves.draw(rng, 7),
            collagen=_Waves.draw(rng, 14),
            collagen_level=rng.normal(0.35, 0.7),
            fibre_angle=rng.uniform(0, np.pi),
            fat=fat[: rng.choice(3, p=(0.72, 0.2, 0.08))],
        )

    def regions(self, x: np.ndarray, y: np.ndarray, sample: Callable[[_Waves], np.ndarray]) -> tuple[np.ndarray, ...]:
        """How far each place is tumour, and if not, collagen, both 0 to 1; and micrometres to the nearest fat."""
        edge = self.nest_radius * (1 + 0.18 * sample(self.nest_edge))
        nest = _step(edge - np.hypot(x - self.nest_middle[0], y - self.nest_middle[1]))
        collagen = _step((sample(self.collagen) - self.collagen_level) / 0.15)
        fat = [np.hypot(x - fat_x, y - fat_y) - radius for fat_x, fat_y, radius in self.fat]
        return nest, collagen, np.min([np.full(nest.shape, FIELD), *fat], axis=0)


def grow(rng: np.random.Generator, size: int, *, tumour: bool) -> tuple[np.ndarray, Nuclei]:
    """One patch: concentrations (2, size, size) float32 of haematoxylin and eosin, and its nuclei.

    Haematoxylin is about 1 in a lymphocyte's nucleus, eosin about 0.7 in dense collagen.

    Args:
        rng: source of everything random; the same state gives the same tissue at every size.
        size: pixels a side.
        tumour: whether there is tumour in the central third. Without, one patch in seven has tumour beside it.
    """
    plan = _Plan.draw(rng, tumour=tumour)
    nuclei = _pack(rng, plan)
    grain, cloud, bend = _Waves.draw(rng, 1.0, 48), _Waves.draw(rng, 6), _Waves.draw(rng, 12)
    gaps, tightness = _Waves.draw(rng, 4), rng.normal(1.5, 0.5)
    strands = rng.normal(size=120)

    axis = pixel_centres(size)
    x, y = axis[None, :], axis[:, None]
    nest, collagen, fat = plan.regions(x, y, lambda waves: waves.on(axis))
    occupied, haematoxylin = _paint(nuclei, axis)
    grain, cloud = grain.on(axis), cloud.on(axis)
    across = y * np.cos(plan.fibre_angle) - x * np.sin(plan.fibre_angle) + 3 * bend.on(axis)
    fibres = _step((np.interp(across / 1.5, np.arange(120) - 60, strands) + 0.3 + 0.4 * cloud) / 0.4)
    collagen = collagen * (1 - nest)
    cells = (1 - nest - collagen) * _step((gaps.on(axis) + tightness + 0.2 * grain) / 0.25)
    rim, tissue = np.exp(-((fat / 0.9) ** 2)), _step(fat / 0.5)

    eosin = collagen * (0.12 + 0.6 * fibres) + (0.42 * nest + 0.3 * cells) * (1 + 0.25 * cloud + 0.2 * grain)
    eosin = (1 - 0.6 * occupied) * eosin * tissue + 0.4 * rim
    ground = 0.06 * collagen + (0.16 * nest + 0.12 * cells) * (1 + 0.3 * cloud)
    haematoxylin = (haematoxylin * (1 + 0.15 * grain) + (1 - occupied) * ground) * tissue + 0.06 * rim
    return np.stack([haematoxylin, eosin]).clip(0).astype(np.float32), nuclei


def _step(x: np.ndarray) -> np.ndarray:
    """The logistic function: 0 far below zero, 1 far above."""
    return 0.5 + 0.5 * np.tanh(x / 2)


def _polar(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)])


def _pack(rng: np.random.Generator, plan: _Plan) -> Nuclei:
    """Throw darts, decide which cell each would be where it falls, and keep those that find room."""
    position = rng.uniform(-FIELD / 2 - 7, FIELD / 2 + 7, (_DARTS, 2))
    nest, collagen, fat = plan.regions(*position.T, lambda waves: waves.at(position))
    in_nest, in_collagen, guest = rng.random((3, _DARTS))
    in_nest, in_collagen = in_nest < nest, in_collagen < collagen
    invading, reactive = rng.beta(1, 6), rng.beta(1, 4)
    kind = np.select(
        [in_nest & (guest < invading), in_nest, in_collagen & (guest < 0.8), ~in_collagen & (guest < reactive)],
        [LYMPHOCYTE, TUMOUR, FIBROBLAST, REACTIVE],
        LYMPHOCYTE,
    )
    mean_radius, chromatin = rng.normal(*_RADIUS).clip(2.3), rng.normal(*_CHROMATIN)
    pleomorphism, openness, crowding = rng.uniform(*_PLEOMORPHISM), rng.uniform(*_OPENNESS), rng.uniform(*_CROWDING)

    elongation, spread = _ELONGATION
    normal = rng.normal(size=(10, _DARTS))
    radius = mean_radius[kind] * np.exp(pleomorphism[kind] * normal[0].clip(-2.5, 2.5))
    along_fibre = plan.fibre_angle + 0.2 * normal[1]
    nuclei = Nuclei(
        position=position,
        kind=kind,
        radius=radius,
        elongation=np.exp(np.abs(elongation[kind] + spread[kind] * normal[2].clip(-2.5, 2.5))),
        angle=np.where(kind == FIBROBLAST, along_fibre, rng.uniform(0, np.pi, _DARTS)),
        lobes=(_LOBES[kind] * (normal[3:6] + 1j * normal[6:9]) / [[1], [1.5], [2]]).T,
        chromatin=chromatin[kind] * np.exp(0.12 * normal[9]),
        openness=openness[kind] * rng.uniform(0.6, 1.2, _DARTS),
        nucleolus=rng.normal(0, 0.3, (_DARTS, 2)) * radius[:, None],
    )
    room = 0.88 * _ROOM[kind] * radius
    darts = np.flatnonzero((rng.random(_DARTS) < crowding[kind]) & (fat > 1))
    (x, y), room = position[darts].T, room[darts]
    clash = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2 < (room[:, None] + room) ** 2
    taken, kept = np.zeros(len(darts), dtype=bool), []
    for dart in range(len(darts)):
        if not taken[dart]:
            kept.append(dart)
            taken |= clash[dart]
    return nuclei[darts[np.array(kept, dtype=int)]]


def _paint(nuclei: Nuclei, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The fraction of each pixel that is nucleus, and the nuclei's haematoxylin, both (h, w)."""
    size, pixel = len(axis), axis[1] - axis[0]
    long, short = nuclei.radius * np.sqrt(nuclei.elongation), nuclei.radius / np.sqrt(nuclei.elongation)
    reach = 1.4 * long + 1.5
    # a square window of pixels around every nucleus, then only those pixels of it that are near and in the patch
    first = np.floor((nuclei.position - reach[:, None] - axis[0]) / pixel).astype(int)
    windows = first[:, :, None] + np.arange(np.ceil(2 * reach.max(initial=0) / pixel) + 2, dtype=int)
    offsets = windows * pixel + axis[0] - nuclei.position[:, :, None]
    columns, rows = ((windows >= 0) & (windows < size)).swapaxes(0, 1)
    dx, dy = offsets.swapaxes(0, 1)
    close = dx[:, None, :] ** 2 + dy[:, :, None] ** 2 < reach[:, None, None] ** 2
    nucleus, i, j = np.nonzero(close & rows[:, :, None] & columns[:, None, :])
    column, row = windows[nucleus, 0, j], windows[nucleus, 1, i]
    x, y = dx[nucleus, j], dy[nucleus, i]
    near = nuclei[nucleus]

    turned = (x + 1j * y) * np.exp(-1j * nuclei.angle)[nucleus]
    turned = turned.real / long[nucleus] + 1j * turned.imag / short[nucleus]
    radius = np.abs(turned)
    direction = turned / np.maximum(radius, 1e-9)
    second, third, fourth = near.lobes.T
    outline = 1 + (direction**2 * (second + direction * third + direction**2 * fourth)).real
    depth = (outline - radius) * near.radius
    soft = 0.25 + 0.2 * pixel
    inside, core = _step(depth / soft), _step((depth - 1) / soft)
    # a nucleolus of 0.7 micrometres, seen through the pixel
    blur = 0.7**2 + (pixel / 3) ** 2
    distance = (x - near.nucleolus[:, 0]) ** 2 + (y - near.nucleolus[:, 1]) ** 2
    nucleolus = 0.7**2 / blur * np.exp(-distance / (2 * blur))
    stain = near.chromatin * inside * (1 - near.openness * core * (1 - 0.9 * nucleolus))

    occupied, haematoxylin = np.zeros((2, size, size))
    np.maximum.at(occupied, (row, column), inside)
    np.maximum.at(haematoxylin, (row, column), stain)
    return occupied, haematoxylin
