"""The figures of a study, each drawn from its tables alone; a figure's rule depends on that figure's module."""


rule plot_patches:
    """What do the patches look like? Draws some of every hospital and label."""
    input:
        splits_of_dataset,
    output:
        pdf="<data>/{dataset}/patches.pdf",
        svg=report(
            "<data>/{dataset}/patches.svg",
            caption="../report/patches.rst",
            category="Data",
            labels={"figure": "Patches by hospital and label"},
        ),
    log:
        "<logs>/plot_patches/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_patches/{dataset}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_patches"),
    script:
        "../scripts/plot_patches.py"


for figure in FIGURES.values():

    rule:
        """What do the tables look like? Draws one figure as PDF and SVG."""
        name:
            f"plot_{figure.name}"
        input:
            expand("<tables>/{table}.parquet", table=figure.tables, allow_missing=True),
        output:
            pdf=f"<results>/{{study}}/figures/{figure.name}.pdf",
            svg=report(
                f"<results>/{{study}}/figures/{figure.name}.svg",
                caption=f"../../{figure.caption}",
                category=figure.category,
                labels={"figure": figure.title},
            ),
        log:
            f"<logs>/plot/{{study}}/{figure.name}.log",
        benchmark:
            f"<benchmarks>/plot/{{study}}/{figure.name}.jsonl"
        localrule: True
        conda:
            "../../envs/analysis.yaml"
        params:
            figure=figure.name,
            code=code("plot_figure", f"causalgrok.plotting.{figure.module}"),
        script:
            "../scripts/plot_figure.py"
