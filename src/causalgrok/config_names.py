"""Whether the names in a config exist where they are used, and are free where they are given."""

from collections.abc import Iterator

from causalgrok.config import Config
from causalgrok.config_file import KeyPath
from causalgrok.data import registry
from causalgrok.refusals import nearest

RESERVED = {
    *("data", "runs", "wilds", "files", "clusters", "inspect"),  # folders of results
    *("all", "fetch_camelyon17", "fetch_files", *(f"draw_{kind}" for kind in registry.MODULES)),
    *("find_clusters", "generate_tissue", "pack_splits", "draw_subset", "train", "extract_features"),
    *("probe_layers", "ablate_features", "steer_activations", "measure_features"),
    *("restain_splits", "restain_examples", "collect_seeds", "name_checkpoints"),
    *("measure_counterfactuals", "measure_erasure"),
    *("open_checkpoints", "pack_images", "evaluate_checkpoints", "validate_probes", "collect_planted"),
    *("summarise_outcomes", "summarise_sensitivity", "summarise_verdicts", "correlate_reliance"),
    *("compare_recipes", "summarise_decline", "calibrate_tests", "calibrate_detector"),
    *("summarise_mechanism", "summarise_arms"),
    *("estimate_factorial", "fit_critical_size", "compare_stopping", "compare_reported", "summarise_ungrokking"),
    *("test_claims", "present_claims", "measure_shift", "draw_explorer"),
    *("report", "typeset_paper", "export_study", "plot_patches", "plot_restaining", "plot_clusters"),
}
"""Names that no study or dataset can have, because a folder or a rule has them."""

RESERVED_BEGINNINGS = ("collect_", "plot_")
"""Nor can they begin with these, as rules do that are one study's: they have its name and what they collect or draw."""


def name_problems(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Names that do not exist, and those that the workflow has taken.

    Yields:
        The key path and what is wrong there.
    """

    def unknown(path: KeyPath, name: str, kind: str) -> Iterator[tuple[KeyPath, str]]:
        known = getattr(config, kind)
        if name not in known:
            yield path, f"{name!r} is not one of {kind}: {nearest(name, known)}"

    for i, study in enumerate(config.build):
        yield from unknown(("build", i), study, "studies")
    yield from unknown(("measurement",), config.measurement, "measurements")
    for name, task in config.tasks.items():
        yield from unknown(("tasks", name, "dataset"), task.dataset, "datasets")
        yield from unknown(("tasks", name, "measurement"), task.measurement, "measurements")
        yield from unknown(("tasks", name, "detector"), task.detector, "detectors")
        if task.continues:
            yield from unknown(("tasks", name, "continues", "task"), task.continues.task, "tasks")
            if task.continues.recipe:
                yield from unknown(("tasks", name, "continues", "recipe"), task.continues.recipe, "recipes")
    yield from unknown(("detectors",), "default", "detectors")
    for kind in ("datasets", "studies", "tasks"):
        for name in getattr(config, kind):
            taken = name == "inspect" if kind == "tasks" else name in RESERVED or name.startswith(RESERVED_BEGINNINGS)
            if taken:
                yield (kind, name), f"{name!r} is taken by the workflow; choose another name"
    for name, study in config.studies.items():
        for i, runs in enumerate(study.runs):
            path = ("studies", name, "runs", i)
            yield from unknown((*path, "task"), runs.task, "tasks")
            for j, recipe in enumerate(runs.recipes):
                yield from unknown((*path, "recipes", j), recipe, "recipes")
