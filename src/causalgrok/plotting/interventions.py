"""How accuracy responds when the hospital's directions are removed from, or added to, the pooled features.

Decisive control: subspaces and directions that follow the covariance of the features. Isotropic ones are drawn dotted,
never decisive.
"""

import math

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from causalgrok.plotting import frames, style

_INTERVENTIONS = {
    "ablation": ("Subspace ablation", "fraction of the projection removed"),
    "steering": ("Activation steering", "shift alpha (standard deviations)"),
}
_KINDS = {"logistic": "target", "hospital": "target", "matched": "matched", "isotropic": "isotropic"}
_TARGET = {"linestyle": "-", "linewidth": style.THICK, "marker": "o", "markersize": 3.5, "markeredgewidth": 0}
_RUN = {"linewidth": 1.2, "marker": "o", "markersize": 2.5, "markeredgewidth": 0}
_UNDEFINED = (0, (1, 1))

UNDEFINED = 0.1
"""|cosine| below which the sign of a hospital direction is arbitrary, as in `causalgrok.interventions.steering`."""


@mpl.rc_context(style.CONTEXT)
def steering(subspace: pd.DataFrame, steering: pd.DataFrame, *, undefined: float = UNDEFINED) -> Figure:
    """Draw the mean response at the final checkpoint: ablation left, steering right, a row a held-out split.

    Args:
        subspace: the study table; the hospital classifier's full row space, in raw features and not centred as in the
            source, against matched and isotropic subspaces of equal rank.
        steering: the study table; the hospital direction at the pooled stage against matched and isotropic ones.
        undefined: cosine with the way to the OOD-validation hospital below which a direction's sign is arbitrary; such
            runs are left out of the mean, which would cancel their responses.
    """
    responses = _responses(subspace, steering)
    responses = responses[(responses["kind"] != "target") | ~(responses["cosine"].abs() < undefined)]
    palette = style.colours(responses["recipe"])
    banded = len(palette) <= style.BANDED
    rows = [
        (f"{style.SPLITS[split]}, {setting}", runs[runs["split"] == split])
        for setting, runs in frames.settings(responses).items()
        for split in reversed(frames.splits(runs))
    ]
    figure, axes = style.panels(len(rows), 2, height=2, share_y="row")
    for row, (place, runs) in zip(axes, rows, strict=True):
        for panel, (intervention, (title, label)) in zip(row, _INTERVENTIONS.items(), strict=True):
            shown = runs[runs["intervention"] == intervention]
            target, matched, isotropic = (shown[shown["kind"] == kind] for kind in dict.fromkeys(_KINDS.values()))
            if banded:
                style.control_range(panel, matched, "strength", palette)
            style.means(panel, isotropic, "strength", "accuracy", palette, shade=0, **style.SHOWN)
            style.means(panel, matched, "strength", "accuracy", palette, shade=0, **style.CONTROL)
            style.means(panel, target, "strength", "accuracy", palette, bars=True, **_TARGET)
            panel.set_title(f"{title}\n{place}")
            panel.set_xlabel(label)
            panel.set_ylabel("accuracy (fraction)" if panel is row[0] else "")
        style.bound(row[0], pd.concat([runs["accuracy"], *([runs["low"], runs["high"]] if banded else [])]))
    keys = [
        *style.recipe_keys(responses, palette),
        style.line_key("hospital subspace or direction", **_TARGET),
        *style.interval_key(responses, bars=True),
        style.line_key("matched control", **style.CONTROL),
        *([style.range_key("matched controls")] if banded else []),
        style.line_key("isotropic control, never decisive", **style.SHOWN),
    ]
    style.legend(figure, keys)
    return figure


