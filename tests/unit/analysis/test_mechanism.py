"""Planted norms, angles and directions are found again, run by run."""

import math

import numpy as np
import pandas as pd
import pytest

from causalgrok.analysis.mechanism import reference, summarise_mechanism
from causalgrok.analysis.white_gradients import diffusion_norm
from causalgrok.columns import COLUMNS, RUN

EPOCHS = [0, 1, 2, 4, 8, *range(10, 101, 10)]
STEPS_PER_EPOCH = 5
GROKFAST = {"decay": 0.98, "amplification": 2.0}


def recipe(name, weight_decay=0.0, grokfast=None, task="t", **changes):
    settings = {"task": task, "recipe": name, "normalisation": "batch", "learning_rate": 1e-3, "init_scale": 1.0}
    settings |= {"betas": [0.9, 0.999], "weight_decay": weight_decay, "grokfast": grokfast, "batch_size": 32}
    return settings | changes


def run_tables(name="plain", *, seed=0, norms=None, angle=0.1, train=None, loss=0.1, growth=0.0, alignment=math.nan):
    """Dynamics and metrics of a run; `norms` are functions of the epoch, the angle goes as `angle` / norm."""
    norms = norms or {"convolution": lambda epoch: 10 + 0 * epoch, "head": lambda epoch: 1 + 0 * epoch}
    epochs = np.array(EPOCHS, dtype=float)
    of_group = {group: function(epochs) for group, function in norms.items()}
    of_group["total"] = np.sqrt(sum(values**2 for values in of_group.values()))
    run = dict(zip(RUN, ("t", name, 10, seed), strict=True))
    dynamics = pd.concat(
        pd.DataFrame(
            {
                "epoch": EPOCHS,
                "step": epochs.astype(int) * STEPS_PER_EPOCH,
                "group": group,
                "scale_invariant": group == "convolution",
                "parameters": {"convolution": 5000, "head": 50}.get(group, 5050),
                "weight_norm": values,
                "angle_per_step": np.where(epochs > 0, angle / values, np.nan),
                "gradient_growth": np.where(epochs > 4, growth, -1.0),
                "grokfast_alignment": np.where(epochs > 4, alignment, np.nan),
                "grokfast_growth": np.where(epochs > 4, 2 * growth, np.nan),
            }
        )
        for group, values in of_group.items()
    )
    accuracy = train if train is not None else [0.5, 0.7, 0.8, 0.9] + [1.0] * (len(EPOCHS) - 4)
    metrics = pd.DataFrame({"epoch": EPOCHS, "split": "train", "loss": loss, "accuracy": accuracy})
    return dynamics.assign(**run), metrics.assign(**run)


def table(*runs, recipes):
    dynamics, metrics = (pd.concat(frames) for frames in zip(*runs, strict=True))
    frame = summarise_mechanism(dynamics, metrics, recipes)
    assert list(frame.columns) == [*RUN, *COLUMNS["mechanism"]]
    return frame.set_index(["recipe", "seed", "group"])


def test_growth_is_shared_out_in_squared_norm():
    norms = {
        "convolution": lambda epoch: 10 + 0.02 * epoch,
        "head": lambda epoch: np.where(epoch < 8, 1, 1 + epoch / 50),
    }
    frame = table(run_tables(norms=norms), recipes=[recipe("plain", 1e-2)]).loc["plain", 0]
    assert frame.loc["convolution", "growth"] == pytest.approx(12**2 - 10**2)
    assert frame.loc["head", "growth"] == pytest.approx(3**2 - 1)
    assert frame["head_share"].to_numpy() == pytest.approx(np.full(3, 8 / (44 + 8)))
    late_head, late_convolution = 9 - 1.16**2, 144 - 10.16**2
    assert frame["memorised_epoch"].unique() == [8]
    assert frame.loc["total", "head_share_late"] == pytest.approx(late_head / (late_head + late_convolution))
    assert frame["exposure"].unique() == pytest.approx([1e-3 * 1e-2 * 500])
    assert (frame["norm_lowest"] == frame["norm_initial"]).all()


def test_a_norm_that_shrinks_has_no_shares():
    norms = {"convolution": lambda epoch: 10 - 0.05 * epoch, "head": lambda epoch: 1 + epoch / 50}
    frame = table(run_tables(norms=norms), recipes=[recipe("plain")])
    assert frame[["head_share", "head_share_late"]].isna().all(axis=None)
    assert frame.loc[("plain", 0, "head"), "growth"] > 0


