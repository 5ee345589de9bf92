import numpy as np
import pandas as pd
import pytest
from PIL import Image

from causalgrok.config import Run
from causalgrok.inspection import plan_inspection
from causalgrok.validation import check_config

ROOT = {
    "build": [],
    "datasets": {},
    "recipes": {},
    "measurements": {"full": {}},
    "detectors": {"default": {}},
    "tasks": {},
    "studies": {},
}


@pytest.fixture
def images(tmp_path):
    """A table of five hospitals with four slides each, on one grey image an example."""
    rows = []
    for domain in range(5):
        for i in range(40):
            path = tmp_path / f"{domain}_{i}.png"
            Image.fromarray(np.full((8, 8, 3), 20 * domain + i, dtype=np.uint8)).save(path)
            rows.append({"path": path.name, "label": i % 2, "domain": f"h{domain}", "group": i // 10})
    pd.DataFrame(rows).to_csv(tmp_path / "images.csv", index=False)
    return tmp_path / "images.csv"


def plan(**keys):
    return plan_inspection(check_config(ROOT | {key: str(value) for key, value in keys.items()}))


def folder(tmp_path, *files):
    for file in files:
        (tmp_path / "networks" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "networks" / file).write_bytes(b"")
    return tmp_path / "networks"


def test_paths_say_recipe_seed_and_epoch(tmp_path, images):
    files = ("grokking_seed3_epoch50.pth", "grokking_seed3_epoch0.pth", "seed1/epoch7.safetensors", "resnet18.pt")
    found = plan(checkpoints=folder(tmp_path, *files), images=images)
    assert {run: list(epochs) for run, epochs in found.checkpoints.items()} == {
        Run("inspect", "grokking", 0, 3): [0, 50],
        Run("inspect", "network", 0, 1): [7],
        Run("inspect", "resnet18", 0, 0): [0],
    }
    assert found.splits == ("id_val", "ood_val", "ood_test")
    assert found.classes == 2


def test_networks_of_equal_recipe_and_seed_stay_apart(tmp_path, images):
    found = plan(checkpoints=folder(tmp_path, "seed1_a/epoch1.pt", "a_seed1/epoch1.pt"), images=images)
    assert [run.seed for run in found.runs] == [1, 2]


def test_nothing_is_inspected_unless_asked_for():
    assert plan() is None


@pytest.mark.parametrize("given", ["checkpoints", "images"])
def test_one_without_the_other_is_refused(tmp_path, given):
    with pytest.raises(ValueError, match="missing; inspect takes --config checkpoints=FOLDER images=TABLE"):
        plan(**{given: tmp_path})
