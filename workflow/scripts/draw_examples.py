"""Draw one seed's training subset and the splits that judge it."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.data.registry import draw

    wildcards, files = snakemake.wildcards, snakemake.input.files
    splits = draw(
        snakemake.params.source,
        n=int(wildcards.n),
        seed=int(wildcards.seed),
        files=Path(files) if files else None,
    )
    for path in map(Path, snakemake.output):
        splits[path.stem].save(path)
        print(f"{path.stem}: {len(splits[path.stem])} examples")
