"""Find or download Camelyon17-WILDS and write what was found."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import dataclasses
    import json
    from pathlib import Path

    from causalgrok.data.camelyon17 import Camelyon17Settings, fetch
    from causalgrok.files import write_bytes

    root = snakemake.params.data_root
    source = fetch(
        Camelyon17Settings(**snakemake.params.source),
        destination=Path(snakemake.output[0]).parent,
        local_root=Path(root) if root else None,
    )
    print(f"{source.name}: {source.census.patches} patches, official counts: {source.matches_official}")
    write_bytes(snakemake.output[0], json.dumps(dataclasses.asdict(source), indent=2).encode())
