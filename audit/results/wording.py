"""The words of the report: what codes mean, what a verdict rests on, what it does not show.

An audit measures; it does not declare. `FORBIDDEN` lists what no text of this project may say about a result.
"""

FORBIDDEN = (
    "data removed",
    "data deleted",
    "data erased",
    "data has been removed",
    "data has been deleted",
    "successfully forgotten",
    "fully forgotten",
    "compliant",
    "certified unlearning",
    "certified removal",
    "provably unlearned",
    "guarantees privacy",
)

NOT_SHOWN = (
    "It does not speak about white-box attacks, reconstruction, relearning or attacks that were not run, "
    "and it is evidence, not a legal determination."
)

ASSUMPTIONS = (
    "The retrains were trained with the original's recipe on the data without the forget set. An audit that "
    "is given their outputs or weights cannot check all of this.",
    "The candidate's noise over seeds resembles a retrain's. The intervals are t intervals over the retrains and take "
    "their width from that noise.",
    "Forget and unseen examples are drawn alike. This is checked on the retrains, which saw neither (E1).",
    "The intervals are conditional on the audited examples.",
    "Every model was evaluated without augmentation, in evaluation mode, one example at a time in effect.",
)

EXAMPLE_ASSUMPTIONS = (
    ASSUMPTIONS[0].replace("The retrains were", "Retrains, where there are any, were"),
    "Forget and unseen examples were drawn alike, so that a model trained on neither has exchangeable scores on both. "
    "This was declared, or is known of the split; tests could contradict it, and not contradicted is not proven.",
    "Shadow models, where there are any, were trained on neither forget nor unseen examples.",
    "The intervals are over examples, for these models as they are.",
    ASSUMPTIONS[-1],
)
"""In place of the above where the verdict is over exchangeable examples."""

LIMITS = (
    "Access: only the outputs of the checkpoint were analysed. Attacks on weights, gradients or embeddings were "
    "not run.",
    "Reconstruction, extraction and the speed of relearning were not tested.",
    "Attacks other than those listed here may separate the candidate from retraining.",
    "A gap smaller than the margin is tolerated by the policy. PASS does not mean a gap of zero.",
    "One checkpoint was audited, not the method that made it. Another seed may come out differently.",
    "The result is evidence. Whether it satisfies a legal duty, such as Article 17 of the GDPR, is for others to say.",
)

REASONS = {
    "LEAK": "The candidate separates forget from unseen examples more than retraining does: a trace of them is left.",
    "OVER_FORGET": "Forget examples look less familiar than to a retrained model. An attacker can turn the sign "
    "round, so this fails like a leak.",
    "SCATTER": "Single forget examples lie further from retraining, or closer to it, than seeds explain, whatever the "
    "direction.",
    "TRACE": "Shadows on which the method was run tell forget from unseen examples otherwise than after retraining. "
    "The sign alone does not say whether too little was forgotten or too much.",
    "TAIL": "More forget examples than after retraining are exposed at the low false-positive rate of the policy.",
    "NOOP": "The candidate is byte-equal to the original: nothing was unlearned.",
    "UTILITY": "The candidate's accuracy is below that of the retrains by more than the policy tolerates.",
    "REFERENCE_INVALID": "The retrains cannot serve as a reference: they are copies of each other, one of them knows "
    "the forget set, the original looks less trained on it than they do, or there are too few examples.",
    "NO_ASSAY_SENSITIVITY": "The same attacks do not catch the original (or none was given), so not catching the "
    "candidate says nothing.",
    "EVIDENCE_GRADE": "The grade of the evidence is below what the policy demands for PASS.",
    "BASELINE_DISAGREEMENT": "Close to the retrains, yet too far from unseen data: the two baselines contradict.",
    "NULL_CONTROL": "A retrain, judged as if it were the candidate, fails: this audit accuses a model that never saw "
    "the forget set.",
    "GROUP": "One group of forget examples differs from retraining by more than the margin for groups.",
    "GROUP_OPEN": "The policy demands that every group be shown to be within its margin, and one is not.",
    "UNDERPOWERED": "With these sizes and retrains no candidate could PASS, because the interval is wider than the "
    "margin.",
    "NEAR_MARGIN": "An interval reaches over the margin: neither inside nor outside can be concluded.",
    "UTILITY_UNCERTAIN": "Whether accuracy is within the tolerated loss cannot be concluded.",
    "CONTRADICTED": "Forget and unseen examples were declared exchangeable, and models that saw neither, or the mix of "
    "classes, show that they are not: the verdict over examples falls back to INCONCLUSIVE.",
    "NOTHING_TO_FORGET": "The attacks find no trace even in the original; the policy accepts that as PASS.",
}

