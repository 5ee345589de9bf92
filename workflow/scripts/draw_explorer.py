"""Write the page on which a study's runs are looked at."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.explorer.page import explorer_page
    from causalgrok.explorer.reading import read_patches, read_tables
    from causalgrok.files import write_bytes

    page = explorer_page(
        **read_tables(snakemake.input.tables), patches=read_patches(snakemake.input.splits), **snakemake.params.about
    )
    write_bytes(snakemake.output[0], page.encode())
