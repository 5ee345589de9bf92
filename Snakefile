"""causalgrok: what did a network trained on a few hundred images store, and did it grok?

Targets are the names of the studies in config.yaml; a bare `snakemake` builds those that its key `build` names.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: f"{workflow.basedir}/config.yaml"


report: "workflow/report/index.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/studies.smk"


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
