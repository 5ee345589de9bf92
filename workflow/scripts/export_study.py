"""Write a finished study as an RO-Crate."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.crate.export import export_study

    export_study(
        snakemake.wildcards.study,
        list(snakemake.input),
        snakemake.output[0],
        root=Path(snakemake.params.root),
        config=snakemake.params.config,
        records=Path(".snakemake/metadata"),
    )
