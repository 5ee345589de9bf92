"""Draw the images nearest to the centroid of each cluster."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.arrays import read_arrays
    from causalgrok.plotting.clusters import clusters
    from causalgrok.plotting.style import save_figure

    fields = ("images", "labels", "clusters", "distances")
    found = read_arrays(snakemake.input[0], *(f"train/{field}" for field in fields))
    save_figure(clusters(*found), snakemake.output.pdf, snakemake.output.svg)
