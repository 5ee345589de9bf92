"""What the explorer draws: a declaration a panel, which the page's script reads; a new panel is one more `Panel`.

Importing this module imports neither pandas nor matplotlib, so a workflow can read it at no cost.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ASSETS = tuple(Path(__file__).with_name(name) for name in ("explorer.css", "explorer.js"))
"""The page's style and script."""

Kind = Literal["course", "response", "grid", "facts"]

ANY = ""
"""Value of a choice's column in rows that are drawn whatever is chosen: a control that all targets share."""


@dataclass(frozen=True)
class Line:
    """How one value of a panel's series is drawn."""

    label: str
    """Its name in the legend."""

    role: Literal["main", "second", "third", "fourth", "tumour", "control", "harder", "shown", "bias"]
    """A key of `ROLES` in explorer.js: the first four in the recipe's colour, controls grey."""


@dataclass(frozen=True)
class Panel:
    """One panel of the page."""

    name: str
    """Its key in links."""

    section: str
    """Heading under which it stands."""

    title: str
    """What it shows, in a few words."""

    about: str
    """How to read it."""

    table: str
    """The study table it is made from."""

    kind: Kind
    """course: all epochs, with a cursor; response: the rows of one epoch against `x`; grid: the same for all epochs as
    a heatmap of `x` against epoch; facts: one row as a list."""

    measures: dict[str, str] = field(default_factory=dict)
    """Column that can be drawn -> the axis label with its unit; the first is drawn to begin with."""

    x: str = "epoch"
    """Column of the horizontal axis (of a grid: the vertical one)."""

    x_label: str = "epoch"
    """Its label."""

    numeric: bool = True
    """Whether `x` is a number whose distances mean something."""

    joined: bool = True
    """Whether points are joined by a line."""

    order: tuple[str, ...] = ()
    """Values of `x` in the order in which they stand; others follow."""

    series: str = ""
    """Column that tells the lines apart."""

    lines: dict[str, Line] = field(default_factory=dict)
    """Value of `series` -> how it is drawn, in the order of the legend."""

    choices: dict[str, str] = field(default_factory=dict)
    """Column of which one value is drawn -> its label."""

    logarithmic: tuple[str, ...] = ()
    """Measures whose axis is logarithmic."""

    reference: str = ""
    """Column drawn as a dotted line: chance."""

    data: str = ""
    """Name of the reduced rows it is drawn from, where panels share them."""

    @property
    def rows(self) -> str:
        """Name of the reduced rows it is drawn from."""
        return self.data or self.name


STAGES = ("stem", "layer1", "layer2", "layer3", "layer4", "conv", "code", "pooled")

SPLITS = {
    "ood_test": Line("OOD test hospital", "main"),
    "test": Line("test set", "main"),
    "ood_val": Line("OOD validation hospital", "second"),
    "validation": Line("validation set", "second"),
    "id_val": Line("ID validation", "third"),
    "train": Line("training set", "fourth"),
}

GROUPS = {
    "total": Line("all parameters", "main"),
    "convolution": Line("convolutions", "second"),
    "hidden": Line("hidden layers", "second"),
    "embedding": Line("embedding", "third"),
    "head": Line("head", "third"),
    "normalisation": Line("normalisation", "fourth"),
}

DIRECTIONS = {
    "hospital": Line("hospital direction", "main"),
    "matched": Line("covariance-matched directions", "control"),
    "permuted": Line("hospital permuted by slide", "harder"),
    "isotropic": Line("isotropic, never decisive", "shown"),
    "bias": Line("constant logit shift", "bias"),
}

REMOVED = {
    "removed": Line("hospital subspace", "main"),
    "matched": Line("covariance-matched subspaces", "control"),
    "permuted": Line("hospital permuted by slide", "harder"),
    "isotropic": Line("isotropic, never decisive", "shown"),
}

CHANNELS = {
    "hospital": Line("most hospital-selective", "main"),
    "tumour": Line("most tumour-selective", "tumour"),
    "matched": Line("equal mean and variance", "control"),
    "permuted": Line("hospital permuted by slide", "harder"),
    "random": Line("random, never decisive", "shown"),
}

DECODED = {
    "hospital": Line("hospital", "main"),
    "tumour": Line("tumour", "tumour"),
    "permuted": Line("hospital permuted by slide", "control"),
}

CONTROLS = {
    "matched": Line("against matched controls", "main"),
    "permuted": Line("against permuted by slide", "second"),
    "isotropic": Line("against isotropic, never decisive", "shown"),
    "random": Line("against random, never decisive", "shown"),
}

CONCENTRATION = {
    "inlp_area": "area under the INLP curve (fraction)",
    "inlp_half_rank": "rank at which half is gone (dimensions)",
    "between_participation": "participation ratio between hospitals (directions)",
    "head_angle": "angle of hospital subspace and head (degrees)",
}
"""Measure of the table `concentration` -> its axis label."""

