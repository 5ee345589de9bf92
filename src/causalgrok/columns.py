"""The columns of every table and what they hold: a declaration, so its edits rerun nothing.

Columns may be added, never renamed.
"""

RUN = {
    "task": "the run's task: dataset, model, loss and budget",
    "recipe": "the run's recipe: its optimisation settings",
    "n": "number of training examples",
    "seed": "seed of subset, initialisation and order; equal seeds are paired across recipes",
}

_EPOCH = {"epoch": "epochs trained; 0 is the initialisation"}
_STEP = {"step": "optimiser steps taken"}
_SPLIT = {"split": "train, id_val, ood_val, ood_test, or probe for the pool that probes are fitted on"}
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
        "group": "convolution, normalisation, head, hidden or total",
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
        "method": "logistic: rows of the hospital classifier; random: isotropic subspace of equal rank",
        "rank": "dimensions removed",
        "strength": "fraction of the projection removed",
    }
    | _REPEAT
    | _SPLIT
    | _SCORES,
    "steering": _EPOCH
    | {
        "stage": "stage whose features are moved",
        "direction": "hospital: top eigenvector of the between-hospital covariance; random: isotropic direction",
        "alpha": "strength in standard deviations of the projections on the direction",
        "cosine": "cosine between the direction and the way to the OOD-val hospital's mean; it fixes the sign",
    }
    | _REPEAT
    | _SPLIT
    | _SCORES,
    "neurons": _EPOCH
    | {
        "k": "number of channels set to zero",
        "selection": "hospital or tumour: the most selective channels; random: drawn without replacement",
    }
    | _REPEAT
    | _SPLIT
    | _SCORES,
    "geometry": _EPOCH
    | {
        "split": "split whose pooled features are measured",
        "effective_rank": "exponential of the entropy of the normalised singular values (Roy & Vetterli 2007), centred",
        "participation_ratio": "(sum of eigenvalues)^2 / sum of squared eigenvalues of the feature covariance",
        "feature_norm": "mean L2 norm of the pooled features",
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
}
"""Table name -> column -> what it holds. Study tables carry the columns of `RUN` in front."""

RUN_TABLES = ("metrics", "dynamics", "probing", "subspace", "steering", "neurons", "geometry")
"""The tables that one run has, in the order of the pipeline."""
