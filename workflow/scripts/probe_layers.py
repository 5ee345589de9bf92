"""At which stage, and when in training, can hospital and tumour be read off linearly?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from safetensors import safe_open

    from causalgrok.interventions.features import Features
    from causalgrok.interventions.probing import probe_layers
    from causalgrok.interventions.settings import Measurement
    from causalgrok.tables import write_table

    with safe_open(snakemake.input[0], framework="numpy") as file:
        frame = probe_layers(Features(file.get_tensor), Measurement(**snakemake.params.measurement))
    write_table(frame, snakemake.output[0], "probing")
