"""A study to explore: synthetic tables, claims about them, and patches."""

import numpy as np
import pandas as pd
from synthetic_study import study_tables

from causalgrok.columns import COLUMNS
from causalgrok.data.splits import Split
from causalgrok.explorer.gallery import gallery
from causalgrok.explorer.page import explorer_page
from causalgrok.explorer.panels import TABLES
from causalgrok.explorer.reduction import reduce_table

NASTY = '</script><script>alert("&")</script><b>bold</b>'
"""A recipe, as somebody else's folders may name one."""

RUN = "camelyon17/standard/n300/seed0"
OTHER = f"camelyon17/{NASTY}/n300/seed0"

PLAIN = ("metrics", "dynamics", "geometry", "outcomes")
"""Tables of a study without hospitals."""


def tables() -> dict[str, pd.DataFrame]:
    """Two recipes, two seeds, one size; one of the recipes has a hostile name."""
    return study_tables(recipes=("standard", NASTY), seeds=(0, 1), sizes=(300,)) | {"claims": claims()}


def claim(**changes) -> dict:
    """A row of the table `claims`."""
    numbers = {"threshold": 0.0, "margin": np.nan, "observed": 0.5, "low": 0.4, "high": 0.6, "level": 0.95}
    numbers |= {"p": 0.01, "p_holm": 0.02, "smallest_p": 0.002, "smallest_p_holm": 0.004, "alpha": 0.05, "runs": 2}
    fixed = {"scope": "analogue", "verdict": "supported", "direction": "above", "family": "f", "source": "s0"}
    traced = {"traced": f"results/runs/{RUN}: 0.25\nresults/runs/{OTHER}: 0.5"}
    return dict.fromkeys(COLUMNS["claims"], "text") | numbers | fixed | traced | changes


def claims() -> pd.DataFrame:
    """Three claims, measured on a curve, on a summary and on probes at a checkpoint."""
    probed = "stage == 'pooled' and target == 'tumour' and control == 'none'"
    tested = "split == 'ood_val' and checkpoint == 'final' and probe == 'steering' and measure == 'flip_fraction'"
    rows = (
        claim(claim="curve", tables="metrics.auroc where split == 'ood_test' at epoch 16", sentence=NASTY),
        claim(claim="summary", tables="outcomes.decline, of runs where n the largest"),
        claim(
            claim="probe", tables=f"probing.accuracy where {probed} at first - probing.chance where {probed} at first"
        ),
        claim(claim="verdict", tables=f"verdicts.p where {tested} and control == 'matched' at or below 0.05"),
    )
    return pd.DataFrame(rows, columns=list(COLUMNS["claims"]))


def splits() -> dict[str, Split]:
    """Patches of two hospitals and both labels."""
    index = np.arange(16)
    images = np.random.default_rng(0).integers(0, 255, (16, 8, 8, 3), dtype=np.uint8)
    split = Split(images, index % 2, index % 4 // 2, index // 4, index)
    return {"id_val": split[split.domains == 0], "ood_test": split[split.domains == 1]}


def reduced(tables: dict[str, pd.DataFrame], names=TABLES) -> dict[str, pd.DataFrame]:
    """What panels draw of the tables with these names."""
    found = [reduce_table(name, tables[name]) for name in names if name in tables and name != "checkpoints"]
    return {name: rows for table in found for name, rows in table.items()}


def page(tables: dict[str, pd.DataFrame]) -> str:
    """The page of a study with all that there is."""
    return explorer_page(
        reduced(tables),
        study="demo",
        description=NASTY,
        checkpoints=tables["checkpoints"],
        claims=tables["claims"],
        titles={"sources": {"s0": NASTY}, "families": {"f": "Why?"}},
        patches=gallery({"tissue": splits()}),
    )
