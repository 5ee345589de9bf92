"""Which probes measure how much a network relies on stain?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.analysis.reliance import correlate_reliance
    from causalgrok.tables import read_table, write_table

    tables = {Path(path).stem: read_table(path) for path in snakemake.input}
    write_table(correlate_reliance(**tables), snakemake.output[0], "reliance")