NOTES = {
    "TAIL_NOT_ASSESSED": "Too few unseen examples for the low false-positive rate. A few strongly exposed examples "
    "could go unnoticed.",
    "DETECTABLE_WITHIN_MARGIN": "An interval excludes zero: there is a difference from retraining, inside the margin.",
    "RETRAIN_DROPPED": "A retrain that is byte-equal to the candidate was left out of the reference.",
    "NOT_EXCHANGEABLE": "The retrains are not shown to rank forget and unseen examples alike within the margin, so the "
    "unseen-data baseline is off.",
    "RETAIN_NOT_ASSESSED": "There are no retain examples; utility rests on unseen examples alone.",
    "WIDER_EXAMPLE_INTERVAL": "The interval from the examples is wider than the one from the retrains.",
    "MARGIN_NARROWED": "PASS needs half of the original's own gap where that is smaller than the margin; otherwise a "
    "half-forgotten candidate could pass.",
    "NULL_CONTROL_ACCUSES": "A retrain, judged as if it were the candidate, fails too.",
    "SHORT_OF_POWER": "Even a candidate that is as good as retrained would often, or always, stay INCONCLUSIVE.",
    "FAIL_ONLY_OPEN": "An endpoint that can only cause FAIL is neither outside its margin nor shown to be inside. PASS "
    "does not require it.",
    "GROUPS": "Classes, declared groups and the most memorised examples were judged by themselves as well.",
    "PEOPLE": "Somebody has several rows; every person counts once.",
    "RETAIN_EXPOSED": "Examples that stayed are easier to recognise than after retraining.",
    "FEW_SHADOWS": "Attacks with shadow models were made, with fewer shadows than grade A asks for.",
    "SHADOWS_REFUSED": "The shadow models have a fault, and the attacks that read them were not made.",
    "SHADOW_LEVELS": "The shadow models differ from the audited one in a way that makes attacks with them weaker.",
    "CLASS_MIX": "Some classes occur among forget examples only, so their examples have no unseen ones to match.",
    "SATURATED": "Some probabilities of the label are exactly 1, where confidence can no longer be ranked.",
    "UTILITY_AGAINST_ORIGINAL": "Without retrains a loss of accuracy cannot fail; PASS needs it to be no worse than "
    "the original's.",
    "HARDLY_CONTRADICTABLE": "No model was given that saw neither forget nor unseen examples, so that little could "
    "contradict the declaration that these are exchangeable.",
    "POLICY_OVERRIDES": "The policy differs from the profile that it names.",
    "AS_PLANNED": "Policy, sizes and what else a plan file fixed before a candidate was scored are those that were "
    "applied.",
    "NOT_AS_PLANNED": "Something was done otherwise than the plan file fixed it; the verdict is on what was done.",
}

ENDPOINTS = {
    "A1": "AUC of φ, class-centred",
    "A2": "AUC of z (R-LiRA)",
    "A3": "AUC of |z|",
    "T1": "TPR of z",
    "T2": "TPR of |z|",
    "A4": "AUC of U-LiRA",
    "T4": "TPR of U-LiRA",
    "F1": "AUC of RMIA",
    "F2": "AUC of entropy",
    "F3": "AUC of modified entropy",
    "F4": "AUC of LiRA, online",
    "F5": "AUC of LiRA, offline",
}

EXAMPLE_ENDPOINTS = {
    "X1": "AUC of φ, class-centred",
    "X2": "AUC of φ minus the reference",
    "X3": "AUC of |φ minus the reference|",
    "Y2": "TPR of φ minus the reference",
    "Y3": "TPR of |φ minus the reference|",
}

SCORES = {"phi": "φ", "z": "z", "abs_z": "|z|"}

DECISIONS = {
    "within": "inside the margin",
    "outside": "outside the margin",
    "uncertain": "undecided",
    "not estimable": "not estimable",
    "non-inferior": "inside the margin",
    "inferior": "below the margin",
    "not assessed": "not assessed",
}

GRADES = {
    "A": "five or more retrains, per-example attacks, the original caught, and shadow-model attacks",
    "B": "five or more retrains, per-example attacks with tails, and the original",
    "C": "three or more retrains, but something that grade B needs is missing; or inference over exchangeable examples "
    "with one or two retrains, or with shadows",
    "S": "screening only: fewer than three retrains, or no model to calibrate examples by; PASS is impossible",
}
