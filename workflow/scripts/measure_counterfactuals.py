"""How much of the network's answer is the stain?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.data.counterfactuals import load
    from causalgrok.data.splits import Split
    from causalgrok.interventions.counterfactual import measure_counterfactuals
    from causalgrok.interventions.network import open_run
    from causalgrok.tables import write_table
    from causalgrok.training.checkpoints import all_checkpoints

    inputs = snakemake.input
    checkpoints = Path(inputs.checkpoints)
    model, device = open_run(snakemake.params.training, checkpoints)
    counterfactual, renormalisation = measure_counterfactuals(
        model,
        all_checkpoints(checkpoints),
        {Path(path).stem: Split.load(path) for path in inputs.splits},
        load(inputs.counterfactuals),
        device=device,
    )
    write_table(counterfactual, snakemake.output.counterfactual, "counterfactual")
    write_table(renormalisation, snakemake.output.renormalisation, "renormalisation")
