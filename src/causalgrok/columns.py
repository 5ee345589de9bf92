"""The columns of every table and what they hold: a declaration, so its edits rerun nothing.

Columns may be added, never renamed.
"""

from collections.abc import Iterable

RUN = {
    "task": "the run's task: dataset, model, loss and budget",
    "recipe": "the run's recipe: its optimisation settings",
    "n": "number of training examples",
    "seed": "seed of subset, initialisation and order; equal seeds are paired across recipes",
}

_EPOCH = {"epoch": "epochs trained; 0 is the initialisation"}
_STEP = {"step": "optimiser steps taken"}
_SPLIT = {
    "split": "train, id_val, ood_val, ood_test, or probe for the pool that probes are fitted on; train and test where "
    "there are no hospitals"
}
_SCORES = {
    "accuracy": "fraction of examples classified correctly",
    "auroc": "area under the ROC curve; macro one-vs-rest for more than two classes",
}
_REPEAT = {"repeat": "index of the random draw; 0 where nothing is drawn"}

_MANIFEST = {
    "row": "row id in the dataset's metadata.csv",
    "hospital": "hospital, 0 to 4",
    "slide": "slide the patch was cut from",
    "label": "1 tumour, 0 normal",
    "sha256": "sha256 of the decoded pixels, (height, width, 3) uint8",
    "mutual_information": "I(label; hospital) of the whole set in bits: 0 where hospital says nothing about the label",
}

