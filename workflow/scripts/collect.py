"""Stack tables of several runs, one table after the other."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import pandas as pd

    from causalgrok.columns import RUN
    from causalgrok.tables import read_table, write_table

    for table, runs in snakemake.params.runs.items():
        frames = (
            read_table(path).assign(**dict(zip(RUN, run, strict=True)))
            for run, path in zip(runs, snakemake.input[table], strict=True)
        )
        write_table(pd.concat(frames), snakemake.output[table], table)
