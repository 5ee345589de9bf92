"""How good a network is, from its cached features: slide by slide, and for a network that was trained elsewhere."""

import numpy as np
import pandas as pd

from causalgrok.columns import COLUMNS
from causalgrok.data.splits import EVALUATION_SPLITS
from causalgrok.interventions.features import Features
from causalgrok.interventions.scoring import double
from causalgrok.scoring import accuracy, auroc, logit_scale, margin


def evaluate_heads(features: Features) -> pd.DataFrame:
    """Evaluate every checkpoint on every split that there is.

    Returns:
        The columns of the table `metrics`: cross-entropy as loss, and no optimiser steps, which nobody knows.
    """
    rows = []
    for epoch in features.epochs:
        head = double(features.head(epoch))
        for split in features.splits:
            logits, labels = head.logits(features.at(epoch, split)), features.labels(split)
            losses = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels]
            rows.append(
                {
                    "epoch": epoch,
                    "step": 0,
                    "split": split,
                    "loss": losses.mean(),
                    "accuracy": accuracy(logits, labels),
                    "auroc": auroc(logits, labels),
                    "margin": margin(logits, labels),
                    "logit_scale": logit_scale(logits),
                    "zero_loss_fraction": np.mean(losses == 0) if split == "train" else np.nan,
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS["metrics"]))


def evaluate_slides(features: Features) -> pd.DataFrame:
    """Accuracy of every checkpoint on every slide of the splits that judge.

    Returns:
        The columns of the table `slides`.
    """
    frames = [pd.DataFrame(columns=list(COLUMNS["slides"]))]
    for epoch in features.epochs:
        head = double(features.head(epoch))
        for split in set(features.splits) & set(EVALUATION_SPLITS):
            correct = np.argmax(head.logits(features.at(epoch, split)), axis=1) == features.labels(split)
            images = pd.DataFrame(
                {"hospital": features.domains(split), "slide": features.groups(split), "accuracy": correct}
            )
            counted = images.groupby(["hospital", "slide"])["accuracy"].agg(images="size", accuracy="mean")
            frames.append(counted.reset_index().assign(epoch=epoch, split=split))
    slides = pd.concat(frames[1:] or frames, ignore_index=True)[list(COLUMNS["slides"])]
    return slides.sort_values(["epoch", "split", "hospital", "slide"], ignore_index=True)
