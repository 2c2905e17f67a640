"""The words of the report: what codes mean, what a verdict rests on, what it does not show.

An audit measures; it does not declare. `FORBIDDEN` lists what no text of this project may say about a result.
"""

from collections.abc import Iterable

from vestige.audit.results.evidence import Scale
from vestige.audit.results.setting import Setting

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

_RETRAINS = (
    "The retrains were trained with the original's recipe on the data without the forget set. An audit that "
    "is given their outputs or weights cannot check all of this."
)
_INFERENCE = "Every model was evaluated without augmentation, in evaluation mode, one example at a time in effect."
_SETTINGS = {
    "chosen": "The candidate's noise over seeds resembles a retrain's. Intervals hold for these examples; with few "
    "retrains the examples count as one more of them.",
    "random": "Forget and unseen examples are one random draw, so that a model trained on neither scores both alike, "
    "but for chance. Tests on the retrains could contradict it; not contradicted is not proven.",
    "class": "All examples of a class were to be forgotten, and unseen examples of the class resemble them. Outputs "
    "cannot tell forgetting from a wrapper that answers as a retrain does.",
}


def assumptions(setting: Setting) -> tuple[str, ...]:
    """What a verdict in this setting rests on."""
    return _RETRAINS, _SETTINGS[setting.name], _INFERENCE


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
    "NOOP": "The candidate is byte-equal to the original: nothing was unlearned.",
    "LEAK": "Forget examples look more like training data than after retraining: a trace of them is left.",
    "OVER_FORGET": "Forget examples look less familiar than to a retrained model. An attacker can turn the sign "
    "round, so this fails like a leak.",
    "TRACE": "Forget examples are treated unlike unseen ones in a way that retraining does not: scattered, reshaped, "
    "masked, or given other outputs for the other classes.",
    "UTILITY": "The candidate is less useful than the retrains by more than the policy tolerates.",
    "REFERENCE": "The retrains cannot serve as a reference: copies, trained on part of the forget set, mixed up with "
    "the original, or failing against each other.",
    "UNSEEN": "The candidate knows the unseen examples, so that nothing can be compared with them.",
    "NO_SIGNAL": "The same attacks do not catch the original (or none was given), so not catching the candidate says "
    "nothing.",
    "EVIDENCE": "Too few retrains, examples or models for what the policy demands, or too wide an interval.",
    "NEAR_MARGIN": "An interval reaches over the margin: neither inside nor outside can be concluded.",
    "NOTHING_TO_FORGET": "The attacks find no trace even in the original; the policy accepts that as PASS.",
}

NOTES = {
    "FAIL_ONLY_OPEN": "An endpoint that can only cause FAIL is neither outside its margin nor shown to be inside. PASS "
    "does not require it.",
    "NOT_JUDGED": "Spread or the worst-exposed examples need more examples before PASS can rest on them.",
    "RETRAIN_DROPPED": "A retrain that is byte-equal to the candidate was left out of the reference.",
    "UNLIKE_UNSEEN": "The retrains treat forget and unseen examples differently.",
    "UNLIKE_RETRAINS": "A model's confidence hardly follows its retrains'.",
    "CLASS_OUTPUTS": "What outputs cannot show where a whole class was forgotten.",
    "MARGIN_NARROWED": "PASS needs half of the original's own gap where that is smaller than the margin; otherwise a "
    "half-forgotten candidate could pass.",
    "GROUPS": "Classes, declared groups and the hardest quarter were judged by themselves as well.",
    "RETAIN_EXPOSED": "Examples that stayed are easier to recognise than after retraining.",
    "SHORT_OF_POWER": "Even a candidate that is as good as retrained would often, or always, stay INCONCLUSIVE.",
    "POLICY_OVERRIDES": "The policy differs from the profile that it names.",
    "AS_PLANNED": "Policy, sizes and what else a plan file fixed before a candidate was scored are those that were "
    "applied.",
    "NOT_AS_PLANNED": "Something was done otherwise than the plan file fixed it; the verdict is on what was done.",
    "FEW_SHADOWS": "Attacks with shadow models were made, with fewer shadows than grade A asks for.",
    "SHADOWS_REFUSED": "The shadow models have a fault, and the attacks that read them were not made.",
    "SHADOW_LEVELS": "The shadow models differ from the audited one in a way that makes attacks with them weaker.",
    "RETAIN_NOT_ASSESSED": "There are no retain examples; utility rests on unseen examples alone.",
    "PEOPLE": "Somebody has several rows; every person counts once.",
    "CLASS_MIX": "Some classes occur among forget examples only, so their examples have no unseen ones to match.",
    "SATURATED": "Some probabilities of the label are exactly 1, where confidence can no longer be ranked.",
}

NOTABLE = 1.25
"""A model that is this many times as sharp as a retrain, or as blunt, is worth a word."""


def scale_sentence(scales: Iterable[Scale]) -> str:
    """Empty, or which models answer sharper or blunter than a retrain; no score depends on it."""
    sharpness = {scale.model: scale.level * (1.0 if scale.slope is None else scale.slope) for scale in scales}
    notable = [f"{name} {times:.2f}" for name, times in sharpness.items() if not 1 / NOTABLE < times < NOTABLE]
    return f"sharpness in units of a retrain's: {', '.join(notable)}; the scores are free of it" if notable else ""


SCORES = {"phi": "φ", "memory": "memory", "residual": "residual"}

DECISIONS = {
    "within": "inside the margin",
    "outside": "outside the margin",
    "uncertain": "undecided",
    "not estimable": "not estimable",
    "no worse": "inside the margin",
    "worse": "below the margin",
    "open": "not shown to be inside",
}

GRADES = {
    "A": "grade B, and attacks with 64 shadow models or more",
    "B": "five or more retrains (three where vestige drew the forget set at random), the original caught, and sizes at "
    "which spread and worst-exposed examples are judged",
    "C": "something that grade B needs is missing",
}
