"""What does the head say when features are moved along the hospital direction?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from safetensors import safe_open

    from causalgrok.interventions.features import Features
    from causalgrok.interventions.settings import Measurement
    from causalgrok.interventions.steering import steer_activations
    from causalgrok.tables import write_table

    with safe_open(snakemake.input[0], framework="numpy") as file:
        frame = steer_activations(Features(file.get_tensor), Measurement(**snakemake.params.measurement))
    write_table(frame, snakemake.output[0], "steering")
