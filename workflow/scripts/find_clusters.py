"""Find the clusters that are the subclasses of a source's classes."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.arrays import write_arrays
    from causalgrok.clustering import find_clusters
    from causalgrok.data.clusters import ClusteringSettings
    from causalgrok.data.registry import to_cluster
    from causalgrok.processes import die_with_parent

    die_with_parent()
    source = snakemake.params.source
    splits = to_cluster(source, files=Path(snakemake.input.files))
    write_arrays(find_clusters(splits, ClusteringSettings(**source["clustering"])), snakemake.output[0])
