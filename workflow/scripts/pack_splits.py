"""Choose the evaluation splits and the probe pool, pack them, and list the rows left for training subsets."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import json
    from pathlib import Path

    import pandas as pd

    from causalgrok.data.packing import pack
    from causalgrok.data.subsets import choose_rows, manifest
    from causalgrok.data.wilds_layout import read_metadata
    from causalgrok.tables import write_table

    dataset = snakemake.params.dataset
    root = json.loads(Path(snakemake.input[0]).read_text())["root"]
    metadata = read_metadata(root)
    rows, pool = choose_rows(
        metadata,
        ood_val=dataset["ood_val_hospital"],
        ood_test=dataset["ood_test_hospital"],
        evaluation_images=dataset["evaluation_images"],
        probe_images=dataset["probe_images"],
        seed=dataset["seed"],
    )
    manifests = []
    for path in map(Path, snakemake.output.splits):
        split = pack(root, metadata, rows[path.stem], size=dataset["image_size"])
        split.save(path)
        manifests.append(manifest(split).assign(split=path.stem))
        print(f"{path.stem}: {len(split)} patches of {len(set(split.groups))} slides")
    write_table(pd.concat(manifests), snakemake.output.manifest, "splits")
    write_table(pool.reset_index(names="row"), snakemake.output.pool, "pool")
