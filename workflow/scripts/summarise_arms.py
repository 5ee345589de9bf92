"""Say in one row what became of each arm of a study, so that tasks stand side by side."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.analysis.arms import summarise_arms
    from causalgrok.analysis.settings import judgements_from
    from causalgrok.tables import read_table, write_table

    tables = {Path(path).stem: read_table(path) for path in snakemake.input}
    judgements = judgements_from(snakemake.params.judgements)
    write_table(summarise_arms(**tables, judgements=judgements), snakemake.output[0], "arms")
