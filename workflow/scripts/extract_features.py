"""Pass the images of one run through all its checkpoints and keep the features."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from causalgrok.arrays import write_arrays
    from causalgrok.data.splits import Split
    from causalgrok.interventions.extraction import extract_features
    from causalgrok.interventions.network import open_run
    from causalgrok.training.checkpoints import all_checkpoints

    inputs = snakemake.input
    paths = [*inputs.splits, *([inputs.probe] if inputs.probe else [])]
    splits = {Path(path).stem: Split.load(path) for path in paths}
    subset = {"train": Split.load(inputs.subset)} if inputs.subset else {}
    model, device = open_run(snakemake.params.training, Path(inputs.checkpoints))
    arrays = extract_features(
        model,
        all_checkpoints(Path(inputs.checkpoints)),
        subset | splits,
        grid=snakemake.params.measurement["stage_grid"],
        device=device,
    )
    write_arrays(arrays, snakemake.output[0])
