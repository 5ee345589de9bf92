"""Write a study as a paper."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.files import write_bytes
    from causalgrok.paper.document import document
    from causalgrok.paper.typesetting import typeset
    from causalgrok.tables import read_table

    content = document(
        {Path(path).stem: read_table(path) for path in snakemake.input.tables},
        pictures=snakemake.input.pictures,
        records=snakemake.input.records,
        sources=snakemake.input.tables,
        captions={Path(path).stem: Path(path).read_text() for path in snakemake.params.captions},
        judgements=snakemake.params.judgements,
        **snakemake.params.about,
    )
    write_bytes(snakemake.output[0], typeset(content, snakemake.input.pictures))
