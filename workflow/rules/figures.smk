"""The figures of a study, each drawn from its tables alone; a figure's rule depends on that figure's module."""

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
                caption=f"../report/{figure.name}.rst",
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
