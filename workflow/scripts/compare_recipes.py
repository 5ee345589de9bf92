"""Compare the recipes of a study."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.comparisons import compare_recipes
    from causalgrok.analysis.settings import ComparisonSettings
    from causalgrok.tables import read_table, write_table

    settings = ComparisonSettings(**snakemake.params.comparisons)
    write_table(compare_recipes(read_table(snakemake.input[0]), settings), snakemake.output[0], "statistics")
