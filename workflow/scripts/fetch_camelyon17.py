"""Find or download Camelyon17-WILDS and write what was found."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import dataclasses
    import json
    from pathlib import Path

    from causalgrok.data.camelyon17 import Camelyon17Settings, fetch
    from causalgrok.files import write_bytes
    from causalgrok.processes import die_with_parent, only_one

    die_with_parent()
    root, destination = snakemake.params.data_root, Path(snakemake.output[0]).parent
    with only_one(destination):
        source = fetch(
            Camelyon17Settings(**snakemake.params.source),
            destination=destination,
            local_root=Path(root) if root else None,
        )
    print(f"{source.origin}: splits {source.census.splits}, hospitals {source.census.hospitals}")
    print(f"official: splits {source.official['splits']}, hospitals {source.official['hospitals']}")
    write_bytes(snakemake.output[0], json.dumps(dataclasses.asdict(source), indent=2).encode())
