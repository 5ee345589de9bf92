"""Statistics of a handful of runs: the run is the unit of analysis, and every p stands beside the smallest it could be.

`permutation` (exact tests of means), `counts` (Fisher, monotone runs against controls), `families` (Holm), `effects`
(effect sizes with bootstrap intervals), `intervals` (Student's t), `survival` (censored times to grok), `equivalence`
(TOST), `power` (minimum detectable effect, runs needed), `factorial` (2^k designs with paired seeds). What they share,
the design and the shape of a result, is in `results`. `causalgrok.analysis.calibration` measures their error rates.
"""
