"""How much of hospital and tumour do fresh probes still find after each removal?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.checkpoints import named_epochs
    from causalgrok.arrays import open_arrays
    from causalgrok.interventions.erasure import measure_erasure
    from causalgrok.interventions.features import Features
    from causalgrok.interventions.settings import Measurement
    from causalgrok.tables import read_table, write_table

    settings = Measurement(**snakemake.params.measurement)
    names = read_table(snakemake.input.names)
    with open_arrays(snakemake.input.features) as file:
        features = Features.of(file.get_tensor, file.keys())
        epochs = named_epochs(names, settings.named, features.epochs)
        frame = measure_erasure(features, epochs, settings)
    write_table(frame, snakemake.output[0], "erasure")
