"""Wine Quality: physical and chemical measurements of Vinho Verde, red and white, labelled with tasters' score.

A seed shuffles the wines. The first `train_fraction` of them are its training pool, of which a subset of n is the first
n; the rest is its test split. Features are standardised with the mean and deviation of the n training wines, so test
inputs, not test wines, depend on n.

Scores are unevenly spread, .437 of them 6: chance is the share of the most frequent one. `cultivars` is scikit-learn's
bundled table of another 178 wines, 13 measurements and three cultivars, for trying out without files.

Cortez, Cerdeira, Almeida, Matos, Reis: Modeling wine preferences by data mining from physicochemical properties,
Decision Support Systems 47 (2009); UCI Machine Learning Repository 186, CC BY 4.0.
"""

import hashlib
import io
import urllib.request
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from causalgrok.arrays import open_arrays
from causalgrok.data.splits import Split
from causalgrok.data.wilds_layout import DataError
from causalgrok.settings import Integer, Number, Settings

FOLDER = "wine_quality"
"""Where a data root holds the two csv files."""

URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/wine-quality/"
SHA256 = {
    "winequality-red.csv": "4a402cf041b025d4566d954c3b9ba8635a3a8a01e039005d97d6a710278cf05e",
    "winequality-white.csv": "76c3f809815c17c07212622f776311faeb31e87610d52c26d87d6e361b169836",
}
"""The two tables as published: 1,599 red and 4,898 white wines."""

_LARGEST = 2**20
"""Bytes of a table, at most: neither has half as many."""

SILENCE = 60.0
"""Seconds without a byte after which the server counts as down."""


class _Table(NamedTuple):
    """What is known of a table without reading it."""

    rows: int
    features: int
    classes: int
    most_frequent: int


_TABLES = {"quality": _Table(6497, 11, 7, 2836), "cultivars": _Table(178, 13, 3, 71)}
_LOWEST_SCORE = 3


class WineSettings(Settings):
    """Which wines, and how many of them may be shown in training."""

    holds: ClassVar[str] = "vectors"
    """What an example is."""

    length: ClassVar[int] = 1
    """Vectors of an example."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    """What is drawn."""

    kind: Literal["wine"]
    """Wine Quality, red and white; downloads 0.4 MB unless data_root holds wine_quality."""

    table: Literal["quality", "cultivars"] = "quality"
    """UCI's Wine Quality, 11 features and scores of 3 to 9; or scikit-learn's bundled 178 wines of three cultivars."""

    train_fraction: Annotated[Number, Field(gt=0, lt=1)] = 0.8
    """Share of the wines that training may see, n of them at most; the rest is the test split."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Together with a run's seed, the seed of the shuffle."""

    @model_validator(mode="after")
    def _fits(self) -> "WineSettings":
        if not 0 < self.pool < self.wines:
            raise ValueError(
                f"train_fraction {self.train_fraction} of {self.wines} wines leaves training or test none; take another"
            )
        return self

    @property
    def reads(self) -> str | None:
        """The files it is drawn from, a key of `causalgrok.data.registry.FILES`; none for the bundled table."""
        return "wine_quality" if self.table == "quality" else None

    @property
    def wines(self) -> int:
        """Number of wines there are."""
        return _TABLES[self.table].rows

    @property
    def pool(self) -> int:
        """Number of wines that training may see."""
        return int(self.train_fraction * self.wines + 1e-9)

    @property
    def features(self) -> int:
        """Numbers of a vector: the measurements."""
        return _TABLES[self.table].features

    @property
    def classes(self) -> int:
        """Number of labels."""
        return _TABLES[self.table].classes

    @property
    def chance(self) -> float:
        """Accuracy of always naming the most frequent label."""
        return _TABLES[self.table].most_frequent / self.wines

    def check_size(self, n: int) -> None:
        """Refuse a subset that the pool cannot give, or one wine, which has no deviation to standardise with.

        Raises:
            ValueError: names n and what there is.
        """
        if not 2 <= n <= self.pool:
            raise ValueError(
                f"n = {n} is not between 2 and the {self.pool} training wines that train_fraction "
                f"{self.train_fraction} of {self.wines} leaves"
            )


SETTINGS = WineSettings
"""What `draw` takes; see `causalgrok.data.registry`."""


def fetch(*, destination: Path, data_root: Path | None) -> dict[str, np.ndarray]:
    """Read the two tables, from the data root or from UCI, and compare them with what was published.

    Args:
        destination: not used; nothing but the tables themselves is kept.
        data_root: folder that may hold `FOLDER` with the two csv files.

    Returns:
        ``features`` (6497, 11) float64, red wines first, and ``scores`` (6497,) int64.

    Raises:
        DataError: the server does not answer, or a file is not the published one.
    """
    tables = [np.loadtxt(io.BytesIO(_content(name, data_root)), delimiter=";", skiprows=1) for name in SHA256]
    wines = np.concatenate(tables)
    return {"features": wines[:, :-1].copy(), "scores": wines[:, -1].astype(np.int64)}


def _content(name: str, data_root: Path | None) -> bytes:
    """One of the two files, verified."""
    local = data_root / FOLDER / name if data_root else None
    here = local is not None and local.parent.is_dir()
    origin = str(local) if here else URL + name
    advice = f"run again later, or put {' and '.join(SHA256)} into {FOLDER} of a folder and name that one as data_root"
    try:
        if here:
            if not local.is_file():
                raise FileNotFoundError("no file")
            with local.open("rb") as file:
                content = file.read(_LARGEST)
        else:
            with urllib.request.urlopen(origin, timeout=SILENCE) as answer:
                content = answer.read(_LARGEST)
    except OSError as error:
        raise DataError(f"Wine Quality could not be fetched ({origin}: {error}): {advice}") from error
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise DataError(f"{origin} is not the published {name}: its sha256 is not {SHA256[name]}; {advice}")
    return content


def draw(settings: WineSettings, *, n: int, seed: int, files: Path | None = None) -> dict[str, Split]:
    """The splits `train`, n wines in the order of the shuffle, and `test` of one seed.

    Inputs are (n, 1, features) float32, standardised; rows and groups the wine's place in the table, domains 0.

    Args:
        settings: which wines.
        n: size of the training subset.
        seed: seed of the shuffle.
        files: what `fetch` gave, written by `causalgrok.arrays`; not needed for the bundled table.

    Raises:
        ValueError: n is below 2 or above the pool, or the table needs files and there are none.
    """
    settings.check_size(n)
    features, labels = _wines(settings, files)
    shuffled = np.random.default_rng([settings.seed, seed]).permutation(settings.wines)
    chosen = {"train": shuffled[:n], "test": shuffled[settings.pool :]}
    centre, spread = features[chosen["train"]].mean(axis=0), features[chosen["train"]].std(axis=0)
    standardised = ((features - centre) / np.where(spread > 0, spread, 1)).astype(np.float32)[:, None, :]
    return {
        name: Split(standardised[rows], labels[rows], domains=np.zeros_like(rows), groups=rows, rows=rows)
        for name, rows in chosen.items()
    }


def _wines(settings: WineSettings, files: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Features (wines, features) and labels (wines,) from 0."""
    if settings.table == "cultivars":
        from sklearn.datasets import load_wine

        features, labels = load_wine(return_X_y=True)
        return features, labels.astype(np.int64)
    if files is None:
        raise ValueError("wine: the table `quality` is drawn from files; fetch them first")
    with open_arrays(files) as arrays:
        return arrays.get_tensor("features"), arrays.get_tensor("scores") - _LOWEST_SCORE
