"""Do hospital-selective channels matter more to the head than other channels?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from safetensors import safe_open

    from causalgrok.interventions.features import Features
    from causalgrok.interventions.neurons import ablate_neurons
    from causalgrok.interventions.settings import Measurement
    from causalgrok.tables import write_table

    with safe_open(snakemake.input[0], framework="numpy") as file:
        frame = ablate_neurons(Features(file.get_tensor), Measurement(**snakemake.params.measurement))
    write_table(frame, snakemake.output[0], "neurons")