STEERED = {
    "accuracy": "accuracy (fraction)",
    "auroc": "AUROC",
    "accuracy_recalibrated": "accuracy, threshold recalibrated (fraction)",
    "flip_fraction": "decisions flipped (fraction)",
    "logit_shift": "mean logit shift (logits)",
}

SCORES = {
    "accuracy": "accuracy (fraction)",
    "auroc": "AUROC",
    "flip_fraction": "decisions flipped (fraction)",
}

NAMES = {
    "split": {name: line.label for name, line in SPLITS.items()},
    "eraser": {
        "logistic": "logistic rows",
        "mean_difference": "mean differences",
        "shrunken_mean": "mean differences, shrunken",
        "leace": "LEACE",
        "inlp": "INLP",
    },
    "method": {"leace": "LEACE", "inlp": "INLP", "macenko": "re-stained, Macenko", "reinhard": "re-stained, Reinhard"},
    "selector": {"hospital": "|beta|", "hospital_f": "one-way F", "hospital_auroc": "one-vs-rest AUROC"},
    "mode": {"shrunken": "mean, by the hospital's share"},
    "probe": {"mlp": "MLP"},
    "measure": {"auroc_drop": "drop of AUROC", "accuracy_drop": "drop of accuracy", "monotone": "monotonicity"},
}
"""Column -> its values that are not named by themselves."""

START = {
    "split": ("ood_test", "test", "ood_val", "id_val"),
    "stage": ("pooled",),
    "eraser": ("logistic",),
    "selector": ("hospital",),
    "mode": ("zero",),
}
"""Column of a choice -> what is chosen to begin with: the first of these that there is."""