COLUMNS: dict[str, dict[str, str]] = {
    "subset": _MANIFEST,
    "splits": _SPLIT | _MANIFEST,
    "pool": {name: text for name, text in _MANIFEST.items() if name in ("row", "hospital", "slide", "label")},
    "metrics": _EPOCH
    | _STEP
    | _SPLIT
    | {"loss": "mean loss per example"}
    | _SCORES
    | {"zero_loss_fraction": "fraction of training examples whose loss is exactly zero; missing on other splits"},
    "dynamics": _EPOCH
    | _STEP
    | {
        "group": "convolution, normalisation, embedding, head, hidden or total",
        "scale_invariant": "whether scaling the group's weights leaves the function unchanged",
        "parameters": "number of parameters in the group",
        "weight_norm": "L2 norm of the group's parameters",
        "angle_per_step": "angle in radians between the group's weights before and after the latest step",
    },
    "probing": _EPOCH
    | {
        "stage": "stem, layer1, layer2, layer3, layer4 or pooled",
        "target": "what is decoded: hospital or tumour",
        "control": "none, or permuted: hospital permuted by slide",
    }
    | _REPEAT
    | {
        "accuracy": "accuracy on the judging slides",
        "chance": "share of the most frequent class on the judging slides",
        "C": "inverse regularisation chosen by slide-grouped cross-validation",
        "n_fit": "number of patches the probe was fitted on",
        "n_test": "number of patches it was judged on",
    },
    "subspace": _EPOCH
    | {
        "method": "logistic (rows of the hospital classifier, the source's), mean_difference, leace, inlp; controls: "
        "matched (covariance-matched subspace), permuted (logistic refitted with hospital permuted by slide), "
        "permuted_mean and permuted_leace (those refitted so) and isotropic (shown, never decisive)",
        "space": "raw or scaled: the space in which the subspace is orthogonal and is taken out",
        "centred": "whether the pool's mean is put back, so that the features' mean along the subspace stays",
        "rank": "dimensions removed",
        "strength": "fraction of the projection removed",
    }
    | _REPEAT
    | _SPLIT
    | _SCORES
    | {"flip_fraction": "fraction of examples whose predicted class changes"},
    "erasure": _EPOCH
    | {
        "method": "none (nothing removed), logistic, mean_difference, leace, inlp, matched, permuted or isotropic",
        "space": "raw or scaled, as in `subspace`",
        "centred": "as in `subspace`",
        "rank": "dimensions removed",
    }
    | _REPEAT
    | {
        "target": "what a fresh probe decodes after the removal: hospital or tumour",
        "probe": "linear: logistic regression; mlp: one hidden layer",
        "accuracy": "accuracy of that probe on the judging slides",
        "chance": "share of the most frequent class on the judging slides",
        "n_fit": "number of patches the probe was fitted on",
        "n_test": "number of patches it was judged on",
    },
    "concentration": _EPOCH
    | {
        "measure": "inlp_area (area under the curve of hospital information left against removed rank), "
        "inlp_half_rank (rank at which half of it is gone), between_participation (participation ratio of the "
        "between-hospital covariance), head_angle (degrees between the hospital subspace and the head's direction)",
        "value": "the measure",
        "low": "lower end of the 95 % bootstrap interval over slides",
        "high": "upper end of it",
        "null": "median of the measure under hospital permuted by slide",
    },
    "steering": _EPOCH
    | {
        "stage": "stage whose features are moved",
        "direction": "hospital: top eigenvector of the between-hospital covariance; controls: permuted (the same with "
        "hospital permuted by slide), matched (covariance-matched), isotropic (pooled only; shown, never decisive); "
        "bias: no direction, the constant logit shift that is the hospital direction's mean shift at this stage",
        "alpha": "strength in standard deviations of the projections on the direction",
        "cosine": "cosine between the direction and the way to the OOD-val hospital's mean; it fixes the sign; "
        "missing for bias and without OOD val",
    }
    | _REPEAT
    | _SPLIT
    | _SCORES
    | {
        "accuracy_recalibrated": "accuracy at the threshold that is best on id_val under the same steering; missing "
        "for more than two classes",
        "flip_fraction": "fraction of examples whose predicted class changes",
        "logit_shift": "mean change of the logit margin, tumour minus normal; missing for more than two classes",
        "images": "number of examples",
    },
    "neurons": _EPOCH
    | {
        "k": "number of channels taken out",
        "selection": "hospital (largest |beta| of the hospital classifier, the source's), hospital_f (one-way F), "
        "hospital_auroc (one-vs-rest AUROC), tumour (|beta| of the tumour classifier); controls: matched (equal mean "
        "and variance, dead channels out; matched_f and matched_auroc are those of the other two) and random (drawn "
        "without replacement; shown, never decisive)",
        "mode": "zero or mean: what the channels are set to",
        "tumour_overlap": "fraction of the k channels that are among the k most tumour-selective ones",
    }
    | _REPEAT
    | _SPLIT
    | _SCORES
    | {"flip_fraction": "fraction of examples whose predicted class changes"},
    "counterfactual": _EPOCH
    | {
        "method": "how the tissue was shown as another hospital's: rendered, macenko or reinhard",
        "target_hospital": "the hospital as which every image is shown",
        "images": "number of images",
        "moved": "those of them that are not the target hospital's own",
        "flip_fraction": "fraction of the moved images whose predicted class changes; missing where none is moved",
        "logit_shift": "mean change of the logit margin, tumour minus normal, over the moved images",
        "logit_shift_sd": "standard deviation of that change over images",
        "margin_sd": "standard deviation of the unchanged logit margin over all images: the yardstick of the shifts",
    }
    | _SPLIT
    | _SCORES,
    "renormalisation": _EPOCH
    | {"statistics": "stored: those of training; reestimated: of the split's own unlabelled images"}
    | _SPLIT
    | _SCORES
    | {"flip_fraction": "fraction of examples whose predicted class differs from the one under stored statistics"},
    "geometry": _EPOCH
    | {
        "split": "split whose pooled features are measured",
        "effective_rank": "exponential of the entropy of the normalised singular values (Roy & Vetterli 2007), centred",
        "participation_ratio": "(sum of eigenvalues)^2 / sum of squared eigenvalues of the feature covariance",
        "feature_norm": "mean L2 norm of the pooled features",
    },
    "ungrokking": {
        "parent_task": "task of the run that this one continues from its final checkpoint",
        "parent_recipe": "its recipe",
        "parent_n": "its number of training examples, of which this run's are a part",
        "parent_label": "what became of it by the grokking detector",
        "exposure": "learning rate * weight decay * steps of this run: several times 1 is what an equilibrium needs",
        "start_accuracy": "test accuracy at the start: the parent's at its end",
        "end_accuracy": "mean test accuracy over the final plateau",
        "end_error": "its standard error, corrected for autocorrelation",
        "drift": "mean over the plateau's second half minus its first: far from 0 if the run had not settled",
        "lowest_accuracy": "lowest test accuracy at any evaluation: a run may fall and recover before its end",
        "train_end": "mean train accuracy over the final plateau",
        "fall": "start_accuracy minus end_accuracy",
        "share_kept": "(end_accuracy - chance) / (start_accuracy - chance)",
        "label": "ungrokked (fell, and still fits its training examples), kept, collapsed (fits them no longer) or "
        "not_grokked (the parent had not grokked: the protocol does not apply)",
    },
    "ungrokking_contrasts": {
        "task": RUN["task"],
        "n": RUN["n"],
        "recipe_a": "one recipe",
        "recipe_b": "the other; runs are paired by seed",
        "pairs": "number of seeds, those whose parent had grokked",
        "end_a": "mean end_accuracy under recipe_a",
        "end_b": "mean end_accuracy under recipe_b",
        "difference": "mean of end_accuracy under recipe_a minus recipe_b",
        "low": "lower end of its 95 % t interval over pairs",
        "high": "upper end of it",
        "p": "two-sided exact paired permutation p of no difference",
        "smallest_p": "the smallest p that this number of pairs can give",
        "p_holm": "p corrected for all contrasts of the study (Holm)",
        "smallest_p_holm": "the smallest that p_holm could be with these pairs",
        "p_equivalence": "p of two one-sided paired t tests against the margin; missing without spread",
        "margin": "largest difference that would not matter",
        "verdict": "equivalent (p_equivalence at or below .05: whatever differs does not matter), else different "
        "(p_holm at or below .05), else inconclusive",
    },
    "outcomes": {
        "memorised_epoch": "first evaluation with train accuracy at or above .99",
        "memorised_share": "share of the evaluations from then on with train accuracy at or above .99",
        "peak_epoch": "evaluation with the highest OOD-test accuracy: an oracle's choice",
        "peak_accuracy": "OOD-test accuracy at peak_epoch",
        "final_accuracy": "OOD-test accuracy at the last evaluation",
        "early_accuracy": "mean OOD-test accuracy over the first quarter of evaluations after memorisation",
        "late_accuracy": "mean OOD-test accuracy over the last quarter of evaluations after memorisation",
        "decline": "early_accuracy minus late_accuracy: positive is a decline; needs no selection",
        "decline_auroc": "the same for AUROC",
        "final_accuracy_ood_val": "accuracy at the last evaluation at the other held-out hospital, OOD val",
        "decline_ood_val": "the decline of accuracy there",
    },
    "checkpoints": {
        "seed": RUN["seed"],
        "name": "init, memorised, selected (highest mean OOD-val accuracy of the other seeds) or final",
        "epoch": "the kept checkpoint that has this name",
    },
    "verdicts": _EPOCH
    | {
        "checkpoint": "init, memorised, selected or final",
        "probe": "steering, subspace or neurons",
        "stage": "stage that is intervened on",
        "target": "direction, method or selection that is tested",
        "size": "rank removed, channels taken out, or |alpha|",
    }
    | _SPLIT
    | {
        "measure": "flip_fraction, auroc_drop, accuracy_drop or monotone (|Spearman(alpha, accuracy)|)",
        "value": "the target's value",
        "control": "what it is compared with: permuted, matched, isotropic or random",
        "controls": "number of controls",
        "control_median": "their median",
        "percentile": "fraction of the controls that lie below the value, ties counted half",
        "p": "(1 + number of controls at or above the value) / (1 + controls)",
        "smallest_p": "the smallest p that this number of controls can give",
        "decisive": "whether the control is a hard one: permuted by slide, or matched in covariance or variance",
    },
    "reliance": {
        "checkpoint": "init, memorised, selected or final",
        "probe": "the probe whose verdict is compared",
        "measure": "its measure",
        "runs": "number of runs",
        "rho": "Spearman correlation over runs with counterfactual reliance (mean flip fraction over OOD splits)",
        "low": "lower end of its 95 % bootstrap interval over runs",
        "high": "upper end of it",
        "p": "two-sided permutation p, exact where the runs are few",
        "smallest_p": "the smallest p that this number of runs can give",
    },
    "validation": {
        "case": "what was planted: the null cases by name, or `planted`",
        "strength": "strength of the planted hospital effect in units of the noise; 0 is none",
        "probe": "the probe that was asked",
        "control": "the control that decided: permuted, matched or isotropic",
        "repeats": "number of generated feature sets",
        "found": "number of them in which the probe found an effect at the 5 % level",
        "rate": "found / repeats: false-positive rate where nothing was planted, power elsewhere",
        "low": "lower end of the 95 % Clopper-Pearson interval of the rate",
        "high": "upper end of it",
        "inside": "whether found lies inside the central 95 % of the binomial distribution at 5 %",
    },
    "recovery": {
        "case": "what was planted",
        "strength": "strength of the planted hospital effect in units of the noise",
        "measure": "direction_angle (degrees), rank (share of repeats with the planted rank), strength_order "
        "(Spearman of measured and planted strength), leace_cross_covariance, leace_heldout_accuracy, ...",
        "repeats": "number of generated feature sets",
        "value": "median over repeats, or the share or correlation",
        "low": "2.5 % quantile over repeats, or the lower end of the interval of a share or correlation",
        "high": "97.5 % quantile or upper end",
        "expected": "what it should be: chance, the planted value or a bound; missing where nothing is demanded",
    },
}
"""Table name -> column -> what it holds. Study tables carry the columns of `RUN` in front."""

