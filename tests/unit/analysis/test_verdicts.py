import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from causalgrok.analysis.verdicts import summarise_verdicts, verdict_of
from causalgrok.columns import COLUMNS, RUN

ALPHAS = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]
PLAIN = [0.8] * 7


def run(seed: int = 0) -> dict[str, object]:
    return {"task": "t", "recipe": "grokking", "n": 10, "seed": seed}


def table(name: str, rows: list[dict]) -> pd.DataFrame:
    """A study table with the rows' columns and something in the others."""
    defaults = {"epoch": 5, "repeat": 0, "split": "ood_test", "accuracy": 0.8, "auroc": 0.9, "flip_fraction": 0.0}
    columns = [*RUN, *COLUMNS[name]]
    return pd.DataFrame([run() | defaults | row for row in rows], columns=columns)


def steered(direction, *, repeat=0, accuracy=PLAIN, auroc=None, flips=(0, 0), stage="pooled", cosine=0.5, **more):
    """Rows over the seven alphas; flips at -3 and 3."""
    auroc = auroc if auroc is not None else [0.9] * 7
    flips = [flips[0], *[0] * 5, flips[1]]
    return [
        {
            "direction": direction,
            "repeat": repeat,
            "stage": stage,
            "cosine": cosine,
            "alpha": alpha,
            "accuracy": one,
            "auroc": area,
            "flip_fraction": flip,
        }
        | more
        for alpha, one, area, flip in zip(ALPHAS, accuracy, auroc, flips, strict=True)
    ]


def ablated(method, *, repeat=0, rank=2, strength=1.0, centred=False, space="raw", **scores):
    return {
        "method": method,
        "repeat": repeat,
        "rank": rank,
        "strength": strength,
        "centred": centred,
        "space": space,
    } | scores


def silenced(selection, *, repeat=0, k=4, mode="zero", **scores):
    return {"selection": selection, "repeat": repeat, "k": k, "mode": mode} | scores


def summarise(*, steering=(), subspace=(), neurons=(), names=("final",), epoch=5, runs=(0,)) -> pd.DataFrame:
    rows = [run(seed) | {"name": name, "epoch": epoch} for name in names for seed in runs]
    tables = {"steering": steering, "subspace": subspace, "neurons": neurons}
    return summarise_verdicts(pd.DataFrame(rows), **{name: table(name, list(rows)) for name, rows in tables.items()})


def only(frame: pd.DataFrame, **where) -> pd.Series:
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_a_verdict_by_hand():
    verdict = verdict_of(0.3, [0.1, 0.3, 0.3, 0.5])
    assert verdict.percentile == (1 + 2 / 2) / 4
    assert verdict.p == (1 + 3) / 5
    assert verdict.smallest_p == 1 / 5
    assert verdict_of(0.6, [0.1, 0.3, 0.3, 0.5]).p == 1 / 5
    assert verdict_of(0.6, [0.1, 0.3, 0.3, 0.5]).percentile == 1
    assert verdict_of(0.0, [0.1, 0.3]).percentile == 0
    assert verdict_of(0.0, [0.1, 0.3]).p == 1


def test_rounding_does_not_untie():
    assert verdict_of(0.1 + 0.2, [0.3]).percentile == 0.5


def test_missing_values_and_controls():
    verdict = verdict_of(np.array([0.5, np.nan, 0.5]), np.array([[0.4, np.nan], [0.4, 0.6], [np.nan, np.nan]]))
    np.testing.assert_array_equal(verdict.percentile, [1, np.nan, np.nan])
    np.testing.assert_array_equal(verdict.p, [0.5, np.nan, 1])
    np.testing.assert_array_equal(verdict.smallest_p, [1 / 2, 1 / 3, 1])


def test_p_is_uniform_where_the_target_is_one_of_its_controls():
    draws = np.random.default_rng(0).standard_normal((4000, 20))
    p = verdict_of(draws[:, 0], draws[:, 1:]).p
    for level in (0.05, 0.25, 0.5):
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * (level * (1 - level) / 4000) ** 0.5)


