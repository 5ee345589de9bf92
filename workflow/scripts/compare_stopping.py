"""When would criteria without test labels have stopped each run, and what would that have cost?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.analysis.stopping import compare_stopping
    from causalgrok.tables import read_table, write_table

    tables = {Path(path).stem: read_table(path) for path in snakemake.input}
    write_table(compare_stopping(**tables, **snakemake.params.stopping), snakemake.output[0], "stopping")
