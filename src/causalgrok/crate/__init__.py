"""A finished study as an RO-Crate: its results, the jobs that made them, and all that these were made from.

Written by `export`, checked by ``python -m causalgrok.crate``. The format is RO-Crate 1.1 with the profile Provenance
Run Crate 0.5 (https://www.researchobject.org/workflow-run-crate/profiles/provenance_run_crate/).
"""
