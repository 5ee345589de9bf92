"""The jobs of a study as actions: what each read, made and was told, and the run that they are together.

After the profile Provenance Run Crate: a `CreateAction` a job, whose instrument is the rule's script; a `HowToStep` a
rule; a `ControlAction` that says which job was which step; and an `OrganizeAction` for Snakemake, which ran them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from causalgrok.crate.entities import add, add_value, moment, references
from causalgrok.crate.names import CONFIG, ORIGIN, RUN, inside, outside
from causalgrok.crate.records import Job

_ENGINE = "https://snakemake.github.io"


def add_run(crate: ROCrate, jobs: Sequence[Job], targets: Sequence[str], codes: Mapping[str, Entity]) -> None:
    """Add every job, the steps they are, and the run.

    Args:
        jobs: in the order they ended.
        targets: the results that the run was for.
        codes: hash -> its entity.
    """
    workflow = crate.mainEntity
    steps = {rule: _step(crate, rule, job, n) for n, (rule, job) in enumerate({j.rule: j for j in jobs}.items())}
    workflow["step"] = list(steps.values())
    actions = [_action(crate, job, codes[job.code]) for job in jobs]
    controls = [
        add(crate, f"#control/{job.outputs[0]}", "ControlAction", instrument=steps[job.rule], object=action)
        for job, action in zip(jobs, actions, strict=True)
    ]
    times = {
        "startTime": moment(min(job.started for job in jobs)),
        "endTime": moment(max(job.ended for job in jobs)),
    }
    run = add(
        crate,
        RUN,
        "CreateAction",
        name="the study",
        instrument=workflow,
        object=[crate.get(CONFIG), *_sources(crate, jobs)],
        result=references(_file(crate, path) for path in targets),
        **times,
    )
    engine = add(crate, _ENGINE, "SoftwareApplication", name="Snakemake", url=_ENGINE)
    organised = add(
        crate,
        "#snakemake",
        "OrganizeAction",
        name="Snakemake runs the study",
        instrument=engine,
        object=controls,
        result=run,
        **times,
    )
    crate.root_dataset["mentions"] = [run, organised, *actions]


def _step(crate: ROCrate, rule: str, job: Job, position: int) -> Entity:
    return add(crate, f"#rule/{rule}", "HowToStep", name=rule, position=str(position), workExample=_tool(crate, job))


def _action(crate: ROCrate, job: Job, code: Entity) -> Entity:
    objects = [*references(_file(crate, path) for path in job.inputs), *_origins(crate, job)]
    objects += [code, *(add_value(crate, "param", f"param of {job.rule}", text) for text in job.params)]
    return add(
        crate,
        f"#job/{job.outputs[0]}",
        "CreateAction",
        name=job.rule,
        instrument=_tool(crate, job),
        object=objects,
        result=references(_file(crate, path) for path in job.outputs),
        environment=_environment(crate, job),
        startTime=moment(job.started),
        endTime=moment(job.ended),
        actionStatus="http://schema.org/CompletedActionStatus",
    )


def _tool(crate: ROCrate, job: Job) -> Entity:
    return crate.get(inside(f"workflow/scripts/{job.script}"))


def _file(crate: ROCrate, path: str) -> Entity:
    return crate.get(inside(path)) or crate.get(outside(path))


def _sources(crate: ROCrate, jobs: Sequence[Job]) -> list[Entity]:
    """What the study starts from and no job of it made."""
    made = {path for job in jobs for path in job.outputs}
    read = {path for job in jobs for path in job.inputs} - made
    return [_file(crate, path) for path in sorted(read)] + references(o for job in jobs for o in _origins(crate, job))


def _origins(crate: ROCrate, job: Job) -> list[Entity]:
    """Where a job found data that it did not generate, by the `source.json` it left."""
    found = []
    for path in job.outputs:
        source = json.loads(Path(path).read_bytes()) if path.endswith("/source.json") else {}
        if "origin" in source:
            official = "is" if source.get("matches_official") else "is not"
            text = f"{source['name']}: {source['origin']}; it {official} what the official release holds"
            found.append(add(crate, f"{ORIGIN}{source['name']}", "CreativeWork", name=source["name"], description=text))
    return found


def _environment(crate: ROCrate, job: Job) -> list[Entity]:
    """The environment that the rule names and, of a training, the versions and hardware in its run.json."""
    name = "environment of the rule, deployed" if job.deployed else "environment of the rule, not deployed"
    values = [add_value(crate, "environment", name, job.environment)]
    for path in job.outputs:
        stated = json.loads(Path(path).read_bytes()).get("environment", {}) if path.endswith("/run.json") else {}
        values += [
            add_value(crate, "environment", name, text if isinstance(text, str) else json.dumps(text, sort_keys=True))
            for name, text in sorted(stated.items())
        ]
    return values
