"""Pass the images of one run through all its checkpoints and keep the features."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from safetensors.numpy import save

    from causalgrok.data.splits import Split
    from causalgrok.devices import resolve_device
    from causalgrok.files import write_bytes
    from causalgrok.interventions.extraction import extract_features
    from causalgrok.training.checkpoints import all_checkpoints
    from causalgrok.training.settings import Training
    from causalgrok.training.trainer import initialise, make_deterministic

    training = Training(**snakemake.params.training)
    make_deterministic(training)
    inputs = snakemake.input
    splits = {Path(path).stem: Split.load(path) for path in [*inputs.splits, inputs.probe]}
    arrays = extract_features(
        initialise(training),
        all_checkpoints(Path(inputs.checkpoints)),
        {"train": Split.load(inputs.subset), **splits},
        grid=snakemake.params.measurement["stage_grid"],
        device=resolve_device(training.device),
    )
    write_bytes(snakemake.output[0], save(arrays))
