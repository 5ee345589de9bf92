"""Read somebody else's state dicts, check them and write them as ours."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import json
    from pathlib import Path

    from causalgrok.files import sha256, write_bytes
    from causalgrok.models.state_dicts import FoundCheckpoint, convert_checkpoints

    epochs = snakemake.params.epochs
    found = [FoundCheckpoint("", epoch, Path(path)) for epoch, path in zip(epochs, snakemake.input, strict=True)]
    architecture = convert_checkpoints(found, snakemake.output.checkpoints, classes=snakemake.params.classes)
    provenance = {
        "code_hash": snakemake.params.code,
        "architecture": architecture.model_dump(mode="json"),
        "data": {str(one.path): sha256(one.path) for one in found},
    }
    write_bytes(snakemake.output.provenance, json.dumps(provenance, indent=2).encode())
