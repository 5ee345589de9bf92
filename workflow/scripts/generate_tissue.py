"""Generate stained-tissue patches in the WILDS layout and write what they hold."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import dataclasses
    import json
    from pathlib import Path

    from causalgrok.data.tissue import TissueSettings, generate
    from causalgrok.data.wilds_layout import inspect
    from causalgrok.files import write_bytes

    root = Path(snakemake.output[0]).parent
    generate(TissueSettings(**snakemake.params.source), root)
    source = {"name": "tissue", "root": str(root), "census": dataclasses.asdict(inspect(root))}
    write_bytes(snakemake.output[0], json.dumps(source, indent=2).encode())