def test_flips_at_the_largest_alpha_are_averaged_over_both_signs():
    rows = steered("hospital", flips=(0.1, 0.5)) + steered("isotropic", flips=(0, 0)) + steered("bias", flips=(1, 1))
    for repeat, flip in enumerate((0.1, 0.2, 0.5)):
        rows += steered("permuted", repeat=repeat, flips=(flip, flip))
    frame = summarise(steering=rows)
    assert list(frame.columns) == [*RUN, *COLUMNS["verdicts"]]
    verdict = only(frame, measure="flip_fraction", control="permuted")
    assert verdict["value"] == pytest.approx(0.3)
    assert verdict["controls"] == 3
    assert verdict["control_median"] == 0.2
    assert verdict["percentile"] == pytest.approx(2 / 3)
    assert verdict["p"] == pytest.approx(2 / 4)
    assert verdict["smallest_p"] == pytest.approx(1 / 4)
    assert verdict["decisive"] and verdict["size"] == 3 and verdict["target"] == "hospital"
    assert not only(frame, measure="flip_fraction", control="isotropic")["decisive"]
    assert set(frame["control"]) == {"permuted", "isotropic"}


def test_auroc_drop_is_a_matter_of_the_stages_before_pooling():
    areas = [0.6, 0.7, 0.8, 0.9, 0.8, 0.7, 0.7]
    rows = []
    for stage in ("layer2", "pooled"):
        rows += steered("hospital", stage=stage, auroc=areas)
        rows += [row for row in steered("matched", stage=stage) if abs(row["alpha"]) == 3]
    frame = summarise(steering=rows)
    verdict = only(frame, measure="auroc_drop")
    assert verdict["stage"] == "layer2"
    assert verdict["value"] == pytest.approx(0.25)
    assert verdict["control_median"] == pytest.approx(0)
    assert "monotone" not in set(frame["measure"]), "no control was steered by every alpha"


def test_monotone_is_the_absolute_rank_correlation():
    falling, bent = [0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], [0.5, 0.6, 0.7, 0.8, 0.75, 0.65, 0.55]
    rows = steered("hospital", accuracy=falling)
    for repeat, curve in enumerate((bent, PLAIN, falling[::-1])):
        rows += steered("matched", repeat=repeat, accuracy=curve, cosine=0.01)
    verdict = only(summarise(steering=rows), measure="monotone")
    assert verdict["value"] == pytest.approx(1)
    assert verdict["percentile"] == pytest.approx(2.5 / 3), "a constant curve counts 0, a rising one ties"
    assert verdict["control_median"] == pytest.approx(abs(spearmanr(ALPHAS, bent).statistic))


def test_an_undefined_direction_is_not_monotone_but_flips():
    rows = steered("hospital", accuracy=ALPHAS, cosine=0.05, flips=(1, 1)) + steered("matched")
    frame = summarise(steering=rows)
    verdict = only(frame, measure="monotone")
    assert np.isnan(verdict["value"]) and np.isnan(verdict["percentile"]) and np.isnan(verdict["p"])
    assert only(frame, measure="flip_fraction")["value"] == 1


def test_subspaces_are_judged_at_full_rank_and_strength_against_their_own_way():
    rows = [
        ablated("logistic", strength=0.0, accuracy=0.9, auroc=0.95),
        ablated("logistic", accuracy=0.6, auroc=0.85, flip_fraction=0.4),
        ablated("logistic", rank=1, accuracy=0.1),
        ablated("logistic", strength=0.5, accuracy=0.1),
        ablated("logistic", centred=True, accuracy=0.1),
        ablated("logistic", space="scaled", accuracy=0.1),
        ablated("permuted", accuracy=0.7, auroc=0.8),
        ablated("permuted", rank=1, accuracy=0.1),
        ablated("permuted", centred=True, accuracy=0.1),
        ablated("permuted_mean", accuracy=0.2),
        ablated("mean_difference", accuracy=0.1),
        ablated("shrunken_mean", accuracy=0.7),
        ablated("leace", centred=True, accuracy=0.8),
        ablated("permuted_leace", centred=True, accuracy=0.5),
        ablated("inlp", rank=2, accuracy=0.3),
        ablated("inlp", rank=8, accuracy=0.1),
    ]
    frame = summarise(subspace=rows)
    logistic = only(frame, target="logistic", measure="accuracy_drop")
    assert logistic["value"] == pytest.approx(0.3)
    assert logistic["control"] == "permuted" and logistic["controls"] == 1
    assert logistic["control_median"] == pytest.approx(0.2)
    assert logistic["size"] == 2 and logistic["stage"] == "pooled"
    assert only(frame, target="logistic", measure="auroc_drop")["value"] == pytest.approx(0.1)
    assert only(frame, target="logistic", measure="auroc_drop")["percentile"] == 0
    assert only(frame, target="logistic", measure="flip_fraction")["value"] == 0.4
    leace = only(frame, target="leace", measure="accuracy_drop")
    assert leace["value"] == pytest.approx(0.1) and leace["control_median"] == pytest.approx(0.4)
    shrunken = only(frame, target="shrunken_mean", measure="accuracy_drop")
    assert shrunken["value"] == pytest.approx(0.2) and shrunken["control_median"] == pytest.approx(0.7)
    assert "mean_difference" not in set(frame["target"])
    inlp = only(frame, target="inlp", measure="accuracy_drop")
    assert inlp["value"] == pytest.approx(0.6) and inlp["control_median"] == pytest.approx(0.2)
    assert len(frame) == 12


