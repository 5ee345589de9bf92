"""Write the verdicts on the sources' claims as a page."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.claims.page import claims_page
    from causalgrok.files import write_bytes
    from causalgrok.tables import read_table

    page = claims_page(read_table(snakemake.input[0]), study=snakemake.wildcards.study, **snakemake.params.titles)
    write_bytes(snakemake.output[0], page.encode())
