"""From how many training examples on does a recipe generalise for good?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.critical_size import fit_critical_size
    from causalgrok.tables import read_table, write_table

    metrics = read_table(snakemake.input[0])
    write_table(fit_critical_size(metrics, **snakemake.params.critical_size), snakemake.output[0], "critical_size")
