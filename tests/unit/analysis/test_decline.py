"""A planted fall is measured with its interval over slides; none is not."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from causalgrok.analysis.decline import summarise_decline
from causalgrok.columns import COLUMNS, RUN

NAMES = dict(zip(RUN, ("t", "standard", 10, 0), strict=True))
EPOCHS = [0, 4, 10, 20, 30, 40, 50, 60, 70, 80]
SLIDES = 10


def slides(fall: float = 0.0, spread: float = 0.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    level, own = 0.7 + 0.05 * rng.standard_normal(SLIDES), fall + spread * rng.standard_normal(SLIDES)
    rows = []
    for epoch in EPOCHS:
        for slide in range(SLIDES):
            accuracy = level[slide] - own[slide] * (epoch >= 50)
            where = {"split": "ood_test", "hospital": 2, "slide": slide, "images": 20}
            rows.append(NAMES | {"epoch": epoch, **where, "accuracy": accuracy})
    return pd.DataFrame(rows)


def named(epoch: int | None = 10) -> pd.DataFrame:
    rows = [{"name": "init", "epoch": 0}] + ([{"name": "memorised", "epoch": epoch}] if epoch is not None else [])
    return pd.DataFrame([NAMES | row for row in rows])


def test_a_planted_fall_has_the_t_interval_of_its_slides():
    table = slides(0.1, 0.03)
    row = summarise_decline(table, named()).iloc[0]
    curves = table.pivot(index="epoch", columns="slide", values="accuracy")
    falls = curves.loc[[10, 20]].mean() - curves.loc[[70, 80]].mean()
    interval = stats.t.interval(0.95, SLIDES - 1, falls.mean(), stats.sem(falls))
    assert (row["decline"], row["low"], row["high"]) == pytest.approx((falls.mean(), *interval))
    assert row["low"] > 0 and row["slides"] == SLIDES
    assert (row["first_epoch"], row["last_epoch"]) == (10, 80)
    assert list(summarise_decline(table, named()).columns) == [*RUN, *COLUMNS["decline"]]


def test_intervals_over_slides_cover_no_fall_as_often_as_promised():
    found = [summarise_decline(slides(0.0, 0.03, seed), named()).iloc[0] for seed in range(100)]
    outside = sum(row["low"] > 0 or row["high"] < 0 for row in found)
    assert outside <= stats.binom.ppf(0.999, 100, 0.05)


def test_a_run_that_never_memorised_or_has_one_checkpoint_since_says_nothing():
    assert summarise_decline(slides(), named(None)).empty
    assert summarise_decline(slides(), named(80)).empty
    assert len(summarise_decline(slides(), named(70))) == 1
