"""Reliance on stain: planted readers of colour and of texture, flips and shifts by hand, BatchNorm re-estimated."""

import numpy as np
import pytest
import torch
from torch import nn

from causalgrok.columns import COLUMNS
from causalgrok.data.counterfactuals import Counterfactuals
from causalgrok.data.splits import Split
from causalgrok.interventions.counterfactual import (
    STATISTICS_BATCH,
    compare_answers,
    margins,
    measure_counterfactuals,
    reestimated_statistics,
)
from causalgrok.models.registry import build_model
from causalgrok.models.settings import ResNet18

REDNESS = {0: 60, 1: 100, 3: 160, 4: 140}
"""Hospital -> mean of the red channel, its stain; the label is in the stripes of the green one."""


class Reader(nn.Module):
    """Two logits from one number a picture: the mean of red, or how striped green is."""

    def __init__(self, reads: str):
        super().__init__()
        self.reads = reads
        self.gain = nn.Parameter(torch.tensor(0.1))
        self.threshold = nn.Parameter(torch.tensor(120.0 if reads == "red" else 20.0))

    @staticmethod
    def prepare(images):
        return images.float()

    def forward(self, inputs):
        red, green = inputs[..., 0], inputs[..., 1]
        value = red.mean((1, 2)) if self.reads == "red" else (green[:, :, 1:] - green[:, :, :-1]).abs().mean((1, 2))
        margin = self.gain * (value - self.threshold)
        return torch.stack([-margin / 2, margin / 2], dim=1)


class Normalised(nn.Module):
    """BatchNorm on the three channels' means, then a linear head."""

    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(3, momentum=0.25)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(3, 2)

    @staticmethod
    def prepare(images):
        return images.permute(0, 3, 1, 2).float()

    def forward(self, inputs):
        return self.fc(self.dropout(self.bn(inputs)).mean((2, 3)))


