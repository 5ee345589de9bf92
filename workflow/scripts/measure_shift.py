"""How differently are the training subsets of a study made up than the split that judges them?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import pandas as pd

    from causalgrok.analysis.shift import composition, measure_shift
    from causalgrok.arrays import read_arrays
    from causalgrok.columns import RUN
    from causalgrok.tables import write_table

    shifts, compositions = [], []
    for run, *paths in zip(snakemake.params.runs, snakemake.input.subsets, snakemake.input.tests, strict=True):
        of_run = dict(zip(RUN, run, strict=True))
        arrays = [read_arrays(path, "labels", "groups") for path in paths]
        labels, groups = (dict(zip(("train", "test"), kind, strict=True)) for kind in zip(*arrays, strict=True))
        counted = composition(labels, groups)
        compositions.append(counted.assign(**of_run))
        shifts.append(of_run | measure_shift(counted))
    write_table(pd.DataFrame(shifts), snakemake.output.shift, "shift")
    write_table(pd.concat(compositions), snakemake.output.composition, "composition")
