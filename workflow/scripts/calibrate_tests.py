"""Count how often the tests reject without an effect."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.calibration import calibrate
    from causalgrok.tables import write_table

    asked = snakemake.params.calibration
    write_table(calibrate(repeats=asked["repeats"], seed=asked["seed"]), snakemake.output[0], "calibration")