def split_of(hospitals: tuple[int, ...], each: int = 20, *, seed: int = 0) -> Split:
    rng = np.random.default_rng(seed)
    domains = np.repeat(hospitals, each)
    labels = np.tile([0, 1], len(domains) // 2)
    images = rng.integers(0, 10, (len(domains), 6, 6, 3))
    images[..., 0] += np.array([REDNESS[hospital] for hospital in domains])[:, None, None]
    images[:, :, ::2, 1] += 60 * labels[:, None, None]
    index = np.arange(len(domains))
    return Split(images.astype(np.uint8), labels, domains, index, index)


def shown_as_all(split: Split, rows: np.ndarray, method: str = "rendered") -> Counterfactuals:
    """The truth of this little world: only the red channel depends on the hospital."""
    some = split[rows]
    inputs = np.repeat(some.inputs[None], len(REDNESS), axis=0)
    own = np.array([REDNESS[hospital] for hospital in some.domains])
    for images, redness in zip(inputs, REDNESS.values(), strict=True):
        images[..., 0] += (redness - own).astype(np.uint8)[:, None, None]  # modulo 256, as uint8 goes
    return Counterfactuals(rows, np.array(list(REDNESS)), {method: inputs})


@pytest.fixture
def splits() -> dict[str, Split]:
    return {"id_val": split_of((0, 3, 4)), "ood_val": split_of((1,))}


@pytest.fixture
def shown(splits) -> dict[str, Counterfactuals]:
    """Rows 1, 2, 5, 6, 9, 10, ... of either split: half of its images, as balanced as it is."""
    chosen = {name: np.flatnonzero(np.isin(np.arange(len(split)) % 4, [1, 2])) for name, split in splits.items()}
    return {name: shown_as_all(split, chosen[name]) for name, split in splits.items()}


def measure(model, splits, shown, epochs=(0,)):
    checkpoints = [(epoch, {name: value.clone() for name, value in model.state_dict().items()}) for epoch in epochs]
    return measure_counterfactuals(model, checkpoints, splits, shown, device="cpu")


# Planted reliance


def test_a_reader_of_colour_flips_and_a_reader_of_texture_does_not(splits, shown):
    colour, _ = measure(Reader("red"), splits, shown)
    texture, _ = measure(Reader("stripes"), splits, shown)
    assert list(colour.columns) == list(COLUMNS["counterfactual"])
    colour = colour.set_index(["split", "target_hospital"])
    # id_val: a third each of hospital 0 (below the threshold), 3 and 4 (above it).
    assert colour.loc[("id_val", 0), ["images", "moved", "flip_fraction"]].tolist() == [30, 20, 1.0]
    assert colour.loc[("id_val", 3), ["images", "moved", "flip_fraction"]].tolist() == [30, 20, 0.5]
    assert colour.loc[("id_val", 0), "logit_shift"] == pytest.approx(0.1 * (60 - (160 + 140) / 2), abs=1e-5)
    assert colour.loc[("id_val", 0), "logit_shift_sd"] == pytest.approx(0.1 * 10, abs=1e-5)
    assert colour.loc[("ood_val", 4), ["moved", "flip_fraction"]].tolist() == [10, 1.0]
    assert colour["accuracy"].to_numpy() == pytest.approx(0.5)
    moved = texture[texture["moved"] > 0]
    assert (moved[["flip_fraction", "logit_shift", "logit_shift_sd"]] == 0).all(axis=None)
    assert (texture[["accuracy", "auroc"]] == 1).all(axis=None)


def test_under_the_own_hospital_nothing_is_moved_and_nothing_changes(splits, shown):
    table, scores = measure(Reader("stripes"), splits, shown)
    own = table[(table["split"] == "ood_val") & (table["target_hospital"] == 1)].iloc[0]
    assert own["moved"] == 0
    assert own[["flip_fraction", "logit_shift", "logit_shift_sd"]].isna().all()
    assert own["accuracy"] == scores.set_index(["split", "statistics"]).loc[("ood_val", "stored"), "accuracy"]


def test_rows_count_from_the_split(splits):
    rows = np.array([5, 22, 47])
    table, _ = measure(Reader("red"), splits, {"id_val": shown_as_all(splits["id_val"], rows)})
    values = splits["id_val"].inputs[rows][..., 0].mean((1, 2))
    assert table["margin_sd"].to_numpy() == pytest.approx(0.1 * values.std(), rel=1e-5)
    assert (table["images"] == 3).all()


def test_every_checkpoint_split_method_and_hospital_has_a_row(splits, shown):
    other = shown_as_all(splits["ood_val"], shown["ood_val"].rows, "macenko")
    both = Counterfactuals(other.rows, other.targets, shown["ood_val"].inputs | other.inputs)
    table, scores = measure(Reader("red"), splits, shown | {"ood_val": both}, epochs=(0, 5))
    assert len(table) == 2 * 4 * (1 + 2)
    assert not table.duplicated(["epoch", "split", "method", "target_hospital"]).any()
    assert list(scores.columns) == list(COLUMNS["renormalisation"])
    assert len(scores) == 2 * 2 * 2


def test_each_checkpoint_is_measured_with_its_own_weights(splits, shown):
    model = Reader("red")
    blind = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    state = {name: value.clone() for name, value in model.state_dict().items()}
    table, _ = measure_counterfactuals(model, [(0, state), (9, blind)], splits, shown, device="cpu")
    shifts = table.groupby("epoch")["logit_shift"].apply(lambda values: values.abs().max())
    assert shifts[0] > 1
    assert shifts[9] == 0


def test_a_diverged_checkpoint_is_left_out(splits, shown, capsys):
    model = Reader("red")
    state = model.state_dict()
    diverged = {name: value * torch.nan for name, value in state.items()}
    state = {name: value.clone() for name, value in state.items()}
    table, scores = measure_counterfactuals(model, [(0, diverged), (3, state)], splits, shown, device="cpu")
    assert table["epoch"].unique().tolist() == scores["epoch"].unique().tolist() == [3]
    assert "epoch 0 is left out" in capsys.readouterr().out


def test_counterfactuals_of_other_images_are_refused(splits, shown):
    with pytest.raises(ValueError, match="split id_val were made from other images"):
        measure(Reader("red"), splits | {"id_val": split_of((0, 3, 4), seed=1)}, shown)
    with pytest.raises(ValueError, match="split id_val were made from other images"):
        measure(Reader("red"), splits | {"id_val": splits["id_val"][:20]}, shown)
    with pytest.raises(ValueError, match="split id_val come without the split; there are ood_val"):
        measure(Reader("red"), {"ood_val": splits["ood_val"]}, shown)


# By hand


def test_flips_and_shifts_by_hand():
    original = np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 3.0], [0.0, -1.0]])
    shown = np.array([[0.0, -1.0], [2.0, 1.0], [0.0, 3.0], [0.0, 1.0]])
    found = compare_answers(original, shown, np.array([1, 0, 1, 0]), np.array([True, True, False, True]))
    assert found == {
        "images": 4,
        "moved": 3,
        "flip_fraction": pytest.approx(2 / 3),  # the first and the last
        "logit_shift": pytest.approx((-2 + 1 + 2) / 3),
        "logit_shift_sd": pytest.approx(np.std([-2, 1, 2])),
        "margin_sd": pytest.approx(np.std([1, -2, 3, -1])),
        "accuracy": 0.5,
        "auroc": 2.5 / 4,  # tumour -1 and 3 against normal -1 and 1: a half, nothing, one and one
    }


