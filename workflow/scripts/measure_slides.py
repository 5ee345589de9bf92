"""Evaluate a run's checkpoints slide by slide."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.arrays import open_arrays
    from causalgrok.interventions.evaluation import evaluate_slides
    from causalgrok.interventions.features import Features
    from causalgrok.tables import write_table

    with open_arrays(snakemake.input[0]) as file:
        write_table(evaluate_slides(Features.of(file.get_tensor, file.keys())), snakemake.output[0], "slides")
