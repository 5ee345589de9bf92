"""Let Snakemake write its report of one study, with the config this pipeline runs with."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.reporting import write_report

    write_report(
        snakemake.params.targets,
        snakemake.output[0],
        snakefile=snakemake.params.snakefile,
        config=snakemake.params.config,
    )
