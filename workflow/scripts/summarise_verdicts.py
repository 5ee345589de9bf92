"""Does any probe find more than its controls do?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.analysis.verdicts import summarise_verdicts
    from causalgrok.tables import read_table, write_table

    tables = {Path(path).stem: read_table(path) for path in snakemake.input}
    write_table(summarise_verdicts(**tables), snakemake.output[0], "verdicts")
