"""The probes themselves on trial: generated features whose hospital effect is known."""


rule validate_probes:
    """Do the probes find what was planted, and nothing where nothing was?"""
    output:
        power="<results>/{study}/planted/{case}/validation.parquet",
        recovery="<results>/{study}/planted/{case}/recovery.parquet",
    log:
        "<logs>/validate_probes/{study}/{case}.log",
    benchmark:
        "<benchmarks>/validate_probes/{study}/{case}.jsonl"
    wildcard_constraints:
        case="|".join(CASES),
    conda:
        "../../envs/erasing.yaml"
    params:
        planted=planted_settings,
        code=code("validate_probes"),
    script:
        "../scripts/validate_probes.py"


rule collect_planted:
    """What do all planted cases say? Stacks one of their tables."""
    input:
        expand("<results>/{study}/planted/{case}/{table}.parquet", case=CASES, allow_missing=True),
    output:
        "<tables>/{table}.parquet",
    log:
        "<logs>/collect_planted/{study}/{table}.log",
    benchmark:
        "<benchmarks>/collect_planted/{study}/{table}.jsonl"
    wildcard_constraints:
        table="validation|recovery",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("collect_planted"),
    script:
        "../scripts/collect_planted.py"
