"""At which stage, and when in training, can hospital and tumour be read off linearly?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.arrays import open_arrays
    from causalgrok.interventions.features import Features
    from causalgrok.interventions.probing import probe_layers
    from causalgrok.interventions.settings import Measurement
    from causalgrok.tables import write_table

    with open_arrays(snakemake.input[0]) as file:
        frame = probe_layers(Features.of(file.get_tensor, file.keys()), Measurement(**snakemake.params.measurement))
    write_table(frame, snakemake.output[0], "probing")
