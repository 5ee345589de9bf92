import subprocess
import sys

TRAINING = """
import sys
from pathlib import Path
import numpy as np
from causalgrok.data.splits import Split
from causalgrok.interventions.network import open_run
from causalgrok.models.settings import ResNet18
from causalgrok.training.recipe import GrokfastEma, Recipe
from causalgrok.training.run import train_run
from causalgrok.training.schedule import Schedule
from causalgrok.training.settings import Training
index, data = np.arange(8), Path("data")
split = Split(np.zeros((8, 16, 16, 3), dtype=np.uint8), index % 2, index % 2, index, index)
split.save(data)
settings = Training(
    model=ResNet18(width=2), classes=2, loss="cross_entropy", seed=0, device="cpu",
    recipe=Recipe(weight_decay=0.1, grokfast=GrokfastEma(), batch_size=4),
    schedule=Schedule(epochs=2, evaluate_every=1, checkpoint_every=1),
)
train_run(split, {}, settings, folder=Path("run"), name="run", code="", data=[data])
open_run(settings.model_dump(mode="json"), Path("run/checkpoints"))
heavy = {"torchvision", "torch._dynamo", "sympy", "sklearn", "scipy"}
print("imported:", *sorted(heavy & set(sys.modules)))
"""


def test_jobs_that_run_networks_import_no_more_than_torch(tmp_path):
    """Each of these takes as long as torch, and a study has thousands of jobs."""
    done = subprocess.run([sys.executable, "-c", TRAINING], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].strip() == "imported:", done.stdout
