"""Draw one seed's training subset, pack it, and write its manifest."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import json
    from pathlib import Path

    from causalgrok.data.packing import pack
    from causalgrok.data.subsets import draw_subset, manifest
    from causalgrok.tables import read_table, write_table

    pool = read_table(snakemake.input.pool).set_index("row")
    wildcards = snakemake.wildcards
    rows = draw_subset(pool, int(wildcards.n), seed=int(wildcards.seed), correlation=float(wildcards.correlation))
    root = json.loads(Path(snakemake.input.source).read_text())["root"]
    subset = pack(root, pool, rows, size=snakemake.params.dataset["image_size"])
    table = manifest(subset)
    subset.save(snakemake.output.split)
    write_table(table, snakemake.output.manifest, "subset")
    print(f"{len(subset)} patches, I(label; hospital) = {table['mutual_information'].iloc[0]:.3f} bits")
