"""Say how far accuracy fell at every hospital, as its slides see it."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.decline import summarise_decline
    from causalgrok.tables import read_table, write_table

    write_table(summarise_decline(*map(read_table, snakemake.input)), snakemake.output[0], "decline")
