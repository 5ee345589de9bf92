"""Which checkpoints are claims made at?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.checkpoints import name_checkpoints
    from causalgrok.tables import read_table, write_table

    metrics = dict(iter(read_table(snakemake.input[0]).groupby("seed")))
    named = name_checkpoints(metrics, {int(snakemake.wildcards.seed): snakemake.params.kept})
    write_table(named, snakemake.output[0], "checkpoints")