def test_neurons_are_judged_per_selection_mode_and_count():
    rows = [silenced(name, k=0, accuracy=0.9) for name in ("hospital", "random")]
    for mode, lost in (("zero", 0.4), ("mean", 0.1)):
        rows.append(silenced("hospital", mode=mode, accuracy=0.9 - lost))
        rows.append(silenced("hospital_f", mode=mode, accuracy=0.9))
        rows += [silenced("matched", mode=mode, repeat=i, accuracy=0.9 - 0.1 * i) for i in range(4)]
        rows += [silenced("matched_f", mode=mode, repeat=i, accuracy=0.2) for i in range(4)]
        rows.append(silenced("random", mode=mode, accuracy=0.9))
    rows.append(silenced("hospital", k=8, accuracy=0.1))
    frame = summarise(neurons=rows)
    drops = frame[frame["measure"] == "accuracy_drop"]
    zero = only(drops, target="hospital, zero", control="matched")
    assert zero["value"] == pytest.approx(0.4) and zero["percentile"] == 1 and zero["p"] == pytest.approx(1 / 5)
    assert zero["size"] == 4 and zero["decisive"]
    mean = only(drops, target="hospital, mean", control="matched")
    assert mean["value"] == pytest.approx(0.1) and mean["percentile"] == pytest.approx(1.5 / 4)
    assert only(drops, target="hospital_f, zero", control="matched")["percentile"] == 0, "its own matched draws"
    assert not only(drops, target="hospital, zero", control="random")["decisive"]
    assert 8 not in set(frame["size"]), "which has no control"


def test_shrunken_channels_are_compared_with_their_refits_alone():
    rows = [silenced("hospital", k=k, mode="shrunken", accuracy=0.9 - k / 10) for k in (0, 4)]
    rows += [silenced("permuted", mode="shrunken", repeat=i, accuracy=0.9) for i in range(3)]
    rows += [silenced(name, mode="zero", accuracy=0.1) for name in ("matched", "random", "permuted")]
    frame = summarise(neurons=rows)
    drop = frame[frame["measure"] == "accuracy_drop"]
    assert drop["target"].tolist() == ["hospital, shrunken"] and drop["control"].tolist() == ["permuted"]
    assert drop["value"].item() == pytest.approx(0.4) and drop["p"].item() == pytest.approx(1 / 4)


def test_only_named_checkpoints_are_judged_and_one_epoch_may_have_two_names():
    rows = [silenced(name, epoch=epoch) for name in ("hospital", "matched") for epoch in (0, 5, 10)]
    frame = summarise(neurons=rows, names=("selected", "final"))
    flips = frame[frame["measure"] == "flip_fraction"]
    assert list(zip(flips["epoch"], flips["checkpoint"], strict=True)) == [(5, "selected"), (5, "final")]
    assert set(frame["measure"]) == {"flip_fraction"}, "without k = 0 nothing says what was lost"


def test_runs_and_splits_are_judged_by_themselves():
    rows = []
    for seed in (0, 1):
        for split in ("ood_val", "ood_test"):
            flips = 0.1 * (1 + seed) + (split == "ood_val")
            rows.append(silenced("hospital", flip_fraction=flips, split=split, **run(seed)))
            rows.append(silenced("matched", flip_fraction=10 * flips, split=split, **run(seed)))
    frame = summarise(neurons=rows, runs=(0, 1))
    values = frame.set_index(["seed", "split"])["value"].to_dict()
    assert values == pytest.approx(
        {(0, "ood_val"): 1.1, (0, "ood_test"): 0.1, (1, "ood_val"): 1.2, (1, "ood_test"): 0.2}
    )
    np.testing.assert_allclose(frame["control_median"], 10 * frame["value"])


def test_nothing_measured_gives_an_empty_table():
    frame = summarise()
    assert frame.empty and list(frame.columns) == [*RUN, *COLUMNS["verdicts"]]
