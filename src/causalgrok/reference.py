"""The reference of all tables, docs/tables.md: what each is about, where it lies, and what its columns hold."""

from collections.abc import Iterator

from causalgrok.columns import COLUMNS, RUN

OF_DATA = {
    "subset": "The images that a run trains on: `results/data/<dataset>/subsets/.../seed<seed>.parquet`.",
    "splits": "The images that judge every run: `results/data/<dataset>/splits.parquet`.",
    "pool": "The images that subsets are drawn from: `results/data/<dataset>/pool.parquet`.",
}
"""Tables of a dataset: what each is about."""

OF_RUNS = {
    "metrics": "Training curves: loss and accuracy on every split.",
    "dynamics": "What the optimiser does to the weights, group by group.",
    "counterfactual": "What the network decides on the same tissue in other hospitals' stain.",
    "renormalisation": "What BatchNorm statistics of the split's own images change.",
    "probing": "Hospital and tumour, as linear probes read them off every stage.",
    "subspace": "The classifier without the hospital subspace, removed in five ways, and without control subspaces.",
    "erasure": "What fresh probes find after each removal.",
    "concentration": "In how few dimensions the hospital is stored, and how near to the classifier's own.",
    "steering": "The network with features moved along the hospital direction, and along controls.",
    "neurons": "The network without its hospital-selective channels, and without others.",
    "geometry": "Effective rank and size of the pooled features.",
    "slides": "Accuracy slide by slide.",
    "checkpoints": "Which epoch is init, memorised, selected and final.",
}
"""Tables that runs have: what each is about."""

OF_STUDIES = {
    "outcomes": "What became of each run: memorised when, grokked or not, its peak, end and decline.",
    "decline": "Whether accuracy fell at unseen hospitals, as far as their slides can tell.",
    "sensitivity": "What runs would be called under other thresholds of the detector.",
    "statistics": "How recipes differ, and what so few runs could have shown.",
    "mechanism": "What moved the weights: norms and angles against decay alone and against noise.",
    "arms": "What became of each arm: tasks and recipes side by side.",
    "verdicts": "Whether a probe finds more than its controls do.",
    "reliance": "Which probes agree with the counterfactual measure of reliance on stain.",
    "claims": "The sources' claims, judged.",
    "factorial": "Main effects and interactions of a recipe's settings.",
    "critical_size": "From which n on a recipe generalises for good.",
    "stopping": "When criteria without test labels would have stopped a run, and what that would have cost.",
    "reported": "Figures that a source printed, beside ours.",
    "ungrokking": "Runs that continue a grokked one on fewer examples.",
    "ungrokking_contrasts": "Whether where they end depends on the recipe.",
    "shift": "How differently training subset and judging split are made up.",
    "composition": "Of what they are made up.",
    "validation": "Probes on generated features: how often they find what was planted, and what was not.",
    "recovery": "How well they find it: angles, channels, ranks.",
    "calibration": "How often each test rejects, with an effect and without.",
    "confusion": "What the detector calls runs whose kind is known.",
}
"""Tables of a study alone: what each is about."""

_GROUPS = (
    ("Of a dataset", "", OF_DATA),
    (
        "Of runs",
        "`results/runs/<task>/<recipe>/n<n>/seed<seed>/<table>.parquet`, and stacked over a study's runs in "
        "`results/<study>/tables/<table>.parquet` with these columns in front:",
        OF_RUNS,
    ),
    (
        "Of a study",
        "`results/<study>/tables/<table>.parquet`; rows of single runs have those four columns in front.",
        OF_STUDIES,
    ),
)


def tables_reference() -> str:
    """Markdown of every table: a heading, what it is about, and a row a column."""
    lines: list[str] = []
    for title, text, tables in _GROUPS:
        lines += [f"## {title}", ""]
        lines += [text, ""] if text else []
        lines += [*_columns(RUN), ""] if tables is OF_RUNS else []
        for table, about in tables.items():
            lines += [f"### {table}", "", about, "", *_columns(COLUMNS[table]), ""]
    return "\n".join(lines).rstrip()


def _columns(described: dict[str, str]) -> Iterator[str]:
    yield from ("| column | holds |", "|---|---|")
    for name, text in described.items():
        yield f"| `{name}` | {text.replace('|', chr(92) + '|')} |"
