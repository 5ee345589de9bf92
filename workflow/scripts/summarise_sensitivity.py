"""Say what became of each run under other thresholds."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.sensitivity import summarise_sensitivity
    from causalgrok.analysis.settings import judgements_from
    from causalgrok.tables import read_table, write_table

    judgements = judgements_from(snakemake.params.judgements)
    write_table(summarise_sensitivity(read_table(snakemake.input[0]), judgements), snakemake.output[0], "sensitivity")
