"""What the other files share: the checked config, paths, and the functions of inputs and params."""

import functools
import gc
import os
import sys
from pathlib import Path
from types import SimpleNamespace

from causalgrok.claims_file import read_claims
from causalgrok.columns import (
    FACTORIAL_INPUTS,
    HOSPITAL_TABLES,
    REPORTED_INPUTS,
    RUN_TABLES,
    STOPPING_INPUTS,
    STUDY_TABLES,
    TABLES_OF_RULES,
    with_derived,
)
from causalgrok.config import RUN_FOLDER, Run, drawable, has_hospitals, parent_of
from causalgrok.data import registry
from causalgrok.data.camelyon17 import remembered_root
from causalgrok.data.splits import EVALUATION_SPLITS
from causalgrok.devices import gpu_visible, resolve_device
from causalgrok.explorer.panels import ASSETS, PANELS
from causalgrok.explorer.panels import TABLES as EXPLORED
from causalgrok.factorials import design_between
from causalgrok.files import is_writable, sha256
from causalgrok.inspection import NAME as INSPECT
from causalgrok.inspection import plan_inspection
from causalgrok.known_hashes import KnownHashes
from causalgrok.models.registry import MODULES
from causalgrok.paper import ASSETS as PAPER
from causalgrok.planted import CASES
from causalgrok.plotting import FIGURES
from causalgrok.processes import pass_library_on, release_stale_lock
from causalgrok.provenance import settings_hash
from causalgrok.reported_file import read_reported
from causalgrok.sign_of_life import show_life
from causalgrok.training.settings import Training
from causalgrok.validation import ConfigError, check_config, check_subset, over_defaults

# A plan of some thousand jobs holds millions of objects; looking through them again and again takes a tenth of its time.
gc.set_threshold(2_000_000)

# A module is given its config by the other workflow, whose files are none of ours.
CONFIG_SOURCES = () if IS_MODULE else [workflow.config_settings.config, *workflow.configfiles]


def own_folder(name):
    """Where `results`, `logs` or `benchmarks` lie; a module may be told another place."""
    return Path(workflow.modifier.path_modifier.replace_prefix(workflow.pathvars.apply(f"<{name}>")))


RESULTS = own_folder("results")

try:
    settings = check_config(over_defaults(config, ROOT / "config.yaml") if IS_MODULE else config, CONFIG_SOURCES)
    ledger = read_claims(ROOT / "workflow/claims.yaml", settings)
    published = read_reported(ROOT / "workflow/reported.csv", settings)
    inspection = plan_inspection(settings)
    DATA_ROOT = settings.data_root or remembered_root(RESULTS / "data/wilds/source.json")
except (ValueError, OSError) as error:
    sys.exit(str(error))

STUDIES = [*settings.studies, INSPECT]
inspected_runs = inspection.runs if inspection else []
inspected_splits = [*inspection.splits, "probe"] if inspection else ["probe"]

for folder in (
    [".snakemake"] if workflow.dryrun else [".snakemake", RESULTS, own_folder("logs"), own_folder("benchmarks")]
):
    if not is_writable(folder):
        sys.exit(
            f"{Path(folder).absolute()} cannot be written; make it writable, or work elsewhere with --directory FOLDER"
        )

if workflow.is_main_process:
    release_stale_lock()
else:
    show_life()
pass_library_on(ROOT / "src")


NUMBER = r"(0|[1-9]\d{0,9})"
"""As paths write it: one spelling a number."""


pathvars:
    run=RUN_FOLDER,
    run_dir="<results>/runs/<run>",
    data="<results>/data",
    tables="<results>/{study}/tables",


wildcard_constraints:
    dataset="|".join([*settings.datasets, INSPECT]),
    examples=rf"({'|'.join([*settings.datasets, INSPECT])})(/examples/n{NUMBER}/seed{NUMBER})?",
    task="|".join([*settings.tasks, INSPECT]),
    recipe="|".join({*settings.recipes, *(run.recipe for run in inspected_runs)}),
    study="|".join(STUDIES),
    clusters="[0-9a-f]{16}",
    n=NUMBER,
    seed=NUMBER,
    correlation=r"-?[\d.e-]+",


def run_of(wildcards):
    return Run(wildcards.task, wildcards.recipe, int(wildcards.n), int(wildcards.seed))


known_hashes = KnownHashes(ROOT / "workflow/scripts")


def hash_of(script, *modules):
    """The hash of the code that a script reaches; a change of behaviour reruns what depends on it."""
    return known_hashes.of(script, *modules)


def code(script, *modules):
    """That hash; a job on a cluster, which reads this file anew, asks for its own alone."""
    return hash_of(script, *modules) if workflow.is_main_process else lambda wildcards: hash_of(script, *modules)


def source_of_dataset(wildcards):
    """Where a dataset's patches are: generated ones are its own, downloaded ones are shared."""
    generated = settings.datasets[wildcards.dataset].source.kind == "tissue"
    return "<data>/{dataset}/wilds/source.json" if generated else "<data>/wilds/source.json"


