"""Whether dataset, network, the run that is continued and the tables that are asked for fit each other."""

from collections.abc import Iterator

from causalgrok.columns import HOSPITAL_TABLES, RUN_TABLES
from causalgrok.config import Config, Study, Task, has_hospitals, parent_of


def misfits(config: Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What does not fit in a config whose names may or may not exist, which is not said here.

    Yields:
        The key path and what is wrong there.
    """
    for name, task in config.tasks.items():
        yield from _task_problems(config, name, task)
    for name, study in config.studies.items():
        yield from _study_problems(config, name, study)


def _task_problems(config: Config, name: str, task: Task) -> Iterator[tuple[tuple[str | int, ...], str]]:
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


def _study_problems(config: Config, name: str, study: Study) -> Iterator[tuple[tuple[str | int, ...], str]]:
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
