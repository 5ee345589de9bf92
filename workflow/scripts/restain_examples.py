"""Show the images that a seed drew as every hospital's."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from functools import partial
    from pathlib import Path

    from causalgrok.data.counterfactuals import save, show_all
    from causalgrok.data.registry import show
    from causalgrok.data.splits import Split
    from causalgrok.data.wilds_layout import HOSPITALS

    splits = {Path(path).stem: Split.load(path) for path in snakemake.input.splits}
    shown = partial(show, snakemake.params.source, seed=int(snakemake.wildcards.seed))
    save(show_all(splits, shown, HOSPITALS), snakemake.output[0])
