"""What Snakefile tells people when it starts and ends."""


def briefing():
    """The library's words; read when they are needed, which jobs of a pipeline never do."""
    from causalgrok import briefing

    return briefing


def tell(lines):
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def jobs_to_do():
    """The jobs of this start but for targets, which do nothing."""
    return [
        briefing().Job(
            job.rule.name,
            str(job.benchmark or ""),
            f"results/runs/{run_of(job.wildcards).folder}" if job.rule.name == "train" else "",
            job.threads,
            job.resources.get("gpu", 0),
            sum(path.endswith(".svg") for path in job.output),
        )
        for job in workflow.dag.needrun_jobs()
        if job.output
    ]


def studies_built():
    """The studies that were asked for whole."""
    asked = {job.rule.name for job in workflow.dag.jobs if not job.output}
    return [
        *(study for study in settings.studies if study in asked or ("all" in asked and study in settings.build)),
        *([INSPECT] if INSPECT in asked else []),
    ]
