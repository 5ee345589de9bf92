"""Stack one table of all planted cases."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import pandas as pd

    from causalgrok.tables import read_table, write_table

    frames = [read_table(path) for path in snakemake.input]
    write_table(pd.concat(frames), snakemake.output[0], snakemake.wildcards.table)
