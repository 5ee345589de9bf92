"""How many directions do the pooled features use?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.geometry import measure_geometry
    from causalgrok.arrays import open_arrays
    from causalgrok.interventions.features import Features
    from causalgrok.tables import write_table

    with open_arrays(snakemake.input[0]) as file:
        frame = measure_geometry(Features.of(file.get_tensor, file.keys()))
    write_table(frame, snakemake.output[0], "geometry")
