"""The claims ledger: every claim of the sources, measured on a study's tables, tested and judged.

`entries`, `measure_entries`, `test_entries` (the models of workflow/claims.yaml), `measures` (tables -> one value a
run), `decisions`, `counted` (the values -> estimate, interval, p), `scope` (whose data these are), `ledger` (one row a
claim, scope and study, with its verdict), `page` (the rows as HTML). docs/claims.md says how verdicts are decided.
"""
