"""Fetch the files that examples are drawn from, and keep them as one file of arrays."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import tempfile
    from pathlib import Path

    from causalgrok.arrays import write_arrays
    from causalgrok.data.registry import fetch
    from causalgrok.processes import die_with_parent

    die_with_parent()
    output, root = Path(snakemake.output[0]), snakemake.resources.data_root
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        arrays = fetch(output.stem, destination=Path(folder, output.stem), data_root=Path(root) if root else None)
    write_arrays(arrays, output)
    print(", ".join(f"{name} {values.shape}" for name, values in arrays.items()))
