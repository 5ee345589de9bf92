"""Layer-wise probing of a run's checkpoints: ours against scikit-learn, one probe after the other.

Features have the widths of a ResNet-18's six stages, averaged over 2 x 2 cells before pooling, and the spectrum, slides
and hospitals of real ones. Both sides standardise, choose C by cross-validation over the same slides and fit hospital,
tumour and one permuted hospital at every stage. scikit-learn's side is a StandardScaler and a GridSearchCV over
LogisticRegression; it is run on some checkpoints and multiplied, and its accuracies there must be ours. With
``--scaled folds`` it standardises in every fold, on fewer examples than ours: another C may then be the best. One
thread; processor time. Run as ``python bench/probing.py``.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from _sides import show
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from causalgrok.interventions.features import PROBE, STAGES, Features
from causalgrok.interventions.probing import _targets, probe_layers
from causalgrok.interventions.settings import Measurement

WIDTHS = dict(zip(STAGES, (256, 256, 512, 1024, 2048, 512), strict=True))
HOSPITALS, SLIDES = (0, 3, 4), 10


def main() -> None:
    """Probe every checkpoint our way, some with scikit-learn, and print seconds a checkpoint and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=int, default=60, help="checkpoints of the run")
    parser.add_argument("--compared", type=int, default=3, help="of these, how many scikit-learn probes too")
    parser.add_argument("--images", type=int, default=3000, help="patches of the probe pool")
    parser.add_argument("--tolerance", type=float, default=1e-6, help="scikit-learn's tol; 1e-4 is its default")
    parser.add_argument("--scaled", choices=["once", "folds"], default="once", help="how scikit-learn standardises")
    parser.add_argument("--tolerated", type=float, default=0.005, help="largest difference of an accuracy")
    options = parser.parse_args()
    settings, axes = Measurement(), {width: _axes(width) for width in set(WIDTHS.values())}
    ours, theirs, differences, other = [], [], [], 0
    for epoch in range(options.checkpoints):
        features = checkpoint(epoch, options.images, axes)
        began = time.process_time()
        table = probe_layers(features, settings)
        ours.append(time.process_time() - began)
        if epoch < options.compared:
            began = time.process_time()
            reference = scikit_learn(features, settings, options.tolerance, options.scaled)
            theirs.append(time.process_time() - began)
            differences += list(np.abs(table["accuracy"] - reference["accuracy"]))
            other += int(np.sum(table["C"] != reference["C"]))
    ours, theirs = np.array(ours), np.array(theirs)
    show("ours", ours, "s", format=".2f")
    show("scikit-learn", theirs, "s", format=".2f")
    print(
        f"of {options.checkpoints} checkpoints, one thread: ours {ours.sum():.0f} s, scikit-learn "
        f"{theirs.mean() * options.checkpoints:.0f} s ({len(theirs)} run, multiplied)"
    )
    print(
        f"accuracies of {len(differences)} probes: largest difference {max(differences):.4f}, mean "
        f"{np.mean(differences):.5f}; another C in {other}"
    )
    show("ratio", theirs / ours[: len(theirs)], "times", asked="10")
    if max(differences) > options.tolerated:
        raise SystemExit(f"accuracies differ by more than {options.tolerated}")


def scikit_learn(features: Features, settings: Measurement, tolerance: float, scaled: str) -> pd.DataFrame:
    """The same probes as `probe_layers`, in the same order: columns accuracy and C."""
    judging, targets = _targets(features, settings)
    once, in_folds = (StandardScaler() if scaled == where else "passthrough" for where in ("once", "folds"))
    rows = []
    for epoch in features.epochs:
        for stage in STAGES:
            values = features.at(epoch, PROBE, stage)
            for target in targets:
                folds = target.folds[~judging]
                cut = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]
                probe = make_pipeline(in_folds, LogisticRegression(tol=tolerance, max_iter=10_000))
                grid = {"logisticregression__C": settings.inverse_regularisation}
                search = make_pipeline(once, GridSearchCV(probe, grid, cv=cut))
                search.fit(values[~judging], target.labels[~judging])
                accuracy = search.score(values[judging], target.labels[judging])
                rows.append({"accuracy": accuracy, "C": search[-1].best_params_["logisticregression__C"]})
    return pd.DataFrame(rows)


def checkpoint(epoch: int, n: int, axes: dict[int, np.ndarray]) -> Features:
    """The probe pool's features at one checkpoint, hospital and tumour planted in all stages."""
    slides = np.arange(n) % (len(HOSPITALS) * SLIDES)
    domains = np.array(HOSPITALS)[slides % len(HOSPITALS)]
    labels = np.random.default_rng(0).integers(0, 2, n)
    arrays = {"epochs": np.array([epoch]), f"{PROBE}/labels": labels}
    arrays |= {f"{PROBE}/domains": domains, f"{PROBE}/groups": slides}
    rng = np.random.default_rng([epoch, n])
    for stage, width in WIDTHS.items():
        codes = rng.standard_normal((n, width)) + 0.3 * rng.standard_normal((slides.max() + 1, width))[slides]
        codes[:, 5] += domains
        codes[:, 9] += 2 * labels
        arrays[f"{epoch}/{PROBE}/{stage}"] = np.maximum(codes @ axes[width].T + 0.3, 0).astype(np.float32)
    return Features(arrays.__getitem__)


def _axes(width: int) -> np.ndarray:
    """Orthogonal axes (width, width) whose lengths fall as those of real features."""
    gaussian = np.random.default_rng(width).standard_normal((width, width))
    return np.linalg.qr(gaussian)[0] * np.arange(1, width + 1) ** -0.5


if __name__ == "__main__":
    main()
