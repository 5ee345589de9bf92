import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from causalgrok.data.splits import Split
from causalgrok.interventions.extraction import extract_features
from causalgrok.models.settings import ResNet18
from causalgrok.tables import read_table
from causalgrok.training.checkpoints import all_checkpoints
from causalgrok.training.loss import loss_function
from causalgrok.training.recipe import GrokfastEma, Recipe
from causalgrok.training.resume import ResumeState
from causalgrok.training.run import train_run
from causalgrok.training.schedule import Schedule
from causalgrok.training.settings import Training
from causalgrok.training.trainer import Trainer, evaluate, initialise

on_every_device = pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))],
)


def patches(n: int, seed: int = 0) -> Split:
    """Patches whose label is how red they are."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    images = rng.integers(0, 120, (n, 16, 16, 3), dtype=np.uint8)
    images[labels == 1, :, :, 0] += 100
    index = np.arange(n)
    return Split(images, labels, index % 3, index % 6, index)


def settings(**changes) -> Training:
    recipe = {"weight_decay": 5e-3, "init_scale": 2, "grokfast": GrokfastEma(), "batch_size": 8}
    values = {
        "model": ResNet18(width=4),
        "classes": 2,
        "loss": "cross_entropy",
        "recipe": Recipe(**recipe),
        "schedule": Schedule(epochs=6, evaluate_every=2, checkpoint_every=2),
        "seed": 3,
        "device": "cpu",
    }
    return Training(**values | changes)


def run(folder, chosen: Training, name: str = "run", n: int = 20):
    resume = ResumeState(folder / name, {})
    trainer = Trainer(patches(n), {"ood_test": patches(10, 1)}, chosen, resume=resume, report=lambda line: None)
    return trainer.run(), resume


def test_learns_and_keeps_every_checkpoint(tmp_path):
    (metrics, dynamics), resume = run(
        tmp_path, settings(schedule=Schedule(epochs=32, evaluate_every=8, checkpoint_every=8))
    )
    frame = pd.DataFrame(metrics)
    assert frame["epoch"].unique().tolist() == [0, 1, 2, 4, 8, 16, 24, 32]
    assert frame.loc[frame["epoch"] == 32, "step"].unique() == [96]
    assert frame.query("epoch == 32 and split == 'train'")["accuracy"].item() == 1
    assert frame.loc[frame["split"] != "train", "zero_loss_fraction"].isna().all()
    assert [epoch for epoch, _ in all_checkpoints(resume.checkpoints)] == [0, 1, 2, 4, 8, 16, 24, 32]
    angles = pd.DataFrame(dynamics).query("group == 'total'")["angle_per_step"]
    assert math.isnan(angles.iloc[0])
    assert (angles.iloc[1:] > 0).all()
    train = frame[frame["split"] == "train"]
    assert train["margin"].iloc[-1] > 1 and train["logit_scale"].iloc[-1] > 0.5
    # Two classes: a margin that is the same for every example is twice the scale.
    assert (train["margin"] <= 2 * train["logit_scale"] + 1e-9).all()


@on_every_device
def test_equal_runs_give_equal_bits(tmp_path, device):
    first, _ = run(tmp_path, settings(device=device), "a")
    second, _ = run(tmp_path, settings(device=device), "b")
    assert repr(first) == repr(second)


def test_grokfast_is_measured_before_and_after_it_sees_the_gradient(tmp_path):
    (_, dynamics), _ = run(tmp_path, settings())
    frame = pd.DataFrame(dynamics).query("group == 'total' and epoch > 0")
    assert frame[["grokfast_alignment", "grokfast_growth", "gradient_growth"]].notna().all(axis=None)
    assert (frame["grokfast_alignment"].abs() < 1).all()
    (_, plain), _ = run(tmp_path, settings(recipe=Recipe(weight_decay=0, batch_size=8)), "plain")
    frame = pd.DataFrame(plain).query("epoch > 0")
    assert frame[["grokfast_alignment", "grokfast_growth"]].isna().all(axis=None)
    invariant = frame.loc[frame["scale_invariant"], "gradient_growth"]
    assert (invariant.abs() < 0.01).all()


@on_every_device
def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path, device):
    chosen = settings(device=device)
    whole, whole_resume = run(tmp_path, chosen, "whole")
    resume = ResumeState(tmp_path / "killed", {})
    evaluation = {"ood_test": patches(10, 1)}
    killed = Trainer(
        patches(20),
        evaluation,
        chosen,
        resume=resume,
        save_seconds=-1,
        save_share=np.inf,
        report=lambda line: None,
    )
    train_epoch = killed._train_epoch

    def die_in_epoch_four(*, measured):
        if killed.epoch == 3:
            raise KeyboardInterrupt
        train_epoch(measured=measured)

    killed._train_epoch = die_in_epoch_four
    with pytest.raises(KeyboardInterrupt):
        killed.run()

    lines = []
    again = Trainer(patches(20), evaluation, chosen, resume=resume, report=lines.append)
    assert repr(again.run()) == repr(whole)
    assert again.resumed_after == 3
    assert any("resumed after epoch 3" in line for line in lines)
    for (epoch, expected), (_, got) in zip(
        all_checkpoints(whole_resume.checkpoints), all_checkpoints(resume.checkpoints), strict=True
    ):
        assert all(torch.equal(expected[name], got[name]) for name in expected), epoch


@pytest.mark.parametrize(("took", "saved_after"), [(0.0, [3, 6, 9]), (0.3, [3, 6, 9]), (0.9, [3, 8, 9])])
def test_a_save_that_takes_long_comes_more_seldom(tmp_path, monkeypatch, took, saved_after):
    """Epochs of 1 s and a save every 2.5 s, unless that is more than a fifth of the time."""
    now, epochs = [0.0], []
    monkeypatch.setattr("causalgrok.training.trainer.time.monotonic", lambda: now[0])
    resume = ResumeState(tmp_path, {})
    schedule = Schedule(epochs=9, evaluate_every=9, checkpoint_every=9)
    trainer = Trainer(
        patches(8),
        {},
        settings(schedule=schedule),
        resume=resume,
        save_seconds=2.5,
        save_share=0.2,
        report=lambda line: None,
    )

    def train_epoch(*, measured):
        trainer.epoch += 1
        now[0] += 1

    def save(state):
        epochs.append(state["epoch"])
        now[0] += took

    monkeypatch.setattr(trainer, "_train_epoch", train_epoch)
    monkeypatch.setattr(trainer, "_evaluate", lambda progress: None)
    monkeypatch.setattr(resume, "save", save)
    trainer.run()
    assert epochs == saved_after


def test_a_kill_while_finishing_never_leaves_a_state_without_its_checkpoints(tmp_path, monkeypatch):
    _, resume = run(tmp_path, settings())
    assert resume.load()["epoch"] == 6

    def die(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        resume.finish(tmp_path)
    monkeypatch.undo()
    assert resume.load() is None, "the next attempt starts anew"


def test_a_diverged_network_is_right_about_nothing(tmp_path):
    diverging = settings(recipe=Recipe(weight_decay=0, learning_rate=1e9, init_scale=1e9, batch_size=20))
    (metrics, _), resume = run(tmp_path, diverging)
    last = metrics[-1]
    assert last["epoch"] == 6 and math.isnan(last["accuracy"]) and math.isnan(last["auroc"])
    assert math.isnan(last["margin"]) and math.isnan(last["logit_scale"])
    splits = {"probe": patches(6), "ood_test": patches(4)}
    arrays = extract_features(initialise(diverging), all_checkpoints(resume.checkpoints), splits, grid=2, device="cpu")
    assert set(arrays["epochs"].tolist()) <= {0, 1}, "checkpoints without finite features are left out"
    assert all(np.isfinite(values).all() for values in arrays.values())


def test_recipes_of_one_seed_start_from_the_same_draw():
    plain = initialise(settings(recipe=Recipe(weight_decay=0)))
    scaled = initialise(settings(recipe=Recipe(weight_decay=0, init_scale=4)))
    assert torch.equal(4 * plain.conv1.weight, scaled.conv1.weight)
    assert not torch.equal(plain.conv1.weight, initialise(settings(seed=4)).conv1.weight)


def test_losses_equal_their_formulas():
    logits, labels = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])
    expected = torch.tensor([math.log(1 + math.exp(-2)), math.log(1 + math.e)])
    assert torch.allclose(loss_function("cross_entropy")(logits, labels), expected)
    assert torch.allclose(loss_function("mse")(logits, labels), torch.tensor([0.5, 1.0]))


def test_zero_losses_are_counted():
    class Certain(nn.Module):
        def prepare(self, inputs):
            return inputs

        def forward(self, inputs):
            return torch.tensor([[200.0, 0.0], [0.5, 0.0]])

    row, other = evaluate(
        Certain(),
        {"train": (torch.zeros(2, 1), torch.tensor([0, 1])), "id_val": (torch.zeros(2, 1), torch.tensor([0, 1]))},
        loss_function("cross_entropy"),
    )
    assert row["zero_loss_fraction"] == 0.5
    assert math.isnan(other["zero_loss_fraction"])


def test_plain_adamw_step_equals_torch(tmp_path):
    chosen = settings(
        recipe=Recipe(weight_decay=0.1, batch_size=20),
        schedule=Schedule(epochs=1, evaluate_every=1, checkpoint_every=1),
    )
    _, resume = run(tmp_path, chosen)
    model, split = initialise(chosen).train(), patches(20)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, foreach=False)
    logits = model(model.prepare(torch.from_numpy(split.inputs)))
    nn.functional.cross_entropy(logits, torch.from_numpy(split.labels)).backward()
    optimiser.step()
    trained = dict(all_checkpoints(resume.checkpoints))[1]
    assert torch.allclose(trained["fc.weight"], model.fc.weight, atol=1e-5)
    assert torch.allclose(trained["layer1.0.bn1.bias"], model.layer1[0].bn1.bias, atol=1e-4)


def test_a_run_leaves_tables_checkpoints_and_provenance(tmp_path):
    folder, data = tmp_path / "run", tmp_path / "subset.safetensors"
    patches(20).save(data)
    train_run(
        Split.load(data), {"ood_test": patches(10, 1)}, settings(), folder=folder, name="x", code="c", data=[str(data)]
    )
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints",
        "dynamics.parquet",
        "metrics.parquet",
        "run.json",
    ]
    provenance = json.loads((folder / "run.json").read_text())
    assert provenance["config"]["recipe"]["weight_decay"] == 5e-3
    assert provenance["steps"] == 18
    assert provenance["exposure"] == pytest.approx(18 * 1e-3 * 5e-3)
    assert len(provenance["data"][str(data)]) == 64
    assert set(read_table(folder / "metrics.parquet")["split"]) == {"train", "ood_test"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_asking_for_a_gpu_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="torch finds no GPU"):
        train_run(patches(8), {}, settings(device="cuda"), folder=tmp_path, name="x", code="c", data=[])