def test_nulls_are_those_of_the_recipe():
    runs = [run_tables("plain"), run_tables("filtered", alignment=0.3, growth=0.1)]
    frame = table(*runs, recipes=[recipe("plain", 0.1), recipe("filtered", 0.1, GROKFAST)])
    plain, filtered = frame.loc[("plain", 0, "convolution")], frame.loc[("filtered", 0, "convolution")]
    expected = diffusion_norm(10, 500, parameters=5000, learning_rate=1e-3, weight_decay=0.1)
    assert (
        plain["diffusion"] == plain["diffusion_persistent"] == filtered["diffusion"] == pytest.approx(float(expected))
    )
    assert filtered["diffusion_persistent"] > filtered["diffusion"]
    assert plain["decay_only"] == pytest.approx(10 * (1 - 1e-4) ** 500)
    assert (plain["persistence"], filtered["persistence"]) == (1, pytest.approx(8.03, abs=0.01))
    assert np.isnan(plain["grokfast_alignment"])
    # From memorisation, epoch 8, on: what was before is -1.
    assert filtered[["gradient_growth", "grokfast_alignment", "grokfast_growth"]].tolist() == pytest.approx(
        [0.1, 0.3, 0.2]
    )


def test_an_angle_of_adam_keeps_its_ratio_to_the_prediction():
    norms = {"convolution": lambda epoch: 10 + epoch, "head": lambda epoch: 1 + 0 * epoch}
    row = table(run_tables(norms=norms), recipes=[recipe("plain")]).loc[("plain", 0, "convolution")]
    assert row["norm_early"] == pytest.approx(10 + np.mean([10, 20]))
    assert row["norm_late"] == pytest.approx(10 + np.mean([90, 100]))
    assert row["angle_late"] == pytest.approx(np.mean([0.1 / 100, 0.1 / 110]))
    early, late = (row[f"angle_{when}"] / row[f"angle_predicted_{when}"] for when in ("early", "late"))
    assert early == pytest.approx(late)
    assert row["angle_predicted_late"] == pytest.approx(row["angle_late"] / 0.1 * 1e-3 * math.sqrt(5000 * 0.1 / 1.9))


def test_decay_that_acts_as_a_learning_rate_trades_norm_for_angle():
    halved = {"convolution": lambda epoch: np.where(epoch, 5.0, 10), "head": lambda epoch: 1 + 0 * epoch}
    runs = [run_tables("none"), run_tables("decay", norms=halved), run_tables("none", seed=1)]
    recipes = [recipe("none"), recipe("decay", 5), recipe("unlike", 0, init_scale=4), recipe("none", task="other")]
    frame = table(*runs, recipes=recipes)
    assert set(frame["reference"]) == {"none"}
    ratios = frame.loc[("decay", 0, "convolution"), ["angle_over_reference", "norm_over_reference"]]
    assert ratios.tolist() == pytest.approx([2, 0.5])
    assert frame.loc[("none", 1, "head"), "angle_over_reference"] == 1


def test_a_seed_or_recipe_without_a_counterpart_has_no_ratio():
    recipes = [recipe("none"), recipe("decay", 5), recipe("other", 1, GROKFAST)]
    runs = [run_tables("none"), run_tables("decay", seed=1), run_tables("other")]
    frame = table(*runs, recipes=recipes)
    assert np.isnan(frame.loc[("decay", 1, "head"), "angle_over_reference"])
    assert frame.loc[("other", 0, "head"), ["reference", "norm_over_reference"]].isna().all()
    known = {(settings["task"], settings["recipe"]): settings for settings in recipes}
    assert reference(known, "t", "decay") == reference(known, "t", "none") == "none"
    assert reference(known, "t", "other") is None


@pytest.mark.parametrize("diverging", ["loss", "norm"])
def test_a_run_that_diverged_says_when_and_nothing_else(diverging):
    blown = np.where(np.array(EPOCHS) >= 20, np.inf, 1.0)
    if diverging == "loss":
        chosen = run_tables(loss=blown)
    else:
        chosen = run_tables(norms={"convolution": lambda epoch: 10 * blown, "head": lambda epoch: 1 + 0 * epoch})
    frame = table(chosen, run_tables("decay"), recipes=[recipe("plain"), recipe("decay", 1)])
    row = frame.loc[("plain", 0, "convolution")]
    assert row["diverged_epoch"] == 20
    assert row[["norm_final", "growth", "head_share", "angle_early", "norm_late", "gradient_growth"]].isna().all()
    assert row["norm_initial"] == row["decay_only"] == 10
    assert np.isnan(frame.loc[("decay", 0, "convolution"), "diverged_epoch"])
    assert np.isnan(frame.loc[("decay", 0, "convolution"), "angle_over_reference"])


def test_a_run_that_never_memorises_has_no_late_growth():
    row = table(run_tables(train=0.6), recipes=[recipe("plain")]).loc[("plain", 0, "head")]
    assert row[["memorised_epoch", "growth_late", "head_share_late", "gradient_growth"]].isna().all()
    assert row["growth"] == 0


def test_a_run_whose_recipe_is_not_given_is_named():
    with pytest.raises(ValueError, match="run t/plain/10/0: its task and recipe are not among the settings given"):
        table(run_tables(), recipes=[recipe("other")])
