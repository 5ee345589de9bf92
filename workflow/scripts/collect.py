"""Stack one table of several runs."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import pandas as pd

    from causalgrok.columns import RUN
    from causalgrok.tables import read_table, write_table

    frames = [
        read_table(path).assign(**dict(zip(RUN, run, strict=True)))
        for run, path in zip(snakemake.params.runs, snakemake.input, strict=True)
    ]
    write_table(pd.concat(frames), snakemake.output[0], snakemake.params.table)
