"""How many directions do the pooled features use?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from safetensors import safe_open

    from causalgrok.analysis.geometry import measure_geometry
    from causalgrok.interventions.features import Features
    from causalgrok.tables import write_table

    with safe_open(snakemake.input[0], framework="numpy") as file:
        frame = measure_geometry(Features(file.get_tensor))
    write_table(frame, snakemake.output[0], "geometry")
