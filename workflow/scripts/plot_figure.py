"""Draw one figure from a study's tables."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.plotting import draw
    from causalgrok.plotting.style import save_figure
    from causalgrok.tables import read_table

    tables = {Path(path).stem: read_table(path) for path in snakemake.input}
    save_figure(draw(snakemake.params.figure, tables), snakemake.output.pdf, snakemake.output.svg)
