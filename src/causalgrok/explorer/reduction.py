"""From a study table to the rows that panels draw.

Repeats of a control are averaged within a run: `<measure>` is their mean, `<measure>_low` and `<measure>_high` their
2.5th and 97.5th percentile, as in the figures; both are missing where there is one repeat. Nothing else is averaged but
what a panel's heading says.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from causalgrok.explorer.panels import ANY, CONCENTRATION, PANELS, SCORES, STEERED
from causalgrok.plotting.frames import RUN_KEYS

_ERASERS = ("logistic", "mean_difference", "shrunken_mean", "leace", "inlp")
_REFITTED = {"permuted": "logistic", "permuted_mean": "shrunken_mean", "permuted_leace": "leace"}
_EPOCH = [*RUN_KEYS, "epoch"]


def reduce_table(table: str, frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of one study table that panels draw.

    Args:
        table: its name.
        frame: the table.

    Returns:
        Name of the reduced rows (`Panel.rows`) -> rows with the columns of `RUN` in front; none for a table that no
        panel is made from, or whose rows no panel draws.
    """
    names = dict.fromkeys(panel.rows for panel in PANELS.values() if panel.table == table)
    reduced = {name: _REDUCTIONS[name](frame) for name in names} if len(frame) else {}
    return {name: rows for name, rows in reduced.items() if len(rows)}


def averaged(frame: pd.DataFrame, by: Sequence[str], measures: Sequence[str]) -> pd.DataFrame:
    """One row a run and value of `by`: the mean of each measure over repeats, and the range of several."""
    keys = [*RUN_KEYS, *by]
    measures = [measure for measure in measures if measure in frame]
    size = frame.groupby(keys, dropna=False)[measures[0]].transform("size")
    mean = frame.groupby(keys, dropna=False)[measures].mean()
    several = frame[size > 1].groupby(keys, dropna=False)[measures]
    ends = [several.quantile(part).add_suffix(end) for part, end in ((0.025, "_low"), (0.975, "_high"))]
    return mean.join(ends).reset_index()


