"""The figures: a registry, and `draw`, which imports a figure's module only when that figure is drawn.

Importing this package imports no matplotlib, so a workflow can read the registry at no cost. A new figure is one new
file (or one more function in its family's file) and one line in `FIGURES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True)
class FigureSpec:
    """One figure: the function ``causalgrok.plotting.<module>.<name>`` and what it is drawn from."""

    name: str
    """Name of the figure, of its function and of its files."""

    module: str
    """Module of the figure's family in this package."""

    tables: tuple[str, ...]
    """Study tables it is drawn from, keys of `causalgrok.columns.COLUMNS` and arguments of the function."""

    category: str
    """Heading under which the report shows it."""

    title: str
    """What it shows, in a few words."""

    hospitals: bool = False
    """Whether it is about held-out hospitals, though its tables are not; a study without them leaves it out."""

    chance: bool = False
    """Whether its function has an option ``chance``: task -> accuracy of guessing."""

    @property
    def caption(self) -> str:
        """The caption's file, relative to the repository."""
        return f"workflow/report/{self.name}.rst"


FIGURES: dict[str, FigureSpec] = {
    spec.name: spec
    for spec in (
        FigureSpec("trajectories", "trajectories", ("metrics",), "Training", "OOD accuracy over training", chance=True),
        FigureSpec("arms", "arms", ("arms",), "Training", "Arms side by side: start, memorised, grokked, norm"),
        FigureSpec(
            "peak_accuracy", "peak_accuracy", ("outcomes",), "Training", "Peak OOD accuracy against n", True, True
        ),
        FigureSpec("decline", "decline", ("decline",), "Checkpoints", "Fall of OOD accuracy, by slides"),
        FigureSpec(
            "domain_gap", "domain_gap", ("metrics",), "Training", "Accuracy at seen and unseen hospitals", True, True
        ),
        FigureSpec(
            "ungrokking", "ungrokking", ("ungrokking",), "Training", "Test accuracy after training on fewer examples"
        ),
        FigureSpec("annotated_run", "annotated_run", ("metrics", "outcomes"), "Training", "The run that grokked most"),
        FigureSpec("shift_curves", "shift", ("metrics", "shift"), "Training", "Test accuracy under distribution shift"),
        FigureSpec("subclasses", "shift", ("composition",), "Data", "Subclasses and how many of each are shown"),
        FigureSpec("weight_norm", "weight_norm", ("dynamics",), "Training", "Weight norm over training"),
        FigureSpec("norm_growth", "mechanism", ("dynamics", "mechanism"), "Mechanism", "Norms against noise and decay"),
        FigureSpec("angle_per_step", "mechanism", ("dynamics", "mechanism"), "Mechanism", "Angle of a step"),
        FigureSpec("logit_margin", "logit_margin", ("metrics",), "Mechanism", "Margin, logit scale and zero losses"),
        FigureSpec("grokfast_alignment", "mechanism", ("dynamics",), "Mechanism", "What Grokfast amplifies"),
        FigureSpec("effective_rank", "effective_rank", ("geometry",), "Checkpoints", "Effective rank over training"),
        FigureSpec("counterfactual", "counterfactual", ("counterfactual",), "Interventions", "Reliance on stain"),
        FigureSpec(
            "renormalisation", "renormalisation", ("renormalisation",), "Interventions", "BatchNorm statistics anew"
        ),
        FigureSpec(
            "steering", "interventions", ("subspace", "steering"), "Interventions", "Response to ablation and steering"
        ),
        FigureSpec(
            "interventions_per_run", "interventions", ("subspace", "steering"), "Interventions", "Response run by run"
        ),
        FigureSpec("stage_steering", "stage_steering", ("steering",), "Interventions", "Steering stage by stage"),
        FigureSpec("erasure", "erasure", ("subspace", "erasure"), "Interventions", "Five ways to remove hospital"),
        FigureSpec("concentration", "concentration", ("concentration",), "Interventions", "How concentrated it is"),
        FigureSpec("neurons", "neurons", ("neurons",), "Interventions", "Targeted against matched neurons"),
        FigureSpec("neurons_per_seed", "neurons", ("neurons",), "Interventions", "Neuron ablation seed by seed"),
        FigureSpec("verdicts", "verdicts", ("verdicts",), "Verdicts", "Probes against their hardest controls"),
        FigureSpec("reliance", "reliance", ("reliance",), "Verdicts", "Which probes measure reliance on stain"),
        FigureSpec("probing", "probing", ("probing",), "Probing", "Hospital and tumour by stage and epoch"),
        FigureSpec("factorial", "factorial", ("factorial",), "Designs", "Main effects and interactions"),
        FigureSpec(
            "critical_size", "peak_accuracy", ("metrics", "critical_size"), "Designs", "Plateau accuracy against n"
        ),
        FigureSpec(
            "reported", "reported", ("metrics", "dynamics", "reported"), "Training", "Published figures against ours"
        ),
        FigureSpec("stopping", "stopping", ("stopping",), "Designs", "Stopping without test labels"),
        FigureSpec(
            "validation", "validation", ("validation",), "Validation", "False positives and power of the probes"
        ),
        FigureSpec("sensitivity", "sensitivity", ("sensitivity",), "Training", "Labels under other thresholds"),
        FigureSpec("comparisons", "comparisons", ("statistics",), "Training", "Recipes against each other"),
        FigureSpec("calibration", "calibration", ("calibration",), "Validation", "Type-I error of the tests"),
        FigureSpec("confusion", "calibration", ("confusion",), "Validation", "The grokking detector on known runs"),
        FigureSpec("recovery", "recovery", ("recovery",), "Validation", "What is recovered of a planted shortcut"),
    )
}
"""Every figure by its name."""


def draw(name: str, tables: Mapping[str, DataFrame], **options: Any) -> Figure:
    """Draw one figure.

    Args:
        name: a key of `FIGURES`.
        tables: the study's tables by name; more than the figure needs may be given.
        options: keyword options of the figure's function, for instance ``threshold=0.9``.

    Raises:
        ValueError: the figure is unknown, or a table, a column or the rows that it needs are not there.
    """
    if name not in FIGURES:
        raise ValueError(f"figure {name}: unknown, expected one of {', '.join(FIGURES)}")
    spec = FIGURES[name]
    missing = [table for table in spec.tables if table not in tables]
    if missing:
        raise ValueError(f"figure {name}: missing tables {missing}, it is drawn from {', '.join(spec.tables)}")
    function = getattr(importlib.import_module(f"causalgrok.plotting.{spec.module}"), name)
    return function(**{table: tables[table] for table in spec.tables}, **options)