def test_with_more_classes_the_margin_is_the_true_class_over_the_rest():
    logits = np.log(np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))
    np.testing.assert_allclose(margins(logits, np.array([0, 1])), np.log([0.5 / 0.5, 0.1 / 0.9]))
    np.testing.assert_allclose(margins(logits[:, :2], np.array([0, 0])), np.log([0.3 / 0.5, 1]))


# BatchNorm


def test_statistics_of_one_batch_are_its_mean_and_unbiased_variance():
    images, model = split_of((0, 3)).inputs, Normalised().eval()
    model.bn.num_batches_tracked.fill_(9)  # what training has left behind does not count
    model.bn.running_mean.fill_(50.0)
    with reestimated_statistics(model, images, device="cpu"):
        values = images.reshape(-1, 3).astype(float)
        np.testing.assert_allclose(model.bn.running_mean, values.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(model.bn.running_var, values.var(axis=0, ddof=1), rtol=1e-5)


def test_statistics_of_many_batches_span_hospitals_though_images_come_hospital_by_hospital():
    images, model = split_of((0, 3), 2 * STATISTICS_BATCH).inputs, Normalised().eval()
    with reestimated_statistics(model, images, device="cpu"):
        values = images.reshape(-1, 3).astype(float)
        np.testing.assert_allclose(model.bn.running_mean, values.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(model.bn.running_var, values.var(axis=0), rtol=0.03)


def test_reestimation_agrees_with_torch_and_changes_nothing_for_good(splits):
    torch.manual_seed(0)
    model = build_model(ResNet18(width=4, zero_init_last=False), classes=2).eval()
    images = splits["id_val"].inputs[:STATISTICS_BATCH]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with reestimated_statistics(model, images, device="cpu"):
        mine = {name: value.clone() for name, value in model.named_buffers() if "running" in name}
        assert not any(module.training for module in model.modules())
    assert model.state_dict().keys() == before.keys()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert not any(module.training for module in model.modules())
    assert {module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm2d)} == {0.1}
    torch.optim.swa_utils.update_bn([model.prepare(torch.from_numpy(images))], model)
    for name, value in model.named_buffers():
        if "running" in name:
            torch.testing.assert_close(mine[name], value, rtol=1e-4, atol=1e-5)
    model.train()(model.prepare(torch.from_numpy(images[:4]))).sum().backward()  # it can still be trained


def test_weights_are_restored_when_the_block_fails(splits):
    model = Normalised().eval()
    with pytest.raises(RuntimeError), reestimated_statistics(model, splits["id_val"].inputs, device="cpu"):
        raise RuntimeError
    torch.testing.assert_close(model.bn.running_mean, torch.zeros(3))
    assert (model.bn.momentum, model.bn.training, int(model.bn.num_batches_tracked)) == (0.25, False, 0)


def test_reestimating_mends_stale_statistics(splits):
    model = Normalised()
    with torch.no_grad():  # reads green, where the label is, against a threshold at the mean
        model.fc.weight.copy_(torch.tensor([[0.0, -1, 0], [0, 1, 0]]))
        model.fc.bias.zero_()
        model.bn.running_mean.copy_(torch.tensor([0.0, 255, 0]))
    _, scores = measure(model, splits, {})
    scores = scores.set_index(["split", "statistics"])
    for name in splits:
        assert scores.loc[(name, "stored"), ["accuracy", "auroc", "flip_fraction"]].tolist() == [0.5, 1, 0]
        assert scores.loc[(name, "reestimated"), ["accuracy", "auroc", "flip_fraction"]].tolist() == [1, 1, 0.5]


def test_without_batchnorm_both_statistics_score_alike(splits):
    _, scores = measure(Reader("red"), splits, {})
    stored, reestimated = (scores[scores["statistics"] == name] for name in ("stored", "reestimated"))
    assert stored["auroc"].tolist() == reestimated["auroc"].tolist()
    assert (scores["flip_fraction"] == 0).all()


def test_statistics_of_a_single_image_are_refused(splits):
    with pytest.raises(ValueError, match="at least 2 images, there is 1"):
        measure(Normalised(), {"ood_val": splits["ood_val"][:1]}, {})
    measure(Reader("red"), {"ood_val": splits["ood_val"][:1]}, {})  # without BatchNorm there is nothing to estimate
