"""Which checkpoints are claims made at?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.checkpoints import name_checkpoints
    from causalgrok.tables import read_table, write_table

    seeds = snakemake.params.seeds
    metrics = {seed: read_table(path) for seed, path in zip(seeds, snakemake.input, strict=True)}
    named = name_checkpoints(metrics, snakemake.params.kept)
    write_table(named[named["seed"] == seeds[0]], snakemake.output[0], "checkpoints")
