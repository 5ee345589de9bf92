"""In how few directions does the network hold the hospital?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.arrays import open_arrays
    from causalgrok.interventions.concentration import measure_concentration
    from causalgrok.interventions.features import Features
    from causalgrok.interventions.settings import Measurement
    from causalgrok.tables import write_table

    with open_arrays(snakemake.input[0]) as file:
        features = Features.of(file.get_tensor, file.keys())
        frame = measure_concentration(features, Measurement(**snakemake.params.measurement))
    write_table(frame, snakemake.output[0], "concentration")
