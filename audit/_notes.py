"""What a reader of a verdict must know besides, and what would change it."""

from collections.abc import Sequence

from audit._nouns import Evidence, Grade, Outcome, Reference
from audit._wording import detectable, missing_for_grade_b
from audit.policy import Policy


def notes(evidence: Evidence, policy: Policy, outcome: Outcome) -> tuple[str, ...]:
    """What a reader must know besides, as ``CODE: sentence``."""
    reference, endpoints = evidence.reference, evidence.endpoints
    tail = next(one for one in endpoints if one.name == "T1")
    wider = [one.name for one in endpoints if one.half_width and (one.example_half_width or 0) > one.half_width]
    narrowed = [f"{one.name} {one.margin_effective:.3f}" for one in endpoints if one.margin_effective < one.margin]
    uncertain = [one.role for one in evidence.utility if one.decision == "uncertain"]
    found = {
        "DETECTABLE_WITHIN_MARGIN": (
            outcome == "PASS" and detectable(evidence),
            f"the difference from retraining is detectable but within margin on {', '.join(detectable(evidence))}.",
        ),
        "TAIL_NOT_ASSESSED": (
            tail.candidate is None,
            f"leaks of a few examples were not tested: the TPR endpoints are not estimable ({tail.reason}).",
        ),
        "RETRAIN_DROPPED": (
            reference.dropped,
            f"{', '.join(reference.dropped)} left out: byte-equal to the candidate.",
        ),
        "NOT_EXCHANGEABLE": (
            not evidence.baseline.exchangeable,
            "the retrains are not shown to rank forget and unseen data alike within the margin, so the comparison with "
            "unseen data is switched off; the comparison with retraining stands.",
        ),
        "RETAIN_NOT_ASSESSED": (reference.retain == 0, "no retain rows were given: accuracy on them was not compared."),
        "WIDER_EXAMPLE_INTERVAL": (
            wider and not policy.conservative,
            f"the interval from the examples alone is wider than the one from the retrains on {', '.join(wider)}; "
            "conservative = true in the policy takes the wider one.",
        ),
        "MARGIN_NARROWED": (
            narrowed,
            f"the margin of the PASS test is half of the original's own gap on {', '.join(narrowed)}.",
        ),
        "SHORT_OF_POWER": (
            outcome == "INCONCLUSIVE" and (reference.short_of_power or reference.underpowered),
            _short_of_power(reference),
        ),
        "UTILITY_UNCERTAIN": (
            uncertain and outcome == "FAIL",
            f"besides, it is not settled whether accuracy on {', '.join(uncertain)} is as good as the retrains'.",
        ),
        "POLICY_OVERRIDES": (
            policy.overrides,
            f"settings that differ from profile {policy.profile}: {', '.join(policy.overrides)}.",
        ),
    }
    return tuple(f"{code}: {sentence}" for code, (applies, sentence) in found.items() if applies)


def _short_of_power(reference: Reference) -> str:
    parts = []
    if reference.underpowered:
        parts.append(f"no candidate can pass {', '.join(reference.underpowered)}")
    if reference.short_of_power:
        short = ", ".join(reference.short_of_power)
        parts.append(f"even a perfect candidate passes {short} with less than 80 % probability")
    return f"{'; '.join(parts)}. {reference.remedy}"


def would_change(evidence: Evidence, policy: Policy, reasons: Sequence[str], grade: Grade) -> tuple[str, ...]:
    """What would resolve or change the verdict: for each reason that has a remedy, one sentence."""
    reference = evidence.reference
    canaries = "plant canaries (mislabelled or duplicated examples) in the next training"
    remedies = {
        "NOOP": "Run the unlearning method, and check that its result was the checkpoint that was audited.",
        "LEAK": "Unlearn more strongly, or retrain without the forget set.",
        "OVER_FORGET": "Unlearn less strongly: aim at what retraining gives, not at the lowest score.",
        "SCATTER": "Unlearn example by example to the level of retraining; the mean alone is not enough.",
        "TAIL": "Find the exposed examples in the scores and unlearn those further.",
        "UTILITY": "Repair accuracy on retain data after unlearning.",
        "REFERENCE_INVALID": "Train the retrains again without the forget set, each with its own seed.",
        "NO_ASSAY_SENSITIVITY": (
            "Give the original."
            if reference.assay_sensitive is None
            else f"Check that no retrain saw the forget set, use a larger forget or unseen set, or {canaries}."
        ),
        "EVIDENCE_GRADE": _more_evidence(evidence, policy, grade),
        "BASELINE_DISAGREEMENT": (
            "Check that the retrains were trained without the forget set, and that unseen data is like it."
        ),
        "UNDERPOWERED": reference.remedy or "Use more unseen examples or a wider margin.",
        "NEAR_MARGIN": reference.remedy or "More retrains or more unseen examples would narrow the interval.",
        "UTILITY_UNCERTAIN": "More retrains would narrow the interval of accuracy.",
    }
    return tuple(remedies[reason] for reason in reasons if reason in remedies)


def _more_evidence(evidence: Evidence, policy: Policy, grade: Grade) -> str:
    missing = missing_for_grade_b(evidence)
    if policy.min_evidence == "A" and not missing:
        return "Grade A needs LiRA or U-LiRA from shadow models, which an audit cannot take in yet; require grade B."
    return f"The evidence is of grade {grade}; for grade B provide: {'; '.join(missing)}."
