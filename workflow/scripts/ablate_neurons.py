"""Do hospital-selective channels matter more to the head than other channels?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.arrays import open_arrays
    from causalgrok.interventions.features import Features
    from causalgrok.interventions.neurons import ablate_neurons
    from causalgrok.interventions.settings import Measurement
    from causalgrok.tables import write_table

    with open_arrays(snakemake.input[0]) as file:
        frame = ablate_neurons(Features.of(file.get_tensor, file.keys()), Measurement(**snakemake.params.measurement))
    write_table(frame, snakemake.output[0], "neurons")