def _columns(*columns: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A reduction that keeps columns, those of them that a table has."""
    return lambda frame: frame[[column for column in (*RUN_KEYS, *columns) if column in frame]]


def _probing(probing: pd.DataFrame) -> pd.DataFrame:
    decoded = probing["target"].where(probing["control"] == "none", probing["control"])
    # Tumour is never permuted; a control of another target would be no control of what is drawn.
    kept = (probing["control"] == "none") | (probing["target"] == "hospital")
    rows = probing.assign(decoded=decoded, above_chance=probing["accuracy"] - probing["chance"])[kept]
    return averaged(rows, ["epoch", "stage", "decoded"], ["accuracy", "above_chance"])


def _ablation(subspace: pd.DataFrame) -> pd.DataFrame:
    """The classifier's whole row space in raw features, not centred but for LEACE, against its own controls."""
    of_classifier = subspace["rank"].where(subspace["method"] == "logistic")
    full = of_classifier.groupby([subspace[key] for key in RUN_KEYS]).transform("max")
    leace = subspace["method"].str.contains("leace")
    rows = subspace[
        (subspace["rank"] == full)
        & (subspace["space"] == "raw")
        & (subspace["centred"] == leace)
        & (subspace["split"] != "train")
    ]
    method = rows["method"]
    rows = rows.assign(
        eraser=method.where(method.isin(_ERASERS), method.map(_REFITTED)).fillna(ANY),
        line=method.mask(method.isin(_ERASERS), "removed").mask(method.isin(list(_REFITTED)), "permuted"),
    )
    return averaged(rows, ["epoch", "eraser", "line", "split", "strength"], list(SCORES))


def _erasure(erasure: pd.DataFrame) -> pd.DataFrame:
    """Every method at the rank nearest to the classifier's: in raw features and not centred where measured so."""
    full = erasure["rank"].where(erasure["method"] == "logistic").max()
    cases = erasure[["method", "space", "centred", "rank"]].drop_duplicates()
    away = (cases["rank"] - full).abs() if pd.notna(full) else -cases["rank"]
    ordered = cases.assign(scaled=cases["space"] != "raw", away=away).sort_values(["scaled", "centred", "away"])
    chosen = ordered.groupby("method").head(1)[["method", "space", "centred", "rank"]]
    rows = averaged(erasure.merge(chosen), ["epoch", "method", "rank", "target", "probe"], ["accuracy", "chance"])
    return rows.drop(columns=["chance_low", "chance_high"])


def _steering(steering: pd.DataFrame) -> pd.DataFrame:
    rows = steering[steering["split"] != "train"]
    return averaged(rows, ["epoch", "stage", "direction", "split", "alpha"], list(STEERED))


def _steering_stages(steering: pd.DataFrame) -> pd.DataFrame:
    """Each measure at the largest |alpha|, mean of both signs; all but the flip fraction less what it was at 0."""
    changes = [measure for measure in STEERED if measure not in ("flip_fraction", "logit_shift")]
    rows = steering[(steering["split"] != "train") & (steering["direction"] != "bias")]
    at = [*_EPOCH, "stage", "split"]
    itself = rows[(rows["alpha"] == 0) & (rows["direction"] == "hospital")]
    itself = itself.groupby(at)[changes].mean()
    strength = rows["alpha"].abs()
    strongest = rows[strength == strength.groupby([rows[key] for key in RUN_KEYS]).transform("max")]
    measures = ["flip_fraction", *changes]
    pushed = strongest.groupby([*at, "direction", "repeat"])[measures].mean()
    pushed[changes] -= itself.reindex(pushed.droplevel(["direction", "repeat"]).index).to_numpy()
    return averaged(pushed.reset_index(), ["epoch", "stage", "direction", "split"], measures)


def _neurons(neurons: pd.DataFrame) -> pd.DataFrame:
    """Selections with the controls that belong to each; tumour-selective and random ones belong to all."""
    rows = neurons[neurons["split"] != "train"]
    kind, _, suffix = (rows["selection"].str.partition("_")[part] for part in range(3))
    selector = ("hospital_" + suffix).where(suffix != "", "hospital").where(~kind.isin(["tumour", "random"]), ANY)
    rows = rows.assign(selector=selector, line=kind)
    return averaged(rows, ["epoch", "selector", "mode", "line", "split", "k"], list(SCORES))


def _counterfactual(counterfactual: pd.DataFrame) -> pd.DataFrame:
    rows = counterfactual[counterfactual["moved"] > 0]
    return rows.groupby([*_EPOCH, "method", "split"], as_index=False)[["flip_fraction", "accuracy"]].mean()


def _concentration(concentration: pd.DataFrame) -> pd.DataFrame:
    """A column a measure: a line of what was measured, with its interval, and one of its median under permutation."""
    known = concentration[concentration["measure"].isin(list(CONCENTRATION))]
    wide = {end: known.pivot(index=_EPOCH, columns="measure", values=end) for end in ("value", "low", "high", "null")}
    ends = [wide[end].add_suffix(f"_{end}") for end in ("low", "high")]
    measured = wide["value"].join(ends).assign(line="measured")
    rows = pd.concat([measured.reset_index(), wide["null"].assign(line="permuted").reset_index()])
    return rows[[*_EPOCH, "line", *(column for column in rows if column not in {*_EPOCH, "line"})]]


def _verdicts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """What is tested in words: the stage that is steered, the subspace and its rank, the channels and their number."""
    size = verdicts["size"].astype(int).astype(str)
    what = verdicts["stage"].where(
        verdicts["probe"] == "steering",
        verdicts["target"] + np.where(verdicts["probe"] == "neurons", ", K = ", ", rank ") + size,
    )
    keys = [*_EPOCH, "probe", "what", "split", "measure", "control"]
    rows = verdicts[verdicts["split"] != "train"].assign(what=what)
    # Of two names of one checkpoint one is enough.
    rows = rows[[*keys, "controls", "value", "control_median", "percentile", "p", "smallest_p", "decisive"]]
    return rows.drop_duplicates(keys)


_REDUCTIONS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "training": _columns("epoch", "step", "split", *PANELS["training"].measures),
    "weights": _columns("epoch", "step", "group", *PANELS["weights"].measures),
    "geometry": _columns("epoch", "split", *PANELS["geometry"].measures),
    "concentration": _concentration,
    "probing": _probing,
    "ablation": _ablation,
    "erasure": _erasure,
    "steering_stages": _steering_stages,
    "steering": _steering,
    "neurons": _neurons,
    "counterfactual": _counterfactual,
    "counterfactual_hospitals": _columns(
        *("epoch", "method", "split", "target_hospital", "images", "moved"),
        *PANELS["counterfactual_hospitals"].measures,
    ),
    "renormalisation": _columns("epoch", "split", "statistics", *SCORES),
    "verdicts": _verdicts,
    "outcome": lambda outcomes: outcomes,
    "mechanism": lambda mechanism: mechanism,
}
