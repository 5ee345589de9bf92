"""In how many dimensions do the features lie, and how good is the network on each slide that judges it?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.geometry import measure_geometry
    from causalgrok.arrays import open_arrays
    from causalgrok.interventions.evaluation import evaluate_slides
    from causalgrok.interventions.features import Features
    from causalgrok.tables import write_table

    with open_arrays(snakemake.input[0]) as file:
        features = Features.of(file.get_tensor, file.keys())
        write_table(measure_geometry(features), snakemake.output.geometry, "geometry")
        write_table(evaluate_slides(features), snakemake.output.slides, "slides")