PANELS: dict[str, Panel] = {
    panel.name: panel
    for panel in (
        Panel(
            name="training",
            section="Training and geometry",
            title="Training curves",
            about="Every evaluation of the run. Does accuracy at unseen hospitals jump late, or peak early and fall?",
            table="metrics",
            kind="course",
            measures={
                "accuracy": "accuracy (fraction)",
                "auroc": "AUROC",
                "loss": "mean loss per example",
                "margin": "mean margin (logits)",
                "logit_scale": "logit scale (RMS, logits)",
                "zero_loss_fraction": "losses exactly zero (fraction)",
            },
            series="split",
            lines=SPLITS,
            logarithmic=("loss", "logit_scale"),
        ),
        Panel(
            name="weights",
            section="Training and geometry",
            title="Weights and steps",
            about="Norm and angle by parameter group; cosines say what pushes the norm up.",
            table="dynamics",
            kind="course",
            measures={
                "weight_norm": "weight norm (L2)",
                "summed_norm": "summed norm of tensors (L2)",
                "angle_per_step": "angle per step (rad)",
                "gradient_growth": "cos(-gradient, weights)",
                "grokfast_alignment": "cos(Grokfast's average, gradient)",
                "grokfast_growth": "cos(what Grokfast adds, weights)",
            },
            series="group",
            lines=GROUPS,
            logarithmic=("weight_norm", "summed_norm", "angle_per_step"),
        ),
        Panel(
            name="geometry",
            section="Training and geometry",
            title="Geometry of the pooled features",
            about="Do the features collapse onto few directions?",
            table="geometry",
            kind="course",
            measures={
                "effective_rank": "effective rank (dimensions)",
                "participation_ratio": "participation ratio (dimensions)",
                "feature_norm": "mean feature norm (L2)",
            },
            series="split",
            lines=SPLITS,
        ),
        Panel(
            name="concentration",
            section="Training and geometry",
            title="Concentration of the shortcut",
            about="Tidier and lower-dimensional? Band: 95 % bootstrap interval over slides.",
            table="concentration",
            kind="course",
            measures=CONCENTRATION,
            series="line",
            lines={"measured": Line("measured", "main"), "permuted": Line("permuted by slide, median", "control")},
        ),
        Panel(
            name="probing",
            section="What can be read off",
            title="Linear probes over training",
            about="Probe accuracy minus chance, from the image (bottom) to the head (top).",
            table="probing",
            kind="grid",
            measures={"above_chance": "accuracy minus chance (fraction)", "accuracy": "accuracy (fraction)"},
            x="stage",
            x_label="stage",
            numeric=False,
            order=STAGES,
            choices={"decoded": "decoded"},
            lines=DECODED,
        ),
        Panel(
            name="probing_stages",
            section="What can be read off",
            title="Linear probes at the epoch",
            about="What can be read off at the chosen epoch, on slides that the probes have not seen.",
            table="probing",
            kind="response",
            measures={"accuracy": "accuracy (fraction)", "above_chance": "accuracy minus chance (fraction)"},
            x="stage",
            x_label="stage",
            numeric=False,
            order=STAGES,
            series="decoded",
            lines=DECODED,
            data="probing",
        ),
        Panel(
            name="ablation",
            section="What happens when it is taken out or moved",
            title="Subspace ablation",
            about="The hospital subspace is taken out of the pooled features; the head stays. Does it cost more than "
            "the controls?",
            table="subspace",
            kind="response",
            measures=SCORES,
            x="strength",
            x_label="share of the projection removed",
            series="line",
            lines=REMOVED,
            choices={"eraser": "subspace", "split": "split"},
        ),
        Panel(
            name="erasure",
            section="What happens when it is taken out or moved",
            title="What is still decoded after removal",
            about="Accuracy of a fresh probe; dotted: chance. A removal that leaves no hospital has found it.",
            table="erasure",
            kind="response",
            measures={"accuracy": "probe accuracy (fraction)"},
            x="method",
            x_label="removed by",
            numeric=False,
            joined=False,
            order=("none", "logistic", "mean_difference", "leace", "inlp"),
            series="target",
            lines={"hospital": Line("hospital", "main"), "tumour": Line("tumour", "tumour")},
            choices={"probe": "probe"},
            reference="chance",
        ),
        Panel(
            name="steering_stages",
            section="What happens when it is taken out or moved",
            title="Steering by stage",
            about="The largest push, mean of both signs. Before pooling it can change the order of images; on pooled "
            "features it only moves the threshold.",
            table="steering",
            kind="response",
            measures={
                "flip_fraction": "decisions flipped (fraction)",
                "auroc": "change of AUROC",
                "accuracy": "change of accuracy (fraction)",
                "accuracy_recalibrated": "change of accuracy, threshold recalibrated (fraction)",
            },
            x="stage",
            x_label="stage",
            numeric=False,
            order=STAGES,
            series="direction",
            lines=DIRECTIONS,
            choices={"split": "split"},
        ),
        Panel(
            name="steering",
            section="What happens when it is taken out or moved",
            title="Response to steering",
            about="Features are moved along a direction; the rest of the network answers. Bands: repeats of a control, "
            "2.5 to 97.5 %.",
            table="steering",
            kind="response",
            measures=STEERED,
            x="alpha",
            x_label="shift alpha (standard deviations)",
            series="direction",
            lines=DIRECTIONS,
            choices={"stage": "stage", "split": "split"},
        ),
        Panel(
            name="neurons",
            section="What happens when it is taken out or moved",
            title="Neuron ablation",
            about="Channels are taken out. Do the hospital's matter more than others of equal mean and variance?",
            table="neurons",
            kind="response",
            measures=SCORES,
            x="k",
            x_label="channels taken out K",
            numeric=False,
            series="line",
            lines=CHANNELS,
            choices={"selector": "selected by", "mode": "set to", "split": "split"},
        ),
        Panel(
            name="verdicts",
            section="What happens when it is taken out or moved",
            title="Probes against their controls",
            about="Share of the controls that lie below the probe's value, at the named checkpoint nearest to the "
            "epoch; above .95 it stands out.",
            table="verdicts",
            kind="response",
            measures={"percentile": "controls below (fraction)", "p": "p against the controls"},
            x="what",
            x_label="target",
            numeric=False,
            joined=False,
            order=STAGES,
            series="control",
            lines=CONTROLS,
            choices={"probe": "probe", "measure": "measure", "split": "split"},
        ),
        Panel(
            name="counterfactual",
            section="Reliance on stain",
            title="Reliance on stain",
            about="The same tissue in other hospitals' stain, mean over them: the ground truth of the probes.",
            table="counterfactual",
            kind="course",
            measures={"flip_fraction": "decisions flipped (fraction)", "accuracy": "accuracy (fraction)"},
            series="split",
            lines=SPLITS,
            choices={"method": "shown"},
        ),
        Panel(
            name="counterfactual_hospitals",
            section="Reliance on stain",
            title="Shown as each hospital's",
            about="One hospital's stain at a time, at the chosen epoch.",
            table="counterfactual",
            kind="response",
            measures=SCORES | {"logit_shift": "mean logit shift, towards tumour (logits)"},
            x="target_hospital",
            x_label="shown as hospital",
            numeric=False,
            joined=False,
            series="split",
            lines=SPLITS,
            choices={"method": "shown"},
        ),
        Panel(
            name="renormalisation",
            section="Reliance on stain",
            title="BatchNorm statistics anew",
            about="Re-estimated on the split's own unlabelled images: stale statistics are not a shortcut.",
            table="renormalisation",
            kind="course",
            measures=SCORES,
            series="statistics",
            lines={"stored": Line("stored in training", "main"), "reestimated": Line("re-estimated", "second")},
            choices={"split": "split"},
        ),
        Panel(
            name="outcome",
            section="Table rows",
            title="What became of the run",
            about="Its row of the table outcomes.",
            table="outcomes",
            kind="facts",
        ),
        Panel(
            name="mechanism",
            section="Table rows",
            title="What moved its weights",
            about="Its row of the table mechanism.",
            table="mechanism",
            kind="facts",
            choices={"group": "parameters"},
            lines=GROUPS,
        ),
    )
}
"""Every panel by its name, in the order of the page."""

TABLES = tuple(dict.fromkeys(["metrics", "checkpoints", *(panel.table for panel in PANELS.values())]))
"""The study tables that panels are made from; a page has the panels whose table its study has."""
