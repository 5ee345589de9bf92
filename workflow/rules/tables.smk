"""From runs to studies: stacked tables and one row of outcomes a run."""


rule collect:
    """What do all runs of a study say? Stacks one of their tables."""
    input:
        run_tables,
    output:
        "<tables>/{table}.parquet",
    log:
        "<logs>/collect/{study}/{table}.log",
    benchmark:
        "<benchmarks>/collect/{study}/{table}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        runs=study_runs,
        code=code("collect"),
    script:
        "../scripts/collect.py"


rule summarise_outcomes:
    """What became of each run? Memorised when, its peak, its end, its decline."""
    input:
        "<tables>/metrics.parquet",
    output:
        "<tables>/outcomes.parquet",
    log:
        "<logs>/summarise_outcomes/{study}.log",
    benchmark:
        "<benchmarks>/summarise_outcomes/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("summarise_outcomes"),
    script:
        "../scripts/summarise_outcomes.py"
