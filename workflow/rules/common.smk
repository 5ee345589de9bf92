"""What the other files share: the checked config, paths, and the functions of inputs and params."""

import functools
import os
import sys
from pathlib import Path

from causalgrok.columns import RUN_TABLES
from causalgrok.config import RUN_FOLDER, Run
from causalgrok.data.camelyon17 import remembered_root
from causalgrok.data.splits import EVALUATION_SPLITS
from causalgrok.devices import gpu_visible, resolve_device
from causalgrok.models.registry import MODULES
from causalgrok.plotting import FIGURES
from causalgrok.processes import pass_library_on, release_stale_lock
from causalgrok.provenance import code_hash
from causalgrok.training.settings import Training
from causalgrok.validation import ConfigError, check_config, check_subset

try:
    settings = check_config(config, workflow.configfiles)
except ConfigError as error:
    sys.exit(str(error))

DATA_ROOT = settings.data_root or remembered_root(Path("results/data/wilds/source.json"))

release_stale_lock()
pass_library_on(Path(workflow.basedir, "src"))


pathvars:
    run=RUN_FOLDER,
    run_dir="<results>/runs/<run>",
    data="<results>/data",
    tables="<results>/{study}/tables",


wildcard_constraints:
    dataset="|".join(settings.datasets),
    task="|".join(settings.tasks),
    recipe="|".join(settings.recipes),
    study="|".join(settings.studies),
    n=r"\d+",
    seed=r"\d+",
    correlation=r"-?[\d.e-]+",
    table="|".join(RUN_TABLES),


def run_of(wildcards):
    return Run(wildcards.task, wildcards.recipe, int(wildcards.n), int(wildcards.seed))


@functools.cache
def code(script, *modules):
    """The hash of the code that a script reaches; a change of behaviour reruns what depends on it."""
    return code_hash(Path(workflow.basedir, "workflow/scripts", f"{script}.py"), *modules)


def source_of_dataset(wildcards):
    """Where a dataset's patches are: generated ones are its own, downloaded ones are shared."""
    generated = settings.datasets[wildcards.dataset].source.kind == "tissue"
    return "<data>/{dataset}/wilds/source.json" if generated else "<data>/wilds/source.json"


def datasets_of(kind):
    """A wildcard constraint: the datasets of one kind, or nothing."""
    return "|".join(name for name, dataset in settings.datasets.items() if dataset.source.kind == kind) or "(?!)"


def camelyon17_settings():
    """The sources of Camelyon17-WILDS, which all its datasets share."""
    sources = (dataset.source for dataset in settings.datasets.values() if dataset.source.kind == "camelyon17")
    return next((source.model_dump(mode="json") for source in sources), None)


def generator_settings(wildcards):
    return settings.datasets[wildcards.dataset].source.model_dump(mode="json")


def packing_settings(wildcards):
    return settings.datasets[wildcards.dataset].model_dump(mode="json", exclude={"source"})


def refuse_impossible(run):
    """End with one line before any job starts if this run cannot get its images or its GPU."""
    try:
        check_subset(settings, DATA_ROOT, run, workflow.configfiles)
    except ConfigError as error:
        sys.exit(str(error))
    trained = Path("results/runs", run.folder, "run.json").exists()
    if settings.tasks[run.task].device == "cuda" and not trained and not gpu_visible() and running_here():
        sys.exit(
            f"config: tasks.{run.task}.device: 'cuda', but this machine shows no GPU; plan with -n, run on a cluster, "
            "or take a task whose device is cpu"
        )


def running_here():
    """Whether jobs will run on this machine: neither a dry run, nor a cluster, nor a linter or report."""
    return workflow.executor_plugin is not None and not workflow.non_local_exec and not workflow.dryrun


def subset_of_run(wildcards):
    refuse_impossible(run_of(wildcards))
    task = settings.tasks[wildcards.task]
    folder = f"<data>/{task.dataset}/subsets/correlation{task.label_hospital_correlation + 0.0}"
    return f"{folder}/n{wildcards.n}/seed{wildcards.seed}.safetensors"


def splits_of_run(wildcards):
    return [f"<data>/{settings.tasks[wildcards.task].dataset}/{split}.safetensors" for split in EVALUATION_SPLITS]


def probe_pool_of_run(wildcards):
    return f"<data>/{settings.tasks[wildcards.task].dataset}/probe.safetensors"


def training_settings(wildcards):
    run, task = run_of(wildcards), settings.tasks[wildcards.task]
    return Training(
        model=task.model,
        classes=2,
        loss=task.loss,
        recipe=settings.recipes[run.recipe],
        schedule=task.schedule,
        seed=run.seed,
        device=task.device,
        threads=task.threads,
    ).model_dump(mode="json")


def training_code(wildcards):
    return code("train", MODULES[settings.tasks[wildcards.task].model.name])


def extraction_code(wildcards):
    return code("extract_features", MODULES[settings.tasks[wildcards.task].model.name])


def task_threads(wildcards):
    return settings.tasks[wildcards.task].threads


def gpu_of_task(wildcards):
    return int(resolve_device(settings.tasks[wildcards.task].device) == "cuda")


def measurement_settings(wildcards):
    return settings.measurements[settings.tasks[wildcards.task].measurement].model_dump(mode="json")


def run_tables(wildcards):
    runs = settings.studies[wildcards.study].all_runs()
    return [f"<results>/runs/{run.folder}/{wildcards.table}.parquet" for run in runs]


def study_runs(wildcards):
    return [list(run) for run in settings.studies[wildcards.study].all_runs()]


def study_figures(study):
    """The figures of a study as SVG, after the patches of its datasets."""
    runs = settings.studies[study].runs
    datasets = dict.fromkeys(settings.tasks[part.task].dataset for part in runs)
    patches = [f"<data>/{dataset}/patches.svg" for dataset in datasets]
    return [*patches, *(f"<results>/{study}/figures/{figure}.svg" for figure in settings.studies[study].figures)]


def study_tables(study):
    return [f"<results>/{study}/tables/{table}.parquet" for table in [*settings.studies[study].tables, "outcomes"]]


def figures_of_study(wildcards):
    return study_figures(wildcards.study)


def tables_of_study(wildcards):
    return study_tables(wildcards.study)


def report_targets(wildcards, input):
    return list(input.figures)


def report_config(wildcards):
    """What the nested Snakemake must know to find one study; other studies' edits leave its report alone."""
    runs = settings.studies[wildcards.study].runs
    tasks = {part.task: settings.tasks[part.task] for part in runs}
    chosen = {
        "studies": {wildcards.study},
        "tasks": set(tasks),
        "recipes": {recipe for part in runs for recipe in part.recipes},
        "datasets": {task.dataset for task in tasks.values()},
        "measurements": {task.measurement for task in tasks.values()},
    }
    return settings.model_dump(mode="json", include=chosen)


def study_targets(study):
    """Everything of one study: its tables, figures, provenance and report."""
    provenance = [f"<results>/runs/{run.folder}/run.json" for run in settings.studies[study].all_runs()]
    return [*study_tables(study), *provenance, *study_figures(study), f"<results>/{study}/report.html"]
