"""Put the probes on trial on one planted case."""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    from causalgrok.planted.power import power_of_case
    from causalgrok.planted.recovery import recovery_of_case
    from causalgrok.tables import write_table

    case = snakemake.wildcards.case
    write_table(power_of_case(case, **snakemake.params.planted), snakemake.output.power, "validation")
    write_table(recovery_of_case(case, **snakemake.params.planted), snakemake.output.recovery, "recovery")
