"""Draw some patches as every hospital's, beside their originals."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.data.counterfactuals import examples, load
    from causalgrok.data.splits import Split
    from causalgrok.plotting.restaining import restaining
    from causalgrok.plotting.style import save_figure

    splits = {Path(path).stem: Split.load(path) for path in snakemake.input.splits}
    figure = restaining(*examples(splits, load(snakemake.input.counterfactuals)))
    save_figure(figure, snakemake.output.pdf, snakemake.output.svg)
