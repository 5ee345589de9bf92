"""Somebody else's networks and images, from a folder and a table to the report."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

from causalgrok.data.tissue import TissueSettings, metadata, patch_tissue, render, slide_stain
from causalgrok.data.wilds_layout import FOLDER, read_images, read_metadata
from causalgrok.models.registry import build_model
from causalgrok.models.settings import ResNet18
from causalgrok.tables import read_table

pytestmark = pytest.mark.xdist_group("inspect")

DATA = os.environ.get("CAUSALGROK_TEST_DATA")
FIGURES = ("counterfactual", "erasure", "neurons", "probing", "stage_steering", "steering", "verdicts")


def tissue_images(folder: Path) -> Path:
    """Generated patches of five hospitals as PNG files, and their table."""
    settings = TissueSettings(image_size=24, patches_per_hospital=40)
    rows = []
    for number, row in enumerate(metadata(settings).itertuples()):
        tissue = patch_tissue(settings, row.center, number % settings.patches_per_hospital)
        path = folder / f"{number}.png"
        Image.fromarray(render(tissue, slide_stain(settings, row.center, row.slide))).save(path)
        rows.append(
            {"path": path.name, "label": row.tumor, "domain": f"<i>hospital {row.center}</i>", "group": row.slide}
        )
    table = folder / "images.parquet"
    pd.DataFrame(rows).to_parquet(table)
    return table


def train_a_little(model: torch.nn.Module, images: np.ndarray, labels: np.ndarray) -> None:
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2) / 255.0
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    for batch in torch.randperm(len(labels)).split(50):
        loss = torch.nn.functional.cross_entropy(model(inputs[batch]), torch.from_numpy(labels)[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def inspect(project, checkpoints: Path, images: Path, *more: str, targets: tuple[str, ...] = ("inspect",)):
    config = [f"checkpoints={checkpoints}", f"images={images}", "measurement=tiny", *more]
    return project.snakemake(*targets, "--cores", "2", "--config", *config)


def test_networks_of_ours_seen_as_a_strangers(project, tmp_path):
    networks = tmp_path / "networks"
    networks.mkdir()
    for epoch in (0, 5):
        torch.manual_seed(epoch)
        model = build_model(ResNet18(width=2), classes=2)
        torch.save(
            {"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, networks / f"e_ep{epoch}.pth"
        )
    done = inspect(project, networks, tissue_images(tmp_path))
    assert done.returncode == 0, done.stdout
    results = project.folder / "results/inspect"
    for figure in FIGURES:
        assert (results / f"figures/{figure}.svg").stat().st_size > 1000, figure
    assert (results / "report.html").stat().st_size > 10_000
    assert "<i>hospital" not in (results / "report.html").read_text()
    verdicts = read_table(results / "tables/verdicts.parquet")
    assert set(verdicts["checkpoint"]) == {"init", "final"}
    assert set(read_table(results / "tables/counterfactual.parquet")["method"]) == {"macenko", "reinhard"}
    assert "Nothing to be done" in inspect(project, networks, tmp_path / "images.parquet").stdout


@pytest.mark.skipif(not DATA, reason="CAUSALGROK_TEST_DATA does not name the folder of test data")
def test_torchvision_networks_on_real_patches(project, tmp_path):
    root = Path(DATA, "camelyon17_standin").resolve()
    chosen = read_metadata(root).groupby(["hospital", "label"]).head(20)
    paths = [str(root / FOLDER / patch) for patch in chosen["patch"]]
    columns = {"path": paths, "label": chosen["label"], "domain": chosen["hospital"], "group": chosen["slide"]}
    images = tmp_path / "images.csv"
    pd.DataFrame(columns).to_csv(images, index=False)
    networks = tmp_path / "networks"
    networks.mkdir()
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet50(num_classes=2).state_dict(), networks / "resnet50.pth")
    model = torchvision.models.resnet18(num_classes=2)
    save_file(model.state_dict(), networks / "resnet18_ep0.safetensors")
    train_a_little(model, read_images(root, chosen.index.to_numpy(), 24), chosen["label"].to_numpy())
    save_file(model.state_dict(), networks / "resnet18_ep1.safetensors")
    # What is drawn from the tables does not depend on whose networks they are: the test above draws everything.
    tables = ("verdicts", "counterfactual", "concentration", "erasure")
    targets = tuple(f"results/inspect/tables/{name}.parquet" for name in tables)
    done = inspect(project, networks, images, "image_size=24", "held_out=[1, 2]", targets=targets)
    assert done.returncode == 0, done.stdout
    steering = read_table(project.folder / "results/inspect/tables/steering.parquet")
    assert set(steering["recipe"]) == {"resnet18", "resnet50"}


BAD = {
    "no folder": ({"checkpoints": "/nowhere"}, "/nowhere does not exist"),
    "no table": ({"images": "/nowhere.csv"}, "/nowhere.csv"),
    "unknown measurement": ({"measurement": "fullest"}, "'fullest' is not one of measurements: did you mean 'full'?"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_before_any_job(project, tmp_path, name):
    (tmp_path / "networks").mkdir()
    torch.save(build_model(ResNet18(width=1), classes=2).state_dict(), tmp_path / "networks/a.pth")
    keys, message = BAD[name]
    given = {"checkpoints": tmp_path / "networks", "images": tissue_images(tmp_path)} | keys
    config = [f"{key}={value}" for key, value in given.items()]
    done = project.snakemake("inspect", "--cores", "1", "--config", *config)
    assert done.returncode == 1
    assert message in done.stdout
    assert "Traceback" not in done.stdout
    assert not (project.folder / "results").exists()


def test_without_anything_to_inspect_it_says_what_to_give(project):
    done = project.snakemake("inspect", "--cores", "1")
    assert done.returncode == 1
    assert "inspect: nothing to inspect; give --config checkpoints=FOLDER images=TABLE" in done.stdout