def dataset_of(task):
    return INSPECT if task == INSPECT else settings.tasks[task].dataset


def evaluation_splits(dataset):
    """The splits a dataset's networks are judged on; somebody else's images may lack some."""
    if dataset == INSPECT:
        return [split for split in inspection.splits if split in EVALUATION_SPLITS]
    return list(
        EVALUATION_SPLITS
        if settings.datasets[dataset].has_hospitals
        else registry.splits(settings.datasets[dataset].source.kind)[1:]
    )


def datasets_with_hospitals(drawn):
    """A wildcard constraint: the datasets with hospitals, packed once or drawn for each n and seed."""
    chosen = [name for name, dataset in settings.datasets.items() if dataset.has_hospitals and dataset.drawn == drawn]
    return "|".join(chosen) or "(?!)"


def examples_of_run(run):
    """The folder of a run's examples: one for a dataset that is packed, one for each n and seed of one that is drawn."""
    dataset = dataset_of(run.task)
    drawn = dataset != INSPECT and settings.datasets[dataset].drawn
    return f"{dataset}/examples/n{run.n}/seed{run.seed}" if drawn else dataset


def splits_in(examples):
    """The splits in a folder of examples on which networks are judged."""
    dataset = examples.partition("/")[0]
    return [f"<data>/{examples}/{split}.safetensors" for split in evaluation_splits(dataset)]


def splits_of_examples(wildcards):
    return splits_in(wildcards.examples)


def counterfactual_settings(wildcards):
    """How a dataset's tissue is shown as other hospitals'; photographs are re-stained, generated tissue rendered."""
    if wildcards.dataset == INSPECT:
        return {"methods": ["macenko", "reinhard"], "images": 300, "tissue": None}
    dataset = settings.datasets[wildcards.dataset]
    tissue = dataset.source.model_dump(mode="json") if dataset.source.kind == "tissue" else None
    return {"methods": dataset.counterfactuals, "images": dataset.counterfactual_images, "tissue": tissue}


def datasets_of(kind):
    """A wildcard constraint: the datasets of one kind, or nothing."""
    return "|".join(name for name, dataset in settings.datasets.items() if dataset.source.kind == kind) or "(?!)"


def camelyon17_settings():
    """The sources of Camelyon17-WILDS, which all its datasets share."""
    sources = (dataset.source for dataset in settings.datasets.values() if dataset.source.kind == "camelyon17")
    return next((source.model_dump(mode="json") for source in sources), None)


def files_of_dataset(wildcards):
    """The downloaded files that a dataset is drawn from, or their clusters; most are drawn from none."""
    if folder := clustered(wildcards.dataset):
        return f"{folder}/clusters.safetensors"
    reads = settings.datasets[wildcards.dataset].reads
    return f"<data>/files/{reads}.safetensors" if reads else []


def clustered(dataset):
    """Where the clusters of a dataset lie: datasets that find the same ones share them; none if it has none."""
    clusters = getattr(settings.datasets.get(dataset), "clusters", None)
    return clusters and f"<data>/clusters/{settings_hash(clusters)[:16]}"


@functools.cache
def datasets_by_clusters():
    """Where clusters lie -> the first of the datasets that have them."""
    return {clustered(name): name for name in reversed(settings.datasets)}


def dataset_of_clusters(wildcards):
    return settings.datasets[datasets_by_clusters()[f"<data>/clusters/{wildcards.clusters}"]]


def files_of_clusters(wildcards):
    return f"<data>/files/{dataset_of_clusters(wildcards).reads}.safetensors"


def clustering_settings(wildcards):
    return dataset_of_clusters(wildcards).clusters


def module_of_dataset(wildcards):
    """The module that draws a dataset's examples."""
    return registry.MODULES[settings.datasets[wildcards.dataset].source.kind]


def generator_settings(wildcards):
    return settings.datasets[wildcards.dataset].source.model_dump(mode="json")


NOT_PACKED = {"source", "counterfactual_methods", "counterfactual_images"}


def packing_settings(wildcards):
    return settings.datasets[wildcards.dataset].model_dump(mode="json", exclude=NOT_PACKED)


def refuse_impossible(run):
    """End with one line before any job starts if this run cannot get its images or its GPU."""
    try:
        check_subset(settings, DATA_ROOT, run, CONFIG_SOURCES)
    except ConfigError as error:
        sys.exit(str(error))
    trained = (RESULTS / "runs" / run.folder / "run.json").exists()
    if settings.tasks[run.task].device == "cuda" and not trained and not gpu_visible() and running_here():
        sys.exit(
            f"config: tasks.{run.task}.device: 'cuda', but this machine shows no GPU; plan with -n, run on a cluster, "
            "or take a task whose device is cpu"
        )


def running_here():
    """Whether jobs will run on this machine: neither a dry run, nor a cluster, nor a linter or report."""
    return workflow.executor_plugin is not None and not workflow.non_local_exec and not workflow.dryrun


