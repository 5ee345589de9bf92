"""Show the evaluation images as every hospital's."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.data.counterfactuals import make_counterfactuals, save
    from causalgrok.data.splits import Split
    from causalgrok.data.tissue import TissueSettings

    chosen = snakemake.params.counterfactual
    tissue = chosen["tissue"] and TissueSettings(**chosen["tissue"])
    splits = {Path(path).stem: Split.load(path) for path in snakemake.input.splits}
    made = make_counterfactuals(splits, methods=chosen["methods"], images=chosen["images"], tissue=tissue)
    save(made, snakemake.output[0])
