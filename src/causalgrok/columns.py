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
    "split": "train, id_val, ood_val, ood_test, or probe for the pool that probes are fitted on; train, test and "
    "perhaps validation, a part of test, where there are no hospitals"
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
    | {
        "zero_loss_fraction": "fraction of training examples whose loss is exactly zero; missing on other splits",
        "margin": "mean over examples of the label's logit minus the largest other one; missing once diverged",
        "logit_scale": "root mean square over examples and classes of logits minus each example's mean logit",
    },
    "dynamics": _EPOCH
    | _STEP
    | {
        "group": "convolution, normalisation, embedding, head, hidden or total",
        "scale_invariant": "whether scaling the group's weights leaves the function unchanged",
        "parameters": "number of parameters in the group",
        "weight_norm": "L2 norm of the group's parameters",
        "summed_norm": "sum of the L2 norms of the group's weight matrices and biases, each on its own: what some "
        "codes print as the weight norm",
        "angle_per_step": "angle in radians between the group's weights before and after the latest step",
        "gradient_growth": "cosine between minus the latest raw gradient and the weights: positive pushes the norm up; "
        "0 for scale-invariant weights",
        "grokfast_alignment": "cosine between Grokfast's moving average of the gradients before the latest and the "
        "latest raw one: 0 for white noise; missing without Grokfast",
        "grokfast_growth": "cosine between what Grokfast adds to the latest step, minus the moving average, and the "
        "weights: positive pushes the norm up; missing without Grokfast",
    },
    "probing": _EPOCH
    | {
        "stage": "stem, layer1, layer2, layer3, layer4 or pooled; conv, code or pooled of twin_cnn",
        "target": "what is decoded: hospital or tumour, which is the label, whatever it says",
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
        "method": "logistic (rows of the hospital classifier, the source's), mean_difference, leace, inlp, "
        "shrunken_mean (mean differences less the noise of slides); controls: matched (covariance-matched subspace), "
        "permuted (logistic refitted with hospital permuted by slide), permuted_mean (shrunken means refitted so), "
        "permuted_leace and isotropic (shown, never decisive)",
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
        "hospital_auroc (one-vs-rest AUROC), tumour (|beta| of the tumour classifier); controls: permuted, permuted_f "
        "and permuted_auroc (those three with hospital permuted by slide), matched, matched_f and matched_auroc (equal "
        "mean and variance, dead channels out) and random (drawn without replacement; shown, never decisive)",
        "mode": "zero or mean: what the channels are set to; shrunken: moved to the mean by their hospital's share",
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
    "slides": _EPOCH
    | _SPLIT
    | {
        "hospital": "hospital, 0 to 4",
        "slide": "slide the patches were cut from",
        "images": "number of patches",
        "accuracy": "fraction of them classified correctly",
    },
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
    "shift": {
        "groups": "number of groups (subclasses, slides) in the split that judges the run",
        "unseen_groups": "those of them that the training subset does not have",
        "unseen_share": "share of that split's examples that are of those groups",
        "total_variation": "half the sum over groups and labels of |share in the training subset - share in that "
        "split|: 0 where they are made up alike, 1 where they have nothing in common",
    },
    "composition": {
        "group": "subclass or slide",
        "label": "label of its examples",
        "train": "its examples in the training subset",
        "test": "its examples in the split that judges the run",
    },
    "outcomes": {
        "split": "the split that the run is judged on: ood_test, or test for tasks without hospitals",
        "label": "grokked, semi_grokked, peak_decline, plateau or never_memorised, by the detector's thresholds (table "
        "`sensitivity`); missing without train accuracy or with too few evaluations",
        "censored": "whether the run ended without having grokked",
        "time": "step alpha_1 if it grokked, otherwise its last step",
        "alpha_0": "step at which train accuracy had converged",
        "alpha_0_test": "last step before alpha_1 at which test accuracy was in the low region",
        "alpha_1": "step from which test accuracy stayed in its final plateau",
        "sigma_S": "upper bound of the low region",
        "sigma_E": "lower bound of the final plateau: its mean minus 2 standard errors",
        "delta_S": "sigma_E - sigma_S: how much was grokked",
        "delta_T": "train accuracy in the plateau - sigma_E: the room left",
        "support": "steps from alpha_1 to the end",
        "delay": "alpha_1 / alpha_0",
        "plateau": "mean OOD-test (without hospitals: test) accuracy in the final plateau",
        "plateau_error": "its standard error, corrected for autocorrelation",
        "drift": "mean of the plateau's second half minus that of its first",
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
        "selected_epoch": "evaluation at which the other seeds' mean OOD-val accuracy is highest",
        "selected_accuracy": "OOD-test accuracy there",
        "decline_selected": "selected_accuracy minus final_accuracy: the secondary measure, across seeds",
    },
    "decline": _SPLIT
    | {
        "hospital": "hospital, 0 to 4",
        "early": "mean over slides of accuracy over the first quarter of kept checkpoints after memorisation",
        "late": "the same over the last quarter",
        "decline": "early minus late: positive is a fall",
        "low": "lower end of its 95 % t interval over slides",
        "high": "upper end of it",
        "slides": "number of slides",
        "first_epoch": "first checkpoint that counts",
        "last_epoch": "last one",
    },
    "sensitivity": {
        "delta": "least Delta_S of a run that grokked",
        "rho": "least alpha_1 / alpha_0",
        "train_converged": "train accuracy from which a run counts as having memorised",
        "plateau": "share of the steps that is the final plateau",
        "configured": "whether these are the config's own thresholds, on which `outcomes` rests",
        "label": "what the run is under these thresholds",
        "alpha_0": "step at which train accuracy had converged",
        "alpha_1": "step from which test accuracy stayed in its final plateau",
        "delta_S": "sigma_E - sigma_S",
    },
    "statistics": {
        "task": RUN["task"],
        "n": RUN["n"],
        "a": "recipe that is compared",
        "b": "recipe that it is compared with",
        "measure": "column of `outcomes`",
        "family": "measures that are corrected together, named in config",
        "test": "paired permutation (equal seeds), permutation, or log-rank for times to grok",
        "runs_a": "runs of a",
        "runs_b": "runs of b",
        "paired": "whether both have the same seeds",
        "mean_a": "mean over the runs of a",
        "mean_b": "mean over the runs of b",
        "iqm_a": "interquartile mean of a",
        "iqm_b": "interquartile mean of b",
        "difference": "mean_a - mean_b; for times to grok, runs of a that grokked minus those expected",
        "low": "lower end of the difference's t interval",
        "high": "upper end of it",
        "level": "coverage of the intervals",
        "delta": "Cliff's delta",
        "delta_low": "lower end of its bootstrap interval over runs",
        "delta_high": "upper end of it",
        "improvement": "probability that a run of a lies above one of b",
        "improvement_low": "lower end of its bootstrap interval over runs",
        "improvement_high": "upper end of it",
        "p": "two-sided p of the exact test",
        "smallest_p": "the smallest p that these runs could give",
        "p_holm": "p corrected within the family",
        "smallest_p_holm": "what p_holm would be at the smallest p of every test",
        "rejected": "whether p_holm is at or below alpha",
        "margin": "largest difference of no consequence, from config",
        "p_equivalence": "p of the two one-sided tests that the difference lies within the margin",
        "equivalence": "equivalent, or not_shown",
        "deviation": "standard deviation of a run within its arm; of pairs' differences where paired",
        "detectable": "smallest true difference that these runs find with config's power; infinite if none",
        "runs_needed": "runs an arm that find the margin with that power",
    },
    "mechanism": {
        "group": "convolution, normalisation, head, hidden or total",
        "scale_invariant": "whether scaling the group's weights leaves the function unchanged",
        "parameters": "number of parameters in the group",
        "normalisation": "what the network normalises with: batch, group or none",
        "learning_rate": "the recipe's learning rate",
        "weight_decay": "the recipe's weight decay",
        "steps": "optimiser steps of the run",
        "exposure": "learning_rate * weight_decay * steps: decay alone leaves exp(-exposure) of a norm",
        "persistence": "kappa: factor by which Grokfast's steps spread faster on white noise; 1 without Grokfast",
        "step_rms": "root mean square of Adam's step a weight, in learning rates, on white noise",
        "memorised_epoch": "first evaluation with train accuracy at or above .99; missing if there is none",
        "diverged_epoch": "first evaluation whose train loss or weight norm is not finite; missing if there is none; "
        "a run that diverged has none of the measurements below but norm_initial and what is computed from it",
        "norm_initial": "L2 norm of the group's parameters at initialisation",
        "norm_lowest": "lowest norm of all evaluations",
        "norm_final": "norm at the last evaluation",
        "decay_only": "norm that weight decay alone would have left at the end",
        "diffusion": "norm at the end if steps of one learning rate a weight were independent: the null of growth",
        "diffusion_persistent": "the same with Grokfast's persistence: the null of growth where Grokfast is on",
        "growth": "squared final norm minus squared initial norm",
        "growth_late": "squared final norm minus squared norm at memorised_epoch",
        "head_share": "the head's growth over the total's, the same on all rows of a run; missing where that shrank",
        "head_share_late": "the same of growth_late",
        "norm_early": "mean norm over the first quarter of the equally spaced evaluations",
        "norm_late": "mean norm over the last quarter of them",
        "angle_early": "mean angle per step in radians over the first quarter",
        "angle_late": "mean angle per step over the last quarter",
        "angle_predicted_early": "mean over the first quarter of learning_rate * step_rms * sqrt(parameters) / norm, "
        "Adam's angle on white noise",
        "angle_predicted_late": "the same over the last quarter",
        "reference": "recipe of the least weight decay that is equal in all else; missing where there is no other",
        "angle_over_reference": "angle_late over that of the reference's run of equal seed: the ratio of effective "
        "learning rates",
        "norm_over_reference": "norm_late over that of the reference's run of equal seed",
        "gradient_growth": "mean of that column of `dynamics` from memorised_epoch on",
        "grokfast_alignment": "mean of that column of `dynamics` from memorised_epoch on",
        "grokfast_growth": "mean of that column of `dynamics` from memorised_epoch on",
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
    "calibration": {
        "test": "the test that was asked",
        "design": "runs an arm, pairs, or seeds",
        "condition": "what the data without an effect are like",
        "assumption": "met: the test promises its level here; asymptotic: for many runs only; broken: not at all",
        "alpha": "the level at which it was asked",
        "repeats": "number of generated data sets",
        "rejected": "number of them in which it rejected",
        "rate": "rejected / repeats",
        "low": "lower end of the 99.9 % Clopper-Pearson interval of the rate: many rows are judged at once",
        "high": "upper end of it",
        "attainable": "the level that it should have: alpha, or the largest at or below it that its labelings allow",
        "bound": "whether that is an upper bound only",
        "inside": "whether attainable lies within low and high, or not below low if it is a bound",
    },
    "confusion": {
        "scatter": "ordinary or strong: how far checkpoints of the synthetic runs scatter",
        "true": "what the synthetic runs are",
        "detected": "what the detector says",
        "runs": "number of them",
        "count": "how many of them it says this of",
        "rate": "count / runs",
        "low": "lower end of its 95 % Clopper-Pearson interval",
        "high": "upper end of it",
    },
    "factorial": {
        "task": RUN["task"],
        "n": RUN["n"],
        "outcome": "what is explained: peak_accuracy, final_accuracy, decline (OOD test, as in `outcomes`), "
        "weight_norm (all parameters), effective_rank (pooled features, id_val), inlp_area, between_participation "
        "(as in `concentration`), reliance (flip fraction under counterfactual stain, mean over OOD splits), steering "
        "and steering_pooled (flip fraction along the hospital direction minus the mean of its controls permuted by "
        "slide, mean of the stages before pooling, and pooled); all at the end of training but the first and third",
        "term": "a factor, or factors joined by a colon for their interaction",
        "order": "number of factors in the term",
        "levels": "low and high setting of a single factor; missing for interactions",
        "estimate": "mean outcome where the product of the term's codes (-1 low, +1 high) is +1, minus that where it "
        "is -1: mean over seeds",
        "low": "lower end of its 95 % t interval over seeds",
        "high": "upper end of it",
        "p": "two-sided p of the permutation test that flips the signs of the seeds' effects",
        "smallest_p": "the smallest p that this number of seeds can give",
        "exact": "whether all sign flips were counted",
        "p_holm": "p after Holm's correction over the terms of this task, n and outcome",
        "smallest_p_holm": "p_holm if every term had its smallest p",
        "rejected": "whether p_holm is at most .05",
        "mixed_estimate": "the same in a linear mixed model with seed as random intercept; missing if not fitted",
        "mixed_low": "lower end of its 95 % Wald interval",
        "mixed_high": "upper end of it",
        "mixed_p": "its Wald p, too small for few seeds: shown, never decisive",
        "mean": "mean outcome over all recipes and seeds",
        "seeds": "number of seeds",
        "left_out": "seeds left out because one of their runs has no value: it diverged, or never memorised",
    },
    "arms": {
        "task": RUN["task"],
        "recipe": RUN["recipe"],
        "n": RUN["n"],
        "split": "split that is judged: ood_test, or test for a task without hospitals",
        "seeds": "number of runs",
        "steps": "optimiser steps of a run",
        "chance": "accuracy of guessing",
        "memorised": "number of runs whose train accuracy converged (alpha_0)",
        "memorised_step": "median of their alpha_0; missing if there is none",
        "grokked": "number of runs that the detector calls grokked",
        "grokked_step": "median of their alpha_1; missing if there is none",
        "start": "accuracy on the judged split at the first evaluation; mean over seeds",
        "start_low": "lower end of its 95 % t interval; missing for one seed",
        "start_high": "upper end",
        "delta_S": "sigma_E - sigma_S of the detector: how much was grokked; mean over seeds",
        "delta_S_low": "lower end of its 95 % t interval; missing for one seed",
        "delta_S_high": "upper end",
        "end": "accuracy in the final plateau; mean over seeds",
        "end_low": "lower end of its 95 % t interval; missing for one seed",
        "end_high": "upper end",
        "norm_ratio": "total weight norm at the end over that at initialisation; mean over seeds",
        "norm_ratio_low": "lower end of its 95 % t interval; missing for one seed",
        "norm_ratio_high": "upper end",
    },
    "critical_size": {
        "task": RUN["task"],
        "recipe": RUN["recipe"],
        "split": "split that is judged: ood_test, or test for a task without hospitals",
        "threshold": "plateau accuracy (mean over the last quarter of evaluations) from which it counts as sustained",
        "verdict": "crossed (the interval at the largest n lies above the threshold), none (it lies below) or "
        "inconclusive",
        "crossed": "whether the verdict is crossed",
        "critical_n": "n at which the isotonic curve through the mean plateaus reaches the threshold, between sizes in "
        "log n; 0 where the smallest n does; missing unless crossed",
        "fitted_low": "lower end of its 95 % bootstrap interval over seeds; 0 is at or below the smallest n",
        "fitted_high": "upper end of it; infinite where the largest n may not reach the threshold",
        "low": "largest n whose interval lies below the threshold, which is crossed above it; 0 if there is none",
        "high": "smallest n from there on whose interval lies above, at or below which it is crossed; infinite if none",
        "smallest_n": "smallest n tried",
        "largest_n": "largest n tried",
        "accuracy": "mean plateau accuracy at the largest n",
        "accuracy_low": "lower end of its 95 % t interval over seeds",
        "accuracy_high": "upper end of it: no more is to be expected at the largest n",
        "slope": "change of plateau accuracy for each doubling of n: mean of the seeds' least-squares slopes",
        "slope_low": "lower end of its 95 % t interval over seeds",
        "slope_high": "upper end of it",
        "p": "two-sided p of the permutation test that flips the signs of the slopes",
        "smallest_p": "the smallest p that this number of seeds can give",
        "seeds": "number of seeds",
        "left_out": "seeds left out because they lack a size or one of their runs diverged",
    },
    "stopping": {
        "criterion": "when training stops: weight_norm, effective_rank or margin once that has settled, "
        "norm_and_rank once both have, validation_settled once validation accuracy has; validation: the usual, after "
        "a number of evaluations without a better validation accuracy",
        "stopped": "whether it stops before the end of the run",
        "stop_epoch": "epoch at which it stops: the last where it does not",
        "kept_epoch": "epoch whose weights are kept: the stop, for the two on validation the best up to then",
        "compute": "share of the run's steps taken up to the stop",
        "split": "split that is judged: ood_test, or test for a task without hospitals",
        "accuracy": "accuracy there at kept_epoch, running median of five evaluations",
        "best_accuracy": "highest running median of the whole run: an oracle's choice",
        "regret": "best_accuracy minus accuracy",
        "needed": "share of the run's steps at which the running median first comes within .02 of best_accuracy",
        "late_gain": "best_accuracy after memorisation minus the accuracy there: what there was to wait for",
    },
    "reported": {
        "source": "the source that prints the figure, a key of `sources` in workflow/claims.yaml",
        "task": RUN["task"],
        "recipe": RUN["recipe"],
        "n": RUN["n"],
        "step": "step at which it is reported",
        "quantity": "train_accuracy, validation_accuracy, test_accuracy, weight_norm or summed_norm",
        "reported": "the figure",
        "tolerance": "largest difference that counts as found again, set beforehand in workflow/reported.csv",
        "runs": "number of seeds that were trained so far",
        "mean": "ours: mean over seeds at the evaluation nearest to the step",
        "low": "lower end of its 95 % t interval over seeds; missing with one",
        "high": "upper end of it",
        "difference": "mean minus reported",
        "verdict": "within (the tolerance), outside, or not_reached (no run was trained so far)",
    },
    "claims": {
        "claim": "the claim's key in workflow/claims.yaml",
        "source": "keys of the sources that make it",
        "sentence": "what is claimed, in our words",
        "study": "the study that decides this row",
        "scope": "reproduction (the source's settings on the official data) or analogue; never merged",
        "data": "what the study's runs were trained on; empty where nothing was run",
        "family": "the claims whose p-values are corrected together, within a study and scope",
        "measure": "kind of the measure that gives one value a run",
        "test": "how the values are compared",
        "direction": "where the claim says that the estimate lies: above or below the threshold, or within the margin",
        "threshold": "the value that the claim is about; for counts the chance",
        "margin": "largest distance from the threshold that would not matter; missing unless within",
        "design": "what was compared: seeds, pairs of seeds, or runs; empty where nothing was",
        "runs": "number of runs that went in",
        "estimate": "what `observed` is",
        "observed": "the estimate, in the units of the measure",
        "low": "lower end of its interval",
        "high": "upper end of it",
        "level": "coverage of the interval: .95, or .9 where two one-sided tests decide",
        "reported": "the figure that the source reported",
        "p": "exact p of the estimate's side: two-sided, or the larger of two one-sided ones for within",
        "smallest_p": "the smallest p that this design can give",
        "p_holm": "p after Holm's correction over the family",
        "smallest_p_holm": "p_holm if every claim of the family had its smallest p",
        "alpha": "level of the verdict",
        "verdict": "supported, contradicted, inconclusive or not_run",
        "reason": "why",
        "note": "what has to be known to read it",
        "tables": "the table rows the values were taken from: table.column and a condition on its rows",
        "traced": "the runs that went in, a line each: folder and value",
    },
    "validation": {
        "case": "what was planted: the null cases by name, or `planted`",
        "strength": "strength of the planted hospital effect in units of the noise; 0 is none",
        "probe": "the probe that was asked",
        "control": "what decided: permuted, matched, isotropic or random; none for the source's own criteria",
        "repeats": "number of generated feature sets",
        "found": "number of them in which the probe found an effect at the 5 % level",
        "rate": "found / repeats: false-positive rate where nothing was planted, power elsewhere",
        "low": "lower end of the 95 % Clopper-Pearson interval of the rate",
        "high": "upper end of it",
        "untied_rate": "the same where the probe has a value, with its place among equal controls drawn at random",
        "inside": "whether the number behind untied_rate is in the central 95 % of the binomial distribution at 5 %",
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

TABLES_OF_RULES = {
    "train": ("metrics", "dynamics"),
    "measure_counterfactuals": ("counterfactual", "renormalisation"),
    "probe_layers": ("probing",),
    "ablate_features": ("subspace", "neurons", "concentration"),
    "measure_erasure": ("erasure",),
    "steer_activations": ("steering",),
    "measure_features": ("geometry", "slides"),
    "name_checkpoints": ("checkpoints",),
}
"""Rule -> the tables it makes of one run. A study stacks them in one job, which waits for no other rule's."""

RUN_TABLES = tuple(table for tables in TABLES_OF_RULES.values() for table in tables)
"""The tables that one run has."""

HOSPITAL_TABLES = frozenset(
    {
        *("counterfactual", "renormalisation", "probing", "subspace", "erasure", "concentration", "steering"),
        *("neurons", "slides"),
    }
)
"""Those that ask about hospitals: runs of tasks without hospitals do not have them."""

STUDY_TABLES = {
    "outcomes": ("metrics",),
    "decline": ("slides", "checkpoints"),
    "sensitivity": ("metrics",),
    "statistics": ("outcomes",),
    "mechanism": ("dynamics", "metrics"),
    "arms": ("outcomes", "metrics", "dynamics"),
    "verdicts": ("checkpoints", "steering", "subspace", "neurons"),
    "reliance": ("checkpoints", "verdicts", "probing", "counterfactual", "concentration"),
    "claims": ("outcomes",),
}
"""Table of a study -> the tables it is made from; a study that has those has it too."""

FACTORIAL_INPUTS = ("outcomes", "dynamics", "geometry", "concentration", "counterfactual", "steering")
"""Tables that the table `factorial` takes outcomes from, those of them that a study has."""

STOPPING_INPUTS = ("metrics", "dynamics", "geometry")
"""Tables that the table `stopping` is made from."""

REPORTED_INPUTS = ("metrics", "dynamics")
"""Tables that published figures are compared with."""

UNGROKKING_TABLES = ("ungrokking", "ungrokking_contrasts")
"""Tables of a study that continues grokked runs on fewer examples."""

SHIFT_TABLES = ("shift", "composition")
"""Tables of a study that asks how differently training subset and test split are made up."""

PLANTED_TABLES = ("validation", "recovery")
"""Tables of a study that validates the probes on planted truth."""

CALIBRATION_TABLES = ("calibration", "confusion")
"""Tables of a study that counts the errors of tests and detector."""


def with_derived(tables: Iterable[str]) -> list[str]:
    """The tables of runs that a study collects, and those of `STUDY_TABLES` that can be made from them."""
    found = list(tables)
    for table, needed in STUDY_TABLES.items():
        if set(needed) <= set(found):
            found.append(table)
    return found
