"""What does each setting do by itself, and together with the others?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.analysis.factorial import estimate_factorial
    from causalgrok.tables import read_table, write_table

    tables = {Path(path).stem: read_table(path) for path in snakemake.input}
    write_table(estimate_factorial(tables, **snakemake.params.design), snakemake.output[0], "factorial")
