"""What a study is read in: claims, the explorer, Snakemake's own report, a paper, and the bundle that others check."""


rule present_claims:
    """Which of the sources' claims hold? Writes the verdicts with their evidence as a page."""
    input:
        "<tables>/claims.parquet",
    output:
        report(
            "<results>/{study}/claims.html",
            caption="../report/claims.rst",
            category="Claims",
            labels={"figure": "Verdicts on the sources' claims"},
        ),
    log:
        "<logs>/present_claims/{study}.log",
    benchmark:
        "<benchmarks>/present_claims/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        titles=titles_of_claims,
        code=code("present_claims"),
    script:
        "../scripts/present_claims.py"


rule draw_explorer:
    """What lies behind a verdict? One page to walk through a study's runs, epoch by epoch."""
    input:
        tables=tables_of_explorer,
        splits=splits_of_gallery,
    output:
        "<results>/{study}/explorer.html",
    log:
        "<logs>/draw_explorer/{study}.log",
    benchmark:
        "<benchmarks>/draw_explorer/{study}.jsonl"
    priority: -1  # the report waits for everything but this
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        about=about_study,
        assets=[sha256(path) for path in ASSETS],
        code=code("draw_explorer"),
    script:
        "../scripts/draw_explorer.py"


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
        config=report_overlay,
        code=code("report"),
    script:
        "../scripts/report.py"


rule typeset_paper:
    """What would a paper say of it? Sets figures, verdicts, definitions and provenance; no target asks for it by itself."""
    input:
        tables=tables_of_study,
        pictures=pictures_of_paper,
        records=records_of_study,
    output:
        "<results>/{study}/paper.pdf",
    log:
        "<logs>/typeset_paper/{study}.log",
    benchmark:
        "<benchmarks>/typeset_paper/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/paper.yaml"
    params:
        about=about_study,
        judgements=lambda wildcards: judgements(wildcards.study),
        captions=captions_of_paper,
        templates=templates_of_paper,
        code=code("typeset_paper"),
    script:
        "../scripts/typeset_paper.py"


rule export_study:
    """Can others check it? Bundles a study with all that led to it as an RO-Crate; no target asks for it by itself."""
    input:
        results_of_study,
    output:
        "<results>/{study}/crate.zip",
    log:
        "<logs>/export_study/{study}.log",
    benchmark:
        "<benchmarks>/export_study/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/crate.yaml"
    params:
        root=os.path.relpath(ROOT),
        config=report_config,
        code=code("export_study"),
    script:
        "../scripts/export_study.py"
