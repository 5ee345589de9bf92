"""Does the head need the hospital's directions and channels, and in how few directions does the hospital lie?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.arrays import open_arrays
    from causalgrok.interventions.ablation import ablate_features
    from causalgrok.interventions.features import Features
    from causalgrok.interventions.settings import Measurement
    from causalgrok.tables import write_table

    with open_arrays(snakemake.input[0]) as file:
        features = Features.of(file.get_tensor, file.keys())
        tables = ablate_features(features, Measurement(**snakemake.params.measurement))
    for table, path in snakemake.output.items():
        write_table(tables[table], path, table)
