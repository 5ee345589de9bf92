"""From runs to studies: stacked tables, outcomes, and what the probes say against their controls."""


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


rule summarise_verdicts:
    """Does any probe find more than its controls do?"""
    input:
        expand("<tables>/{table}.parquet", table=STUDY_TABLES["verdicts"], allow_missing=True),
    output:
        "<tables>/verdicts.parquet",
    log:
        "<logs>/summarise_verdicts/{study}.log",
    benchmark:
        "<benchmarks>/summarise_verdicts/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("summarise_verdicts"),
    script:
        "../scripts/summarise_verdicts.py"


rule summarise_ungrokking:
    """Did networks that had grokked fall back on fewer examples, and does where they end depend on the recipe?"""
    input:
        "<tables>/metrics.parquet",
    output:
        ungrokking="<tables>/ungrokking.parquet",
        contrasts="<tables>/ungrokking_contrasts.parquet",
    log:
        "<logs>/summarise_ungrokking/{study}.log",
    benchmark:
        "<benchmarks>/summarise_ungrokking/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        ungrokking=ungrokking_settings,
        code=code("summarise_ungrokking"),
    script:
        "../scripts/summarise_ungrokking.py"


rule correlate_reliance:
    """Which probes measure how much a network relies on stain, and which do not?"""
    input:
        expand("<tables>/{table}.parquet", table=STUDY_TABLES["reliance"], allow_missing=True),
    output:
        "<tables>/reliance.parquet",
    log:
        "<logs>/correlate_reliance/{study}.log",
    benchmark:
        "<benchmarks>/correlate_reliance/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("correlate_reliance"),
    script:
        "../scripts/correlate_reliance.py"