RUN_TABLES = (
    *("metrics", "dynamics", "counterfactual", "renormalisation", "probing", "subspace", "erasure", "concentration"),
    *("steering", "neurons", "geometry", "checkpoints"),
)
"""The tables that one run has, in the order of the pipeline."""

HOSPITAL_TABLES = frozenset(
    {
        *("counterfactual", "renormalisation", "probing", "subspace", "erasure", "concentration", "steering"),
        "neurons",
    }
)
"""Those that ask about hospitals: runs of tasks without hospitals do not have them."""

STUDY_TABLES = {
    "outcomes": ("metrics",),
    "verdicts": ("checkpoints", "steering", "subspace", "neurons"),
    "reliance": ("checkpoints", "verdicts", "probing", "counterfactual", "concentration"),
}
"""Table of a study -> the tables it is made from; a study that has those has it too."""

UNGROKKING_TABLES = ("ungrokking", "ungrokking_contrasts")
"""Tables of a study that continues grokked runs on fewer examples."""

PLANTED_TABLES = ("validation", "recovery")
"""Tables of a study that validates the probes on planted truth."""


def with_derived(tables: Iterable[str]) -> list[str]:
    """The tables of runs that a study collects, and those of `STUDY_TABLES` that can be made from them."""
    found = list(tables)
    for table, needed in STUDY_TABLES.items():
        if set(needed) <= set(found):
            found.append(table)
    return found
