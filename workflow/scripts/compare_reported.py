"""Hold a study's runs against the figures that its source printed."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.analysis.reported import as_markdown, compare_reported
    from causalgrok.tables import read_table, write_table

    tables = {Path(path).stem: read_table(path) for path in snakemake.input}
    reported = compare_reported(**tables, figures=snakemake.params.figures)
    write_table(reported, snakemake.output[0], "reported")
    print(as_markdown(reported))
