"""From runs to studies: stacked tables, outcomes, and what the probes say against their controls."""

for study in STUDIES:
    for maker, tables in collected_together(study).items():

        rule:
            """What do all runs of a study say? Stacks the tables of theirs that one job a run makes."""
            name:
                f"collect_{study}_{maker}"
            input:
                **{table: functools.partial(run_tables, table=table) for table in tables},
            output:
                **{table: f"<results>/{{study}}/tables/{table}.parquet" for table in tables},
            log:
                f"<logs>/collect/{{study}}/{maker}.log",
            benchmark:
                f"<benchmarks>/collect/{{study}}/{maker}.jsonl"
            wildcard_constraints:
                study=study,
            localrule: True
            conda:
                "../../envs/analysis.yaml"
            params:
                runs=functools.partial(runs_of_tables, tables=tables),
                code=code("collect"),
            script:
                "../scripts/collect.py"


rule summarise_outcomes:
    """What became of each run? Memorised when, grokked or not, its peak, its end, its decline."""
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
        judgements=lambda wildcards: judgements(wildcards.study),
        code=code("summarise_outcomes"),
    script:
        "../scripts/summarise_outcomes.py"


rule summarise_sensitivity:
    """What would the runs be called under other thresholds of the detector?"""
    input:
        "<tables>/metrics.parquet",
    output:
        "<tables>/sensitivity.parquet",
    log:
        "<logs>/summarise_sensitivity/{study}.log",
    benchmark:
        "<benchmarks>/summarise_sensitivity/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        judgements=lambda wildcards: judgements(wildcards.study),
        code=code("summarise_sensitivity"),
    script:
        "../scripts/summarise_sensitivity.py"


rule summarise_decline:
    """Did accuracy fall at unseen hospitals, as far as their slides can tell?"""
    input:
        expand("<tables>/{table}.parquet", table=STUDY_TABLES["decline"], allow_missing=True),
    output:
        "<tables>/decline.parquet",
    log:
        "<logs>/summarise_decline/{study}.log",
    benchmark:
        "<benchmarks>/summarise_decline/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("summarise_decline"),
    script:
        "../scripts/summarise_decline.py"


rule compare_recipes:
    """Do the recipes differ, by how much, and could so few runs have shown it?"""
    input:
        "<tables>/outcomes.parquet",
    output:
        "<tables>/statistics.parquet",
    log:
        "<logs>/compare_recipes/{study}.log",
    benchmark:
        "<benchmarks>/compare_recipes/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/statistics.yaml"
    params:
        comparisons=settings.comparisons.model_dump(mode="json"),
        code=code("compare_recipes"),
    script:
        "../scripts/compare_recipes.py"


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
        judgements=lambda wildcards: judgements(wildcards.study),
        code=code("summarise_ungrokking"),
    script:
        "../scripts/summarise_ungrokking.py"


rule measure_shift:
    """How differently are the training subsets of a study made up than the split that judges them?"""
    input:
        subsets=subsets_of_study,
        tests=judging_splits_of_study,
    output:
        shift="<tables>/shift.parquet",
        composition="<tables>/composition.parquet",
    log:
        "<logs>/measure_shift/{study}.log",
    benchmark:
        "<benchmarks>/measure_shift/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        runs=lambda wildcards: list(map(list, runs_of_study(wildcards.study))),
        code=code("measure_shift"),
    script:
        "../scripts/measure_shift.py"


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


rule summarise_arms:
    """What became of each arm of a study? Puts tasks side by side."""
    input:
        expand("<tables>/{table}.parquet", table=STUDY_TABLES["arms"], allow_missing=True),
    output:
        "<tables>/arms.parquet",
    log:
        "<logs>/summarise_arms/{study}.log",
    benchmark:
        "<benchmarks>/summarise_arms/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        judgements=lambda wildcards: judgements(wildcards.study),
        code=code("summarise_arms"),
    script:
        "../scripts/summarise_arms.py"


rule summarise_mechanism:
    """What moved the weights of each run? Norms and angles against decay alone and against noise."""
    input:
        expand("<tables>/{table}.parquet", table=STUDY_TABLES["mechanism"], allow_missing=True),
    output:
        "<tables>/mechanism.parquet",
    log:
        "<logs>/summarise_mechanism/{study}.log",
    benchmark:
        "<benchmarks>/summarise_mechanism/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        recipes=recipes_of_study,
        code=code("summarise_mechanism"),
    script:
        "../scripts/summarise_mechanism.py"


rule estimate_factorial:
    """What does each setting do by itself, and together with the others?"""
    input:
        factorial_inputs,
    output:
        "<tables>/factorial.parquet",
    log:
        "<logs>/estimate_factorial/{study}.log",
    benchmark:
        "<benchmarks>/estimate_factorial/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/statistics.yaml"
    params:
        design=factorial_design,
        code=code("estimate_factorial"),
    script:
        "../scripts/estimate_factorial.py"


rule fit_critical_size:
    """From how many training examples on does a recipe generalise for good?"""
    input:
        "<tables>/metrics.parquet",
    output:
        "<tables>/critical_size.parquet",
    log:
        "<logs>/fit_critical_size/{study}.log",
    benchmark:
        "<benchmarks>/fit_critical_size/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        critical_size=critical_size_settings,
        code=code("fit_critical_size"),
    script:
        "../scripts/fit_critical_size.py"


rule compare_stopping:
    """When would criteria without test labels have stopped each run, and what would that have cost?"""
    input:
        expand("<tables>/{table}.parquet", table=STOPPING_INPUTS, allow_missing=True),
    output:
        "<tables>/stopping.parquet",
    log:
        "<logs>/compare_stopping/{study}.log",
    benchmark:
        "<benchmarks>/compare_stopping/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        stopping=stopping_settings,
        code=code("compare_stopping"),
    script:
        "../scripts/compare_stopping.py"


rule compare_reported:
    """Are the figures found again that the source printed, step by step?"""
    input:
        expand("<tables>/{table}.parquet", table=REPORTED_INPUTS, allow_missing=True),
    output:
        "<tables>/reported.parquet",
    log:
        "<logs>/compare_reported/{study}.log",
    benchmark:
        "<benchmarks>/compare_reported/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        figures=reported_figures,
        code=code("compare_reported"),
    script:
        "../scripts/compare_reported.py"


rule test_claims:
    """Do the sources' claims hold here? Measures and tests each, and says how far the runs can decide it."""
    input:
        tables=tables_of_claims,
        sources=sources_of_study,
    output:
        "<tables>/claims.parquet",
    log:
        "<logs>/test_claims/{study}.log",
    benchmark:
        "<benchmarks>/test_claims/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        ledger=ledger_settings,
        files=files_of_study,
        with_hospitals=lambda wildcards: sorted({run.task for run in about_hospitals(wildcards.study)}),
        code=code("test_claims"),
    script:
        "../scripts/test_claims.py"
