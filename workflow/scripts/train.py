"""Train one run, or the rest of it."""

from causalgrok.log import logged

with logged(snakemake.log[0], append=True):
    from pathlib import Path

    from causalgrok.processes import die_with_parent, only_one

    die_with_parent()

    from causalgrok.data.splits import Split
    from causalgrok.files import refuse_future
    from causalgrok.training.checkpoints import final_checkpoint
    from causalgrok.training.run import train_run
    from causalgrok.training.settings import Training

    refuse_future([snakemake.input.subset, *snakemake.input.splits])
    folder, parent = Path(snakemake.output.provenance).parent, snakemake.input.parent
    with only_one(folder):
        train_run(
            Split.load(snakemake.input.subset),
            {Path(path).stem: Split.load(path) for path in snakemake.input.splits},
            Training(**snakemake.params.training),
            folder=folder,
            name="/".join(snakemake.wildcards),
            code=snakemake.params.code,
            data=[snakemake.input.subset, *snakemake.input.splits],
            save_seconds=snakemake.resources.save_seconds,
            start=final_checkpoint(Path(parent)) if parent else None,
        )
