"""causalgrok: what did a network trained on a few hundred images store, and did it grok?

Targets are the names of the studies in config.yaml; a bare `snakemake` builds those that its key `build` names.
"""

from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/plain_config.smk"


configfile: f"{ROOT}/config.yaml"


report: "workflow/report/index.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/studies.smk"


container: settings.container


rule all:
    """The studies that the config's key `build` names."""
    input:
        [study_targets(study) for study in settings.build],
    localrule: True


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/counterfactuals.smk"
include: "workflow/rules/interventions.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/planted.smk"
include: "workflow/rules/calibration.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/inspect.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/briefing.smk"


onstart:
    # Its rate limiter (of 9.27) asks for one more scheduling pass a second with every job that has finished. After some
    # hundred jobs it schedules without pause, at more cost than many a job. Its default limit is not reached here.
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
    tell(briefing().plan(jobs_to_do(), workflow.cores if workflow.local_exec else None))


onsuccess:
    tell(briefing().ending(studies_built()))


onerror:
    tell(briefing().failures(*map(Path, log)))
