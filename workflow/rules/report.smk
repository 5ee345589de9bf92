"""The report: Snakemake's own, as a result that is made once."""


rule report:
    """What does a study show? Its figures with captions, provenance and run times in one page."""
    input:
        figures=figures_of_study,
        tables=tables_of_study,
    output:
        "<results>/{study}/report.html",
    log:
        "<logs>/report/{study}.log",
    benchmark:
        "<benchmarks>/report/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        targets=report_targets,
        snakefile=os.path.relpath(workflow.main_snakefile),
        config=report_config,
        code=code("report"),
    script:
        "../scripts/report.py"
