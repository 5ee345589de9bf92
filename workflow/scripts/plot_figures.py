"""Draw the figures under one heading of a study's report."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.plotting import FIGURES, draw
    from causalgrok.plotting.style import named_in_errors, save_figure
    from causalgrok.tables import read_table

    tables = {Path(path).stem: read_table(path) for path in snakemake.input}
    for figure, pdf, svg in zip(snakemake.params.figures, snakemake.output.pdf, snakemake.output.svg, strict=True):
        with named_in_errors(figure):
            options = {"chance": snakemake.params.chance} if FIGURES[figure].chance else {}
            save_figure(draw(figure, tables, **options), pdf, svg)