def subset_of_run(wildcards):
    if wildcards.task == INSPECT:
        return [f"<data>/{INSPECT}/train.safetensors"] if "train" in inspection.splits else []
    refuse_impossible(run_of(wildcards))
    task = settings.tasks[wildcards.task]
    if settings.datasets[task.dataset].drawn:
        return f"<data>/{examples_of_run(wildcards)}/train.safetensors"
    folder = f"<data>/{task.dataset}/subsets/correlation{task.label_hospital_correlation + 0.0}"
    return f"{folder}/n{wildcards.n}/seed{wildcards.seed}.safetensors"


def splits_of_run(wildcards):
    return splits_in(examples_of_run(wildcards))


def parent_of_run(wildcards):
    """The checkpoints of the run that a run continues; nothing if it starts from its initialisation."""
    parent = parent_of(settings, run_of(wildcards))
    return f"<results>/runs/{parent.folder}/checkpoints" if parent else []


def probe_pool_of_run(wildcards):
    if wildcards.task != INSPECT and not has_hospitals(settings, run_of(wildcards)):
        return []
    return f"<data>/{examples_of_run(wildcards)}/probe.safetensors"


def counterfactuals_of_run(wildcards):
    return f"<data>/{examples_of_run(wildcards)}/counterfactuals.safetensors"


def training_settings(wildcards):
    """What determines a run; somebody else's network brings its own, and runs where there is most room."""
    if wildcards.task == INSPECT:
        return {"device": "auto", "threads": 1}
    run, task = run_of(wildcards), settings.tasks[wildcards.task]
    dataset = settings.datasets[task.dataset]
    return Training(
        model=task.model,
        classes=dataset.classes,
        inputs=dataset.inputs,
        loss=task.loss,
        recipe=settings.recipes[run.recipe],
        schedule=task.schedule,
        seed=run.seed,
        device=task.device,
        precision=task.precision,
        cuda_graph=task.cuda_graph,
        threads=task.threads,
    ).model_dump(mode="json")


def network_code(script):
    """The hash of a script that runs networks, and of the network it runs."""

    def of_run(wildcards):
        model = "resnet18" if wildcards.task == INSPECT else settings.tasks[wildcards.task].model.name
        return hash_of(script, MODULES[model])

    return of_run


def task_threads(wildcards):
    return 1 if wildcards.task == INSPECT else settings.tasks[wildcards.task].threads


def gpu_of_task(wildcards):
    """How many GPUs a job asks for. On a cluster `auto` asks for one: this machine only submits, and may have none."""
    device = "auto" if wildcards.task == INSPECT else settings.tasks[wildcards.task].device
    if device == "auto" and workflow.non_local_exec:
        return 1
    return int(resolve_device(device) == "cuda")


def measurement_settings(wildcards):
    name = settings.measurement if wildcards.task == INSPECT else settings.tasks[wildcards.task].measurement
    return settings.measurements[name].model_dump(mode="json")


def judgements(study):
    """How the runs of a study are judged, task by task."""
    tasks = dict.fromkeys(run.task for run in runs_of_study(study))
    return {task: {"chance": chance_of(task), "detector": detector_of(task)} for task in tasks}


def guessing(study):
    """The accuracy of guessing in every task of a study."""
    return {task: how["chance"] for task, how in judgements(study).items()}


def detector_of(task):
    name = settings.tasks[task].detector if task in settings.tasks else "default"
    return settings.detectors[name].model_dump(mode="json")


def chance_of(task):
    return 1 / inspection.classes if task == INSPECT else settings.datasets[dataset_of(task)].chance


def kept_epochs(wildcards):
    """The epochs of a run's checkpoints."""
    if wildcards.task == INSPECT:
        return list(inspection.checkpoints[run_of(wildcards)])
    return settings.tasks[wildcards.task].schedule.checkpoints()


def seeds_of_run(wildcards):
    """The curves of a run and of the seeds that select its checkpoint, in the first study that has it.

    Another study with more seeds must not change it.
    """
    run = run_of(wildcards)
    return f"<results>/{first_studies()[run]}/seeds/{run.task}/{run.recipe}/{run.n}.parquet"


@functools.cache
def first_studies():
    """Run -> the first study that has it."""
    studies = [INSPECT, *settings.studies]
    return {run: study for study in reversed(studies) for run in runs_of_study(study)}


@functools.cache
def runs_by_cell():
    """Study, task, recipe and n -> its runs, which differ in their seed; looked up once, not once a job."""
    cells = {}
    for study in (INSPECT, *settings.studies):
        for run in runs_of_study(study):
            cells.setdefault((study, *run[:3]), []).append(run)
    return cells


def runs_of_cell(wildcards):
    return runs_by_cell()[wildcards.study, wildcards.task, wildcards.recipe, int(wildcards.n)]


def metrics_of_cell(wildcards):
    return [f"<results>/runs/{run.folder}/metrics.parquet" for run in runs_of_cell(wildcards)]


def checkpoint_files(wildcards):
    return list(map(str, inspection.checkpoints[run_of(wildcards)].values()))


def checkpoint_epochs(wildcards):
    return list(inspection.checkpoints[run_of(wildcards)])
