"""The figures of a study, drawn from its tables alone: those under one heading in one job, which depends on their modules."""


rule plot_patches:
    """What do the patches look like? Draws some of every hospital and label."""
    input:
        splits_of_examples,
    output:
        pdf="<data>/{examples}/patches.pdf",
        svg=report(
            "<data>/{examples}/patches.svg",
            caption="../report/patches.rst",
            category="Data",
            labels={"figure": "Patches by hospital and label"},
        ),
    log:
        "<logs>/plot_patches/{examples}.log",
    benchmark:
        "<benchmarks>/plot_patches/{examples}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_patches"),
    script:
        "../scripts/plot_patches.py"


rule plot_clusters:
    """What do clusters look like? Draws the images nearest to each one's centroid."""
    input:
        "<data>/clusters/{clusters}/clusters.safetensors",
    output:
        pdf="<data>/clusters/{clusters}/clusters.pdf",
        svg=report(
            "<data>/clusters/{clusters}/clusters.svg",
            caption="../report/clusters.rst",
            category="Data",
            labels={"figure": "Images nearest to the centroids of clusters"},
        ),
    log:
        "<logs>/plot_clusters/{clusters}.log",
    benchmark:
        "<benchmarks>/plot_clusters/{clusters}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_clusters"),
    script:
        "../scripts/plot_clusters.py"


for study in STUDIES:
    for category, figures in figures_by_category(study).items():

        rule:
            """What do the tables look like? Draws the figures under one heading of a study's report as PDF and SVG."""
            name:
                f"plot_{study}_{category.lower()}"
            input:
                expand("<tables>/{table}.parquet", table=tables_of_figures(figures), allow_missing=True),
            output:
                pdf=[f"<results>/{{study}}/figures/{figure.name}.pdf" for figure in figures],
                svg=[
                    report(
                        f"<results>/{{study}}/figures/{figure.name}.svg",
                        caption=f"../../{figure.caption}",
                        category=category,
                        labels={"figure": figure.title},
                    )
                    for figure in figures
                ],
            log:
                f"<logs>/plot/{{study}}/{category.lower()}.log",
            benchmark:
                f"<benchmarks>/plot/{{study}}/{category.lower()}.jsonl"
            wildcard_constraints:
                study=study,
            localrule: True
            conda:
                "../../envs/analysis.yaml"
            params:
                figures=[figure.name for figure in figures],
                modules=modules_of_figures(figures),
                chance=guessing(study) if any(figure.chance for figure in figures) else {},
                code=code("plot_figures", *modules_of_figures(figures)),
            script:
                "../scripts/plot_figures.py"
