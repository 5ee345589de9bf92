"""Pack somebody else's images."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.data.image_table import assign, pack, read_table

    params = snakemake.params
    splits = pack(assign(read_table(snakemake.input[0]), held_out=params.held_out, seed=0), size=params.image_size)
    for path in snakemake.output:
        splits[Path(path).stem].save(path)
        print(f"{Path(path).stem}: {len(splits[Path(path).stem])} images")
