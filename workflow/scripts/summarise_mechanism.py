"""What moved the weights of each run?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.analysis.mechanism import summarise_mechanism
    from causalgrok.tables import read_table, write_table

    tables = {Path(path).stem: read_table(path) for path in snakemake.input}
    write_table(summarise_mechanism(**tables, recipes=snakemake.params.recipes), snakemake.output[0], "mechanism")
