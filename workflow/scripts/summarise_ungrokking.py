"""Did networks that had grokked fall back on fewer examples, and does where they end depend on the recipe?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.settings import UngrokkingSettings, judgements_from
    from causalgrok.analysis.ungrokking import contrast_recipes, judge_continued
    from causalgrok.tables import read_table, write_table

    chosen = snakemake.params.ungrokking
    settings = UngrokkingSettings(**chosen["protocol"])
    judgements = judgements_from(snakemake.params.judgements)
    judged = judge_continued(read_table(snakemake.input[0]), chosen["continued"], settings, judgements)
    write_table(judged, snakemake.output.ungrokking, "ungrokking")
    write_table(contrast_recipes(judged, settings), snakemake.output.contrasts, "ungrokking_contrasts")
