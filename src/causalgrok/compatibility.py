"""Whether the parts of a config fit each other: recipes, datasets, networks, continued runs, sizes, tables, figures."""

from collections.abc import Iterator

from causalgrok.columns import HOSPITAL_TABLES, REPORTED_INPUTS, RUN_TABLES, STOPPING_INPUTS
from causalgrok.config import Config, Run, Study, Task, has_hospitals, parent_of
from causalgrok.config_file import KeyPath
from causalgrok.plotting import FIGURES

MOST_RUNS = 100_000
"""Of all studies together."""


def runs_problem(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """The study with which a config has more runs than can be planned, told without listing them.

    Yields:
        The key path and what is wrong there.
    """
    total = 0
    for name, study in config.studies.items():
        total += sum(len(part.n) * len(part.recipes) * len(part.seeds) for part in study.runs)
        if total > MOST_RUNS:
            yield ("studies", name, "runs"), f"with these there are {total:,} runs, above {MOST_RUNS:,}; ask for fewer"
            return


def misfits(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """What does not fit in a config whose names may or may not exist, which is not said here.

    Yields:
        The key path and what is wrong there.
    """
    for name, recipe in config.recipes.items():
        if (lost := recipe.exposure(1)) >= 1:
            path = ("recipes", name, "weight_decay")
            yield path, f"{recipe.weight_decay:g} x learning_rate is {lost:g} of the weights a step; take less than all"
    yield from _dataset_problems(config)
    for name, task in config.tasks.items():
        yield from _task_problems(config, name, task)
    for name, study in config.studies.items():
        yield from _analysis_problems(name, study)
        yield from _run_problems(config, name, study)


def batch_problem(config: Config, task_name: str, recipes: list[str], n: int) -> str | None:
    """What keeps a task's network from being trained on n examples in the batches of these recipes."""
    task = config.tasks.get(task_name)
    for recipe in recipes:
        batch = config.recipes[recipe].batch_size if recipe in config.recipes else None
        if task and batch and task.model.batch_normalised and (n % batch or batch) == 1:
            return f"{n} leaves a last batch of 1 (recipe {recipe}, batch_size {batch}): batch normalisation needs 2"
    return None


def places(config: Config, run: Run) -> Iterator[KeyPath]:
    """The key paths of the n that ask for a run."""
    for name, study in config.studies.items():
        for i, runs in enumerate(study.runs):
            if runs.task == run.task and run.n in runs.n:
                yield "studies", name, "runs", i, "n", runs.n.index(run.n)
    for name, task in config.tasks.items():
        if task.continues and (task.continues.task, task.continues.n) == (run.task, run.n):
            yield "tasks", name, "continues", "n"


def _dataset_problems(config: Config) -> Iterator[tuple[KeyPath, str]]:
    packed = [(name, dataset) for name, dataset in config.datasets.items() if not dataset.drawn]
    for name, dataset in packed:
        path = ("datasets", name)
        if dataset.ood_val_hospital == dataset.ood_test_hospital:
            yield (*path, "ood_test_hospital"), f"{dataset.ood_test_hospital} is the ood_val_hospital too; take another"
        if "rendered" in dataset.counterfactuals and dataset.source.kind != "tissue":
            yield (*path, "counterfactual_methods"), "rendered is for generated tissue; take macenko or reinhard"
        if dataset.image_size > dataset.native_size:
            yield (
                (*path, "image_size"),
                f"{dataset.image_size} is above the source's {dataset.native_size}; patches are never enlarged",
            )
    downloads = [(name, dataset.source) for name, dataset in packed if dataset.source.kind == "camelyon17"]
    for name, source in downloads[1:]:
        if source != downloads[0][1]:
            yield ("datasets", name, "source"), f"differs from datasets.{downloads[0][0]}.source; downloads are shared"


def _task_problems(config: Config, name: str, task: Task) -> Iterator[tuple[KeyPath, str]]:
    """Whether a task's dataset, network and the run it continues fit each other."""
    path = ("tasks", name)
    dataset = config.datasets.get(task.dataset)
    if dataset and dataset.holds not in task.model.reads:
        yield (
            (*path, "model", "name"),
            f"{task.model.name} reads {' or '.join(task.model.reads)}, dataset {task.dataset} holds {dataset.holds}; "
            "take another",
        )
    output = getattr(task.model, "output", "linear")
    if task.loss == "cross_entropy" and output != "linear":
        yield (
            (*path, "model", "output"),
            f"{output}, but the loss is cross_entropy, which has its own softmax; take linear, or the loss mse",
        )
    if dataset and dataset.drawn and task.label_hospital_correlation:
        said = "is balanced" if dataset.has_hospitals else "has no hospitals"
        yield (*path, "label_hospital_correlation"), f"dataset {task.dataset} {said}; leave it out"
    parent = task.continues and config.tasks.get(task.continues.task)
    if parent and parent.continues:
        yield (
            (*path, "continues", "task"),
            f"{task.continues.task} continues another run itself; take a task whose runs start from their "
            "initialisation",
        )
    if parent:
        for key in ("dataset", "label_hospital_correlation", "model"):
            if getattr(parent, key) != getattr(task, key):
                yield (*path, key), f"differs from that of tasks.{task.continues.task}, which is continued"
    if getattr(dataset, "has_hospitals", False):
        counts = config.measurements[task.measurement].neuron_counts if task.measurement in config.measurements else []
        if counts and not any(0 < count < task.model.features for count in counts):
            yield (
                (*path, "measurement"),
                f"{task.measurement!r} has no neuron count from 1 to {task.model.features - 1}, below the network's "
                "features; take a measurement with smaller neuron_counts, or a wider network",
            )


def _analysis_problems(name: str, study: Study) -> Iterator[tuple[KeyPath, str]]:
    """Whether a study asks for something, and for the tables that this is found out from."""
    path = ("studies", name)
    if not (study.runs or study.planted or study.calibration):
        yield (*path, "runs"), "is empty; name runs, or what is planted or calibrated"
    if study.runs and not study.tables:
        yield (*path, "tables"), "is empty; name one at least, or leave it out for all of them"
    if study.stopping and (missing := sorted(set(STOPPING_INPUTS) - set(study.tables))):
        yield (*path, "stopping"), f"is found out from the tables {', '.join(missing)} too"
    if study.reported and (missing := sorted(set(REPORTED_INPUTS) - set(study.tables))):
        yield (*path, "reported"), f"is compared with the tables {', '.join(missing)} too"
    if study.critical_size:
        yield from _sizes_problems(name, study)
    for i, figure in enumerate(study.figures or []):
        if missing := sorted(set(FIGURES[figure].tables) - set(study.all_tables)):
            yield (*path, "figures", i), f"{figure} needs the tables {', '.join(missing)}"


def _sizes_problems(name: str, study: Study) -> Iterator[tuple[KeyPath, str]]:
    path = ("studies", name, "critical_size")
    if "metrics" not in study.tables:
        yield path, "it is read off the table metrics, which the study's tables leave out"
    sizes: dict[tuple[str, str], set[int]] = {}
    for run in study.all_runs:
        sizes.setdefault((run.task, run.recipe), set()).add(run.n)
    single = [
        f"task {task} has one n with recipe {recipe}" for (task, recipe), found in sizes.items() if len(found) < 2
    ]
    if single:
        yield path, f"{single[0]}; a critical size needs two"


def _run_problems(config: Config, name: str, study: Study) -> Iterator[tuple[KeyPath, str]]:
    """Whether a study's tables are those its tasks can have, and its continued runs can be."""
    runs = [run for run in study.all_runs if run.task in config.tasks]
    if any(config.tasks[run.task].dataset not in config.datasets for run in runs):
        return
    refused = [table for table in study.tables if table in HOSPITAL_TABLES]
    if refused and runs and not any(has_hospitals(config, run) for run in runs):
        kept = ", ".join(table for table in RUN_TABLES if table not in HOSPITAL_TABLES)
        yield ("studies", name, "tables"), f"no task here has hospitals for {', '.join(refused)}; take {kept}"
    for i, part in enumerate(study.runs):
        continued = config.tasks[part.task].continues if part.task in config.tasks else None
        for j, n in enumerate(part.n):
            if message := batch_problem(config, part.task, part.recipes, n):
                yield ("studies", name, "runs", i, "n", j), message
            if continued and n > continued.n:
                yield (
                    ("studies", name, "runs", i, "n", j),
                    f"{n} is above the {continued.n} examples of the run that is continued; expected a part of them",
                )
    if study.ungrokking:
        parents = {parent for run in runs if (parent := parent_of(config, run))}
        known = [run for run in parents if run.task in config.tasks and run.recipe in config.recipes]
        if not parents:
            yield ("studies", name, "ungrokking"), "no run of the study continues another; see `continues` of tasks"
        if lacking := sorted(run for run in known if run not in runs and not config.tasks[run.task].continues):
            yield ("studies", name, "runs"), f"the run {lacking[0].folder}, which is continued, is missing here; add it"
        if "metrics" not in study.tables:
            yield ("studies", name, "tables"), "ungrokking is judged from metrics; add it"
