"""Which probes find more than their hard controls do, run by run."""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from causalgrok.interventions.features import ALL_STAGES
from causalgrok.plotting import frames, style

_PROBES = {"steering": "Steering", "subspace": "Ablation", "neurons": "Neurons"}
_TARGETS = ("logistic", "shrunken_mean", "leace", "inlp", "hospital", "hospital_f", "hospital_auroc")
_COLUMN = ["probe", "stage", "target", "measure"]
_MAP = "viridis"
_LEVEL = 0.05
_UNDEFINED = {"linestyle": "", "marker": "x", "markersize": 4, "markeredgewidth": 0.8}


@mpl.rc_context(style.CONTEXT)
def verdicts(verdicts: pd.DataFrame, *, k: int = 64) -> Figure:
    """Draw the percentile of every probe among the controls of its hardest decisive control, a row a run.

    Args:
        verdicts: the study table: flip fractions, and the monotony of steering, at the final checkpoint on the last
            held-out split. Of several sizes the largest is drawn, for neurons that nearest to `k`.
        k: number of channels taken out.
    """
    if verdicts.empty:
        return style.empty("No probe has a control at a named checkpoint.")
    cells = _cells(verdicts, k)
    probes = {probe: group for probe in _PROBES if not (group := cells[cells["probe"] == probe]).empty}
    runs = cells[frames.RUN_KEYS].drop_duplicates().sort_values(["task", "n", "recipe", "seed"])
    places = {run: place for place, run in enumerate(runs.itertuples(index=False, name=None))}
    widths = [group[_COLUMN].drop_duplicates().shape[0] for group in probes.values()]
    wide = max(style.ONE_COLUMN, min(style.TWO_COLUMNS, 2.2 + 0.28 * sum(widths)))
    figure = Figure(figsize=(wide, 1.7 + max(0.16 * len(places), 0.9)), layout="constrained")
    axes = figure.subplots(1, len(probes), squeeze=False, width_ratios=widths)[0]
    for panel, (probe, group) in zip(axes, probes.items(), strict=True):
        _draw_cells(panel, group, places)
        panel.set_title(_PROBES[probe])
        panel.set_yticks(range(len(places)), _names(runs) if panel is axes[0] else [""] * len(places))
    for name, colour in style.colours(runs["recipe"]).items():
        for label, recipe in zip(axes[0].get_yticklabels(), runs["recipe"], strict=True):
            if recipe == name:
                label.set_color(colour)
    colourbar = figure.colorbar(ScalarMappable(Normalize(0, 1), _MAP), ax=axes, pad=0.02, fraction=0.05, shrink=0.9)
    colourbar.set_label("percentile\namong controls")
    colourbar.outline.set_visible(False)
    ring = {"linestyle": "", "marker": "o", "markersize": 6.5, "markerfacecolor": "white"}
    keys = [
        style.line_key(f"p at most {_LEVEL:g} against every decisive control", **ring, color="black"),
        style.line_key("p above it", **ring | {"markersize": 5}, markeredgewidth=0.4),
    ]
    if cells["percentile"].isna().any():
        keys.append(style.line_key("undefined", **_UNDEFINED))
    style.legend(figure, keys)
    return figure


def _cells(verdicts: pd.DataFrame, k: int) -> pd.DataFrame:
    """A row a run and column of the figure: the lowest percentile and highest p over the decisive controls."""
    table = frames.select(
        verdicts,
        "verdicts",
        *("epoch", "stage", "target", "size", "percentile", "p"),
        checkpoint=frames.NAMED,
        probe=_PROBES,
        measure=("flip_fraction", "monotone"),
        decisive=(True,),
        split=frames.one_split(verdicts),
    )
    table, _ = frames.latest(table)
    away = (table["size"] - k).abs().where(table["probe"] == "neurons", -table["size"])
    nearest = away.groupby([table[column] for column in [*frames.RUN_KEYS, *_COLUMN]]).transform("min")
    table = table[away == nearest]
    return table.groupby([*frames.RUN_KEYS, *_COLUMN], as_index=False).agg({"percentile": "min", "p": "max"})


def _names(runs: pd.DataFrame) -> list[str]:
    """A run's label: its recipe and seed, with task and n where there are several."""
    several = {column: runs[column].nunique() > 1 for column in ("task", "n")}
    return [
        ", ".join(
            [
                *([run.task] if several["task"] else []),
                run.recipe,
                *([f"n {run.n}"] if several["n"] else []),
                f"seed {run.seed}",
            ]
        )
        for run in runs.itertuples()
    ]


def _draw_cells(axes: Axes, cells: pd.DataFrame, places: dict[tuple, int]) -> None:
    """A dot a cell, dark where the probe does not exceed its controls, ringed where it does so beyond chance.

    A cell without a value, as monotony is where the direction is undefined, has a cross.
    """
    columns = cells[_COLUMN].drop_duplicates()
    # A target of neurons also says what the channels are set to: "hospital, zero".
    order = {name: place for place, name in enumerate([*ALL_STAGES, *_TARGETS])}
    columns = columns.sort_values(
        ["stage", "target", "measure"], key=lambda names: names.str.split(", ").str[0].map(order).fillna(-1)
    ).reset_index(drop=True)
    across = cells.merge(columns.reset_index(names="column"))
    down = [places[run] for run in across[frames.RUN_KEYS].itertuples(index=False, name=None)]
    across = across.assign(row=down)
    undefined = across["percentile"].isna()
    axes.plot(across.loc[undefined, "column"], across.loc[undefined, "row"], **_UNDEFINED, color=style.GREY)
    across = across[~undefined]
    beyond = across["p"] <= _LEVEL
    axes.scatter(
        across["column"],
        across["row"],
        c=across["percentile"],
        cmap=_MAP,
        norm=Normalize(0, 1),
        s=beyond.map({True: 40, False: 26}),
        edgecolors=beyond.map({True: "black", False: style.GREY}),
        linewidths=beyond.map({True: 1.2, False: 0.4}),
    )
    axes.set_xticks(range(len(columns)), [_column_name(column) for column in columns.itertuples()], rotation=90)
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def _column_name(column: tuple) -> str:
    name = column.stage if column.probe == "steering" else column.target.replace("_", " ")
    return f"{name}, monotone" if column.measure == "monotone" else name