@mpl.rc_context(style.CONTEXT)
def interventions_per_run(subspace: pd.DataFrame, steering: pd.DataFrame, *, undefined: float = UNDEFINED) -> Figure:
    """Draw every run's response on the test hospital: ablation above, steering below, a column a recipe.

    Args:
        subspace: the study table.
        steering: the study table.
        undefined: cosine with the way to the OOD-validation hospital below which a direction's sign is arbitrary.
    """
    responses = _responses(subspace, steering)
    shown = frames.splits(responses)[-1]
    responses = responses[responses["split"] == shown]
    # Seeds tell the runs apart where there is one training set; where there are several, those matter more.
    settings = frames.settings(responses)
    sequential = len(settings) > 1
    if sequential:
        responses = pd.concat([runs.assign(key=setting) for setting, runs in settings.items()])
    else:
        responses = responses.assign(key="seed " + responses["seed"].astype(str))
    names = list(dict.fromkeys(responses.sort_values(["task", "n", "seed"])["key"]))
    palette = dict(zip(names, style.shades(len(names), sequential=sequential), strict=True))

    recipes = sorted(set(responses["recipe"]))
    columns = min(len(recipes), 2)
    figure, axes = style.panels(2 * math.ceil(len(recipes) / columns), columns, height=2, share_y="row")
    for spare in axes[-2:, len(recipes) % columns or columns :].flat:
        spare.remove()
    for index, recipe in enumerate(recipes):
        block, column = divmod(index, columns)
        for offset, (intervention, (title, unit)) in enumerate(_INTERVENTIONS.items()):
            panel = axes[2 * block + offset, column]
            chosen = (responses["recipe"] == recipe) & (responses["intervention"] == intervention)
            _draw_runs(panel, responses[chosen], palette, undefined)
            panel.set_title(f"{title}\n{style.titled(recipe, responses[chosen])}")
            panel.set_xlabel(unit)
            panel.set_ylabel("" if column else f"accuracy (fraction),\n{style.SPLITS[shown]}")
    keys = [style.line_key(name, color=colour, linewidth=1.2) for name, colour in palette.items()]
    keys += [
        style.line_key("matched control, mean of a run", color=style.GREY, **_thin(style.CONTROL)),
        style.range_key("matched controls"),
        style.line_key("isotropic control, never decisive", color=style.GREY, **_thin(style.SHOWN)),
    ]
    if (responses.loc[responses["kind"] == "target", "cosine"].abs() < undefined).any():
        keys.append(style.line_key(f"sign undefined, |cosine| < {undefined:g}", linewidth=1.2, linestyle=_UNDEFINED))
    style.legend(figure, keys)
    return figure


def _responses(subspace: pd.DataFrame, steering: pd.DataFrame) -> pd.DataFrame:
    """Both tables in one form, at the final checkpoint: a row a run, intervention, kind, strength and split.

    `kind` is target, matched or isotropic. The repeats of a control have their mean in `accuracy` and their range in
    `low` and `high`; `cosine` is missing for ablation, which has no sign.
    """
    ablated = frames.select(
        subspace,
        "subspace",
        *("epoch", "rank", "strength", "accuracy"),
        split=frames.held_out(subspace),
        method=("logistic", "matched", "isotropic"),
        space=("raw",),
        centred=(False,),
    )
    ablated = frames.final(ablated)
    # The classifier's whole row space: its rank is that of the hospitals, at most one less than their number.
    of_classifier = ablated["rank"].where(ablated["method"] == "logistic")
    full = of_classifier.groupby([ablated[key] for key in frames.RUN_KEYS]).transform("max")
    ablated = ablated[ablated["rank"] == full].rename(columns={"method": "kind"})
    steered = frames.select(
        steering,
        "steering",
        *("epoch", "alpha", "accuracy", "cosine"),
        split=frames.held_out(steering),
        direction=("hospital", "matched", "isotropic"),
        stage=("pooled",),
    )
    steered = frames.final(steered).rename(columns={"direction": "kind", "alpha": "strength"})
    both = pd.concat([ablated.assign(intervention="ablation"), steered.assign(intervention="steering")])
    both["kind"] = both["kind"].map(_KINDS)
    by = ["split", "intervention", "kind", "strength"]
    cosines = both.groupby([*frames.RUN_KEYS, *by])["cosine"].mean()
    return frames.spread(both, by, "accuracy").join(cosines, on=[*frames.RUN_KEYS, *by])


def _draw_runs(axes: Axes, runs: pd.DataFrame, palette: dict[str, str], undefined: float) -> None:
    """A line a run, coloured by its key; its controls behind it: matched with their range, isotropic dotted."""
    for (key, _), run in runs.groupby(["key", "seed"]):
        colour, behind = palette[key], {"color": palette[key], "zorder": 1}
        target, matched, isotropic = (run[run["kind"] == kind] for kind in dict.fromkeys(_KINDS.values()))
        axes.fill_between(
            *(matched[column] for column in ("strength", "low", "high")), color=colour, alpha=0.1, linewidth=0, zorder=0
        )
        axes.plot(matched["strength"], matched["accuracy"], **_thin(style.CONTROL), **behind)
        axes.plot(isotropic["strength"], isotropic["accuracy"], **_thin(style.SHOWN), **behind)
        undirected = (target["cosine"].abs() < undefined).any()
        line = _RUN | {"color": colour, "linestyle": _UNDEFINED if undirected else "-"}
        axes.plot(target["strength"], target["accuracy"], **line)


def _thin(line: dict[str, object]) -> dict[str, object]:
    """A control's line for one run: thin, without markers."""
    return {"linestyle": line["linestyle"], "linewidth": style.THIN}
