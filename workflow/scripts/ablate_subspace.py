"""Does the head need the hospital subspace? Removes it and asks the same head again."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from safetensors import safe_open

    from causalgrok.interventions.features import Features
    from causalgrok.interventions.settings import Measurement
    from causalgrok.interventions.subspace import ablate_subspace
    from causalgrok.tables import write_table

    with safe_open(snakemake.input[0], framework="numpy") as file:
        frame = ablate_subspace(Features(file.get_tensor), Measurement(**snakemake.params.measurement))
    write_table(frame, snakemake.output[0], "subspace")
