"""Hold what the detector says against what synthetic runs are."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.analysis.calibration import confusion
    from causalgrok.analysis.settings import DetectorSettings
    from causalgrok.tables import write_table

    asked, detector = snakemake.params.calibration, DetectorSettings(**snakemake.params.detector)
    write_table(confusion(asked["curves"], asked["seed"], detector), snakemake.output[0], "confusion")
