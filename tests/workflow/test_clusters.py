"""Datasets whose subclasses are clusters: found once, drawn from by every fraction, and shown in the report."""

from pathlib import Path

import numpy as np
import pytest

from causalgrok.arrays import write_arrays
from causalgrok.data.splits import Split
from causalgrok.tables import read_table
from causalgrok.verify import damage

pytestmark = pytest.mark.xdist_group("clusters")

OVERLAY = """
datasets:
  blots_f0:
    source: &blots
      kind: mnist_clusters
      clustering: {clusters: 2, layer: layer1, width: 2, examples: 200, epochs: 1, seed: SEED}
      reduced_fraction: 0
      test_examples: 40
  blots_f20: {source: {<<: *blots, reduced_fraction: FRACTION}}

tasks:
  blots_f0: &blots_task
    dataset: blots_f0
    model: {name: mlp, hidden: [8]}
    schedule: {epochs: 4, evaluate_every: 2, checkpoint_every: 4}
    device: cpu
  blots_f20: {<<: *blots_task, dataset: blots_f20}

studies:
  blots:
    description: Clusters, from images to the report.
    shift: true
    runs:
      - {task: blots_f0, recipes: [shift], n: [120], seeds: [0]}
      - {task: blots_f20, recipes: [shift], n: [120], seeds: [0]}
    tables: [metrics]
    figures: [shift_curves]
"""


def overlay(folder: Path, *, fraction: float = 0.2, seed: int = 0) -> Path:
    path = folder / f"blots_{fraction}_{seed}.yaml"
    path.write_text(OVERLAY.replace("FRACTION", str(fraction)).replace("SEED", str(seed)))
    return path


@pytest.fixture(scope="module")
def blots(tmp_path_factory, copy_project):
    """A copy in which the study has been built from a stand-in of MNIST: ten digits of two shapes each."""
    project = copy_project(tmp_path_factory.mktemp("blots"))
    rng, arrays = np.random.default_rng(0), {}
    shapes = np.kron(rng.random((10, 2, 7, 7)) < 0.4, np.ones((4, 4))) * 200
    for split, count in (("train", 800), ("test", 200)):
        labels = np.arange(count) % 10
        images = shapes[labels, rng.integers(2, size=count)] + 40 * rng.random((count, 28, 28))
        arrays |= {f"{split}/images": images.astype(np.uint8), f"{split}/labels": labels}
    files = project.folder / "results/data/files/mnist.safetensors"
    files.parent.mkdir(parents=True)
    write_arrays(arrays, files)
    done = project.snakemake("blots", "--cores", "2", overlay=overlay(project.folder))
    assert done.returncode == 0, done.stdout
    return project


def test_the_study_ends_with_its_tables_and_the_picture_of_its_clusters(blots, monkeypatch):
    shift = read_table(blots.folder / "results/blots/tables/shift.parquet").set_index("task")
    assert shift["total_variation"].to_dict() == pytest.approx({"blots_f0": 0.5, "blots_f20": 1 / 3})
    assert shift.loc["blots_f0", "unseen_groups"] == 10 and (shift["groups"] == 20).all()
    (clusters,) = (blots.folder / "results/data/clusters").iterdir()
    assert {path.name for path in clusters.iterdir()} == {f"clusters.{kind}" for kind in ("safetensors", "pdf", "svg")}
    assert "What the clusters of each class look like" in (blots.folder / "results/blots/report.html").read_text()
    monkeypatch.chdir(blots.folder)  # run.json names its data from there
    assert not list(damage(Path("results")))


def test_fractions_share_their_test_split_and_nest(blots):
    folder = blots.folder / "results/data"
    none, fifth = (
        {name: Split.load(folder / f"blots_{f}/examples/n120/seed0/{name}.safetensors") for name in ("train", "test")}
        for f in ("f0", "f20")
    )
    assert (none["test"].rows == fifth["test"].rows).all() and (none["train"].domains == 0).all()
    full = fifth["train"].rows[fifth["train"].domains == 0]
    assert set(full) < set(none["train"].rows)


def test_clusters_are_found_once_and_again_only_when_they_change(blots):
    done = blots.snakemake("blots", "--cores", "1", overlay=overlay(blots.folder))
    assert "Nothing to be done" in done.stdout
    other = blots.planned("blots", overlay=overlay(blots.folder, fraction=1))
    assert other["draw_mnist_clusters"] == other["train"] == 1 and "find_clusters" not in other
    anew = blots.planned("blots", overlay=overlay(blots.folder, seed=1))
    assert anew["find_clusters"] == anew["plot_clusters"] == 1 and anew["draw_mnist_clusters"] == anew["train"] == 2
    assert "fetch_files" not in anew
