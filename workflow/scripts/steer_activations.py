"""What does the network say when a stage is moved along its hospital direction?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    import pandas as pd

    from causalgrok.analysis.checkpoints import named_epochs
    from causalgrok.arrays import open_arrays
    from causalgrok.data.splits import Split
    from causalgrok.interventions.features import Features
    from causalgrok.interventions.network import open_run
    from causalgrok.interventions.settings import Measurement
    from causalgrok.interventions.stage_steering import steer_stages
    from causalgrok.interventions.steering import steer_activations
    from causalgrok.tables import read_table, write_table
    from causalgrok.training.checkpoints import all_checkpoints

    inputs, settings = snakemake.input, Measurement(**snakemake.params.measurement)
    model, device = open_run(snakemake.params.training, Path(inputs.checkpoints))
    with open_arrays(inputs.features) as file:
        features = Features.of(file.get_tensor, file.keys())
        frames = [steer_activations(features, settings)]
        names = named_epochs(read_table(inputs.names), settings.named, features.epochs)
    splits = {Path(path).stem: Split.load(path) for path in inputs.splits}
    checkpoints, pool = all_checkpoints(Path(inputs.checkpoints)), Split.load(inputs.probe)
    frames.append(steer_stages(model, checkpoints, splits, pool, names=names, settings=settings, device=device))
    write_table(pd.concat(frames), snakemake.output[0], "steering")
