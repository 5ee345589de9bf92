"""Draw a few patches of every hospital and label."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.data.splits import Split
    from causalgrok.plotting.patches import patches
    from causalgrok.plotting.style import save_figure

    splits = {Path(path).stem: Split.load(path) for path in snakemake.input}
    save_figure(patches(splits), snakemake.output.pdf, snakemake.output.svg)
