"""What the runs of a study would be called under other thresholds of the grokking detector."""

from collections.abc import Mapping

import pandas as pd

from causalgrok.analysis.detector import sensitivity
from causalgrok.analysis.dynamics import curves, detect_run, judged
from causalgrok.analysis.settings import Judgement
from causalgrok.columns import COLUMNS, RUN


def summarise_sensitivity(metrics: pd.DataFrame, judgements: Mapping[str, Judgement]) -> pd.DataFrame:
    """The columns of `RUN` and of the table `sensitivity`: a row for each run and combination of thresholds.

    Args:
        metrics: the study table; runs in which there is nothing to detect have no rows.
        judgements: task -> how its runs are judged; the config's own thresholds are among the combinations.
    """
    frames = [pd.DataFrame(columns=[*RUN, *COLUMNS["sensitivity"]])]
    for run, evaluations in metrics.groupby(list(RUN), sort=False):
        judgement = judgements[run[0]]
        if detect_run(evaluations, judgement) is None:
            continue
        train, test = curves(evaluations, "train"), judged(evaluations)
        together = train.index.intersection(test.index)
        table = sensitivity(
            test.loc[together, "step"],
            train.loc[together, "accuracy"],
            test.loc[together, "accuracy"],
            judgement.chance,
            judgement.detector,
        )
        frames.append(table.assign(**dict(zip(RUN, run, strict=True))))
    return pd.concat(frames[1:] or frames, ignore_index=True)[[*RUN, *COLUMNS["sensitivity"]]]
