"""Do the sources' claims hold in this study?"""

from causalgrok.log import logged

with logged(snakemake.log[0]):
    import json
    from pathlib import Path

    from causalgrok.analysis.claims.entries import Ledger
    from causalgrok.analysis.claims.ledger import judge_claims
    from causalgrok.analysis.claims.scope import data_of
    from causalgrok.tables import read_table, write_table

    ledger = Ledger.model_validate(snakemake.params.ledger)
    claims = judge_claims(
        ledger,
        {Path(path).stem: read_table(path) for path in snakemake.input.tables},
        study=snakemake.wildcards.study,
        data=data_of((json.loads(Path(path).read_text()) for path in snakemake.input.sources), snakemake.params.files),
        with_hospitals=snakemake.params.with_hospitals,
    )
    print(claims.groupby(["scope", "verdict"]).size().to_string())
    write_table(claims, snakemake.output[0], "claims")
