"""The forward pass goes on from moved maps: at layer4 that is pooled steering, at earlier stages it is more."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from causalgrok.columns import COLUMNS
from causalgrok.data.splits import Split
from causalgrok.interventions import stage_steering
from causalgrok.interventions.extraction import extract_features
from causalgrok.interventions.features import STAGES, Features
from causalgrok.interventions.settings import Measurement
from causalgrok.interventions.stage_steering import balanced_part, steer_stages
from causalgrok.interventions.steering import steer_activations, steering_directions
from causalgrok.models.registry import build_model
from causalgrok.models.settings import TwinCNN
from causalgrok.models.staged import StagedNetwork
from causalgrok.scoring import accuracy, auroc

MAP_STAGES = STAGES[:-1]
SETTINGS = Measurement(repeats=3, refits=3, directions=3, alphas=[-2.0, 0.0, 1.0, 3.0], steered_images=18)
SPLITS = {"id_val": (0, 3, 4), "ood_val": (1,), "ood_test": (2,)}


class Block(nn.Module):
    """A nonlinear map from c channels to twice as many at half the size."""

    def __init__(self, channels):
        super().__init__()
        self.convolution = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(2 * channels)

    def forward(self, maps):
        return torch.relu(self.norm(self.convolution(maps)))


class Toy(StagedNetwork):
    """A ResNet without residuals."""

    def __init__(self, classes=2):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(2)
        self.layer1, self.layer2, self.layer3, self.layer4 = (Block(4 * 2**i) for i in range(4))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(64, classes)

    @staticmethod
    def prepare(images):
        return (images.float() / 255 - 0.5).permute(0, 3, 1, 2)

    def stem(self, inputs):
        return self.maxpool(self.relu(self.bn1(self.conv1(inputs))))

    def segments(self):
        layers = {name: getattr(self, name) for name in MAP_STAGES[1:]}
        return {"stem": self.stem, **layers, "pooled": lambda maps: torch.flatten(self.avgpool(maps), 1)}


def images(hospitals, n, seed, slides=4):
    """Random images (16 x 16) tinted by hospital, brighter for tumour, n of each hospital."""
    rng = np.random.default_rng(seed)
    domains, index = np.repeat(hospitals, n), np.tile(np.arange(n), len(hospitals))
    labels, tint = index % 2, np.random.default_rng(0).uniform(-1, 1, (5, 3))
    colour = 120 + 40 * tint[domains] + 20 * labels[:, None] + rng.normal(0, 15, (len(domains), 3))
    inputs = np.clip(colour[:, None, None] + rng.normal(0, 20, (len(domains), 16, 16, 3)), 0, 255).astype(np.uint8)
    return Split(inputs, labels, domains, 100 * domains + index // 2 % slides, np.arange(len(domains)))


@pytest.fixture(scope="module")
def splits():
    return {name: images(hospitals, 18 // len(hospitals), i) for i, (name, hospitals) in enumerate(SPLITS.items())}


@pytest.fixture(scope="module")
def pool():
    return images((0, 3, 4), 24, 9)


def states(*seeds, classes=2):
    """State dicts of random networks whose normalisation has seen something."""
    for epoch, seed in enumerate(seeds):
        torch.manual_seed(seed)
        model = Toy(classes)
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.2)
                nn.init.uniform_(module.running_var, 0.5, 2)
        yield 10 * epoch, model.state_dict()


def steer(splits, pool, *, seeds=(1,), classes=2, names=None, settings=SETTINGS):
    names = names or {"final": 0}
    model = Toy(classes)
    return steer_stages(
        model, states(*seeds, classes=classes), splits, pool, names=names, settings=settings, device="cpu"
    )


@pytest.fixture(scope="module")
def table(splits, pool):
    return steer(splits, pool)


def test_rows(table):
    assert list(table.columns) == list(COLUMNS["steering"])
    assert set(table["images"]) == {18} and set(table["epoch"]) == {0}
    key = ["stage", "direction", "repeat", "alpha", "split"]
    assert not table.duplicated(key).any()
    for _, rows in table.groupby(["stage", "split"]):
        alphas = rows.groupby("direction")["alpha"].apply(lambda values: sorted(set(values))).to_dict()
        ends, every = [-3.0, 3.0], [-2.0, 0.0, 1.0, 3.0]
        controls = {"permuted": ends, "matched": ends}
        assert alphas == {"hospital": every, "bias": every, **controls}
        assert len(rows) == 2 * 4 + 2 * 3 * 2
    assert set(table["stage"]) == set(MAP_STAGES) and set(table["split"]) == set(SPLITS)
    assert table.drop(columns="cosine").notna().all(axis=None)


@pytest.mark.parametrize("stage", MAP_STAGES)
def test_every_row_is_a_forward_pass_with_moved_maps(stage, table, splits, pool):
    """Hooks on the network itself, image by image, instead of continued blocks of maps."""
    model = Toy().eval()
    model.load_state_dict(next(states(1))[1])
    module = model.maxpool if stage == "stem" else getattr(model, stage)

    @torch.no_grad()
    def run(inputs, step=None):
        seen = []

        def move(_, __, maps):
            seen.append(maps.mean(dim=(2, 3)).numpy())
            return maps if step is None else maps + torch.tensor(step, dtype=torch.float32)[:, None, None]

        handle = module.register_forward_hook(move)
        *_, (_, pooled) = model.stages(model.prepare(torch.from_numpy(inputs)))
        handle.remove()
        return np.concatenate(seen), model.fc(pooled).double().numpy()

    means, target = run(pool.inputs)[0], run(splits["ood_val"].inputs)[0].mean(axis=0)
    counts = {"permuted": 3, "matched": 3, "isotropic": 0}
    found = steering_directions(means, pool.domains, pool.groups, pool.labels, target, **counts, seed=0)
    steps = {(name, repeat): step for name, repeat, step in zip(found.names, found.repeats, found.steps, strict=True)}
    rows = table[(table["stage"] == stage) & (table["split"] == "ood_test") & (table["direction"] != "bias")]
    labels, plain = splits["ood_test"].labels, run(splits["ood_test"].inputs)[1]
    shifts = []
    for row in rows.itertuples():
        logits = run(splits["ood_test"].inputs, row.alpha * steps[row.direction, row.repeat])[1]
        shift = np.mean((logits - plain) @ [-1, 1])
        shifts.append(abs(shift))
        assert row.logit_shift == pytest.approx(shift, abs=1e-5)
        assert row.accuracy == accuracy(logits, labels)
        assert row.auroc == pytest.approx(auroc(logits, labels), abs=1e-9)
        assert row.flip_fraction == np.mean(logits.argmax(axis=1) != plain.argmax(axis=1))
    assert max(shifts) > 2e-3


def test_layer4_is_pooled_steering(table, splits, pool):
    arrays = extract_features(
        Toy(), states(1), {**splits, "probe": pool, "train": splits["id_val"]}, grid=1, device="cpu"
    )
    names = [name for name in arrays if not name.startswith("train/")]
    settings = SETTINGS.model_copy(update={"alphas": [-3.0, *SETTINGS.alphas]})
    pooled = steer_activations(Features.of(arrays.__getitem__, names), settings)
    key = ["direction", "repeat", "alpha", "split"]
    here = table[table["stage"] == "layer4"].set_index(key).sort_index()
    there = pooled.set_index(key).loc[here.index]
    pd.testing.assert_frame_equal(
        here.drop(columns="stage"), there.drop(columns="stage"), check_exact=False, rtol=1e-5, atol=1e-6
    )
    assert (here.groupby("split")["auroc"].nunique() == 1).all()
    assert here["logit_shift"].abs().max() > 1e-2


def test_bias_keeps_the_mean_shift_and_moves_no_order(table):
    key = ["stage", "alpha", "split"]
    hospital, bias = (table[table["direction"] == name].set_index(key).sort_index() for name in ("hospital", "bias"))
    np.testing.assert_allclose(hospital["logit_shift"], bias["logit_shift"], atol=1e-9)
    assert (bias.groupby(["stage", "split"])["auroc"].nunique() == 1).all()
    still = hospital.xs(0.0, level="alpha")
    assert (still["flip_fraction"] == 0).all() and (still["logit_shift"] == 0).all()
    unmoved = bias.xs(0.0, level="alpha")
    pd.testing.assert_frame_equal(
        still.drop(columns=["direction", "cosine"]), unmoved.drop(columns=["direction", "cosine"])
    )


def planted_toy():
    """A network that reads the tumour where the hospital's colour stays below a bound, and nothing above it.

    Channel 0 of the stem is the tumour, channel 1 the hospital; layer2 is relu(tumour - 8 relu(hospital - 0.5)).
    """
    model = Toy()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    with torch.no_grad():
        model.conv1.weight[0, 0, 1, 1] = model.conv1.weight[1, 1, 1, 1] = 1.0
        for i in (1, 2, 3, 4):
            getattr(model, f"layer{i}").convolution.weight[0, 0, 1, 1] = 1.0
        model.layer1.convolution.weight[1, 1, 1, 1], model.layer1.convolution.bias[1] = 1.0, -0.5
        model.layer2.convolution.weight[0, 1, 1, 1] = -8.0
        model.fc.weight[1, 0], model.fc.bias[1] = 1.0, -0.5
    return model


def test_a_planted_interaction_before_the_head_changes_auroc_and_pooled_steering_does_not():
    rng = np.random.default_rng(0)

    def draw(hospitals, n):
        domains = np.repeat(hospitals, n)
        labels, index = np.tile([0, 1], len(domains) // 2), np.arange(len(domains))
        inputs = np.zeros((len(domains), 16, 16, 3), dtype=np.uint8)
        inputs[..., 0] = (150 + 25 * labels + rng.normal(0, 8, len(domains)))[:, None, None]
        place = np.array([150, 175, 170, 165, 160])[domains]
        inputs[..., 1] = (place + rng.normal(0, 4, len(domains)))[:, None, None]
        return Split(inputs, labels, domains, index % 6, index)

    splits, pool = {name: draw(hospitals, 60) for name, hospitals in SPLITS.items()}, draw((0, 3, 4), 60)
    settings = Measurement(repeats=2, alphas=[-3.0, 0.0, 3.0, 20.0], steered_images=200)
    model = planted_toy()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    frame = steer_stages(model, [(5, state)], splits, pool, names={"final": 5}, settings=settings, device="cpu")
    rows = frame[(frame["direction"] == "hospital") & (frame["split"] == "ood_test")].set_index(["stage", "alpha"])
    assert rows.loc[("stem", 0.0), "auroc"] > 0.95
    assert rows.loc[("stem", 3.0), "auroc"] > 0.95
    assert rows.loc[("stem", 20.0), "auroc"] < 0.7
    assert rows.loc["layer4", "auroc"].nunique() == 1
    assert rows.loc[("stem", 3.0), "cosine"] > 0.8
    bias = frame[(frame["direction"] == "bias") & (frame["split"] == "ood_test") & (frame["stage"] == "stem")]
    assert bias["auroc"].min() > 0.95


def test_named_epochs_only_and_each_once(splits, pool, monkeypatch):
    weights = []

    def record(model, *_):
        weights.append(model.fc.weight.clone())
        return [pd.DataFrame(0, index=[0], columns=[name for name in COLUMNS["steering"] if name != "epoch"])]

    monkeypatch.setattr(stage_steering, "_steer_checkpoint", record)
    frame = steer(splits, pool, seeds=(1, 2, 3), names={"init": 0, "selected": 20, "final": 20})
    assert frame["epoch"].tolist() == [0, 20]
    for weight, (epoch, state) in zip(weights, [one for one in states(1, 2, 3) if one[0] != 10], strict=True):
        assert torch.equal(weight, state["fc.weight"]), epoch
    with pytest.raises(ValueError, match=r"epochs \[30\] are named, but the checkpoints are those of \[0, 10\]"):
        steer(splits, pool, seeds=(1, 2), names={"init": 0, "final": 30})


def test_blocks_do_not_matter(table, splits, pool, monkeypatch):
    monkeypatch.setattr(stage_steering, "BATCH", 5)
    monkeypatch.setattr(stage_steering, "MOVED", {"cpu": 5 * 4 * 64 * 3})
    other = steer(splits, pool)
    counts = ["accuracy", "flip_fraction", "accuracy_recalibrated", "auroc"]
    pd.testing.assert_frame_equal(table.drop(columns=counts), other.drop(columns=counts), rtol=1e-5, atol=1e-6)
    assert (table[counts] - other[counts]).abs().mean().max() < 0.01


def test_without_ood_val_directions_raise_the_margin_of_the_pool(pool):
    settings = SETTINGS.model_copy(update={"steered_images": 64, "repeats": 1})
    names = {"init": 0, "final": 10}
    some = {"ood_test": balanced_part(pool, stage_steering.BATCH)}
    frame = steer(some, pool, seeds=(1, 2), names=names, settings=settings)
    assert frame["cosine"].isna().all() and frame["accuracy_recalibrated"].isna().all()
    assert set(frame["split"]) == {"ood_test"}
    raised = frame[(frame["direction"] == "hospital") & (frame["alpha"] == 1)]["logit_shift"]
    assert len(raised) == 2 * len(MAP_STAGES) and (raised > 0).all()


def test_three_classes(pool, splits):
    frame = steer(splits, pool, classes=3)
    assert frame[["logit_shift", "accuracy_recalibrated"]].isna().all(axis=None)
    assert frame[["accuracy", "flip_fraction"]].notna().all(axis=None)


def test_a_stage_of_vectors_is_moved_as_a_whole(splits, pool):
    """The twin network: channel-wise before its codes, along a vector at them; against forward passes from there."""
    torch.manual_seed(0)
    twin = build_model(TwinCNN(name="twin_cnn", channels=4, grid=4, code=6, hidden=10), classes=2).eval()
    wide = {name: replace(split, inputs=np.tile(split.inputs, (1, 1, 2, 1))) for name, split in splits.items()}
    wide_pool = replace(pool, inputs=np.tile(pool.inputs, (1, 1, 2, 1)))
    state = {name: value.clone() for name, value in twin.state_dict().items()}
    frame = steer_stages(twin, [(0, state)], wide, wide_pool, names={"final": 0}, settings=SETTINGS, device="cpu")
    assert set(frame["stage"]) == {"conv", "code"}

    @torch.no_grad()
    def outputs(split):
        return dict(twin.stages(twin.prepare(torch.from_numpy(split.inputs))))

    for stage in ("conv", "code"):
        here, toward = (outputs(split)[stage].double().numpy() for split in (wide_pool, wide["ood_val"]))
        if stage == "conv":
            here, toward = here.mean(axis=(2, 3)), toward.mean(axis=(2, 3))
        counts = {"permuted": 3, "matched": 3, "isotropic": 0}
        target = toward.mean(axis=0)
        found = steering_directions(here, pool.domains, pool.groups, pool.labels, target, **counts, seed=0)
        step = torch.from_numpy(3 * found.steps[0]).float()
        own = outputs(wide["ood_test"])
        with torch.no_grad():
            if stage == "conv":
                left, right = (own["conv"] + step[:, None, None]).chunk(2, dim=3)
                pooled = [nn.functional.adaptive_avg_pool2d(half, 4).flatten(1) for half in (left, right)]
                codes = torch.cat([twin.code(half) for half in pooled], dim=1)
            else:
                codes = own["code"] + step
            logits = twin.fc(torch.relu(twin.hidden(codes))).double().numpy()
            plain = twin.fc(own["pooled"]).double().numpy()
        chosen = frame[(frame["stage"] == stage) & (frame["direction"] == "hospital") & (frame["alpha"] == 3)]
        row = chosen[chosen["split"] == "ood_test"].iloc[0]
        assert row["flip_fraction"] == np.mean(logits.argmax(axis=1) != plain.argmax(axis=1))
        assert row["logit_shift"] == pytest.approx(np.mean((logits - plain) @ [-1, 1]), abs=1e-5)
        assert row["auroc"] == pytest.approx(auroc(logits, splits["ood_test"].labels), abs=1e-6)
        assert abs(row["logit_shift"]) > 1e-3


def test_diverged_networks_and_one_hospital_are_refused(splits, pool):
    state = next(states(1))[1]
    state["layer2.convolution.weight"] = state["layer2.convolution.weight"] * torch.nan
    with pytest.raises(ValueError, match="features at epoch 7 are not finite"):
        steer_stages(Toy(), [(7, state)], splits, pool, names={"final": 7}, settings=SETTINGS, device="cpu")
    with pytest.raises(ValueError, match="one hospital"):
        steer(splits, images((3,), 24, 9))


def test_part_of_a_split_is_balanced_over_cells_spread_over_slides_and_in_order():
    split = images((0, 3, 4), 40, 0)
    split = replace(split, groups=split.rows // 4)
    part = balanced_part(split, 60)
    assert len(part) == 60 and (np.diff(part.rows) > 0).all()
    counts = pd.Series(1, index=pd.MultiIndex.from_arrays([part.domains, part.labels])).groupby(level=[0, 1]).sum()
    assert set(counts) == {10} and len(counts) == 6
    assert len(np.unique(part.groups)) == 30
    np.testing.assert_array_equal(part.rows, balanced_part(split, 60).rows)
    assert balanced_part(split, 120) is split


def test_cells_that_are_too_small_are_made_up_for_by_the_others():
    split = images((0, 3), 40, 0)
    rare = split[np.r_[0:2, 40:80]]
    part = balanced_part(rare, 20)
    assert len(part) == 20 and np.sum(part.domains == 0) == 2
    assert np.bincount(part.labels[part.domains == 3]).tolist() == [9, 9]
    assert len(balanced_part(split, 3)) == 3
