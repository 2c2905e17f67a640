"""The sentences of a verdict in the second mode; the first line starts with what is assumed."""

from collections.abc import Sequence

from vestige.audit.endpoints.decisions import SEED_ALLOWANCE
from vestige.audit.endpoints.endpoints import BATTERY
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Evidence, Grade, Outcome, Verdict
from vestige.audit.results.exchangeable import Exchangeable
from vestige.audit.verdict import notes, wording
from vestige.audit.verdict.exchangeable_rule import half_width, reason_of, too_wide

NOUNS = {"classes": "the mix of classes", "classifier": "a classifier on the logits"}
SHARED = ("NOOP", "NOTHING_TO_FORGET", "UTILITY")
"""Reasons whose explanation and remedy are those of the main rule."""


def verdict(
    evidence: Evidence,
    policy: Policy,
    outcome: Outcome,
    reasons: tuple[str, ...],
    still_open: Sequence[str],
    grade: Grade,
) -> Verdict:
    """The verdict with its sentences."""
    found = evidence.exchangeable
    if found is None:
        raise ValueError("the evidence was not judged over examples")
    return Verdict(
        outcome=outcome,
        reasons=reasons,
        grade=grade,
        profile=policy.profile,
        headline=_headline(evidence, found, policy, outcome, reasons),
        explanations=tuple(_explanation(reason, evidence, found, policy) for reason in reasons),
        notes=_all_notes(evidence, found, policy, outcome, still_open),
        would_change=tuple(
            text for reason in reasons if (text := _remedy(reason, evidence, found, policy, grade)) is not None
        ),
        mode="exchangeable",
    )


def _headline(evidence: Evidence, found: Exchangeable, policy: Policy, outcome: Outcome, reasons: Sequence[str]) -> str:
    vouched = "known, as both were drawn from one pool" if found.declared == "known" else "declared"
    standing = "contradicted" if found.contradicted else "not contradicted"
    if not (found.contradicted or evidence.reference.retrains or found.shadows):
        standing = "hardly tested, for want of a model that saw neither"
    label = f"{outcome} ({', '.join(reasons)})" if reasons else outcome
    terms = f"under battery {BATTERY} over examples, {models(evidence, found)} and {policy.margins}"
    return (
        f"Assuming that forget and unseen examples are exchangeable ({vouched}; {standing}): {label}: {terms}, "
        f"{_found(evidence, found, policy, outcome, reasons)}."
    )


def models(evidence: Evidence, found: Exchangeable) -> str:
    """How many models that were trained on neither set there are, in words."""
    k = evidence.reference.retrains
    words = f"{k} retrain{'' if k == 1 else 's'}"
    return words + (f", {found.shadows} shadow{'' if found.shadows == 1 else 's'}" if found.shadows else "")


def _found(evidence: Evidence, found: Exchangeable, policy: Policy, outcome: Outcome, reasons: Sequence[str]) -> str:
    level = f"{100 * (1 - policy.alpha):g} %"
    if outcome == "PASS":
        words = f"no tested attack tells forget from unseen examples by more than its margin ({level})"
        if "NOTHING_TO_FORGET" in reasons:
            return (
                words + "; nothing detectable to forget, because no attack found the forget set on the original either"
            )
        return words + ("; detectable but within margin" if _detectable(found) else "")
    if outcome == "INCONCLUSIVE":
        return "it is not settled whether the candidate tells forget from unseen examples by more than its margin"
    parts = []
    if "NOOP" in reasons:
        parts.append("the candidate answers exactly as the original does")
    if outside := _gaps(found, None):
        parts.append(f"the candidate tells forget from unseen examples by more than the margin ({level}) on {outside}")
    if "UTILITY" in reasons:
        lost = ", ".join(f"{one.role} {one.gap:+.3f}" for one in evidence.utility if one.decision == "inferior")
        parts.append(f"the candidate is less accurate than retraining by more than the margin on {lost}")
    return "; ".join(parts)


def _gaps(found: Exchangeable, reason: str | None) -> str:
    outside = [one for one in found.endpoints if one.decision == "outside"]
    chosen = [one for one in outside if reason is None or reason_of(one) == reason]
    return ", ".join(f"{one.name} {one.gap:+.3f}" for one in chosen)


def _detectable(found: Exchangeable) -> list[str]:
    within = [one for one in found.endpoints if one.decision == "within" and one.interval is not None]
    return [one.name for one in within if one.interval and not one.interval[0] <= 0 <= one.interval[1]]


def contradiction(found: Exchangeable) -> str:
    """What rejects, in words with its numbers."""
    words = []
    for one in found.tests:
        if one.name in found.contradicted:
            area = "" if one.auc is None else f"AUC {one.auc:.3f}, "
            words.append(f"{NOUNS.get(one.name, one.name)} ({area}p = {one.p:.2g})")
    return ", ".join(words)


def _explanation(reason: str, evidence: Evidence, found: Exchangeable, policy: Policy) -> str:
    if reason in SHARED:
        return wording.explanation(reason, evidence, policy)
    gaps = _gaps(found, reason)
    wide = ", ".join(
        f"{one.name} (half-width {half_width(one):.3f})" for one in found.endpoints if one.name in too_wide(found)
    )
    unsettled = ", ".join(one.name for one in found.endpoints if one.decision == "uncertain")
    texts = {
        "LEAK": f"Leak: forget examples look more like training data than unseen examples do ({gaps}).",
        "OVER_FORGET": (
            f"Over-forgetting: forget examples look less like training data than unseen examples do ({gaps}), which "
            "gives them away just as well."
        ),
        "SCATTER": f"Single forget examples lie further from, or closer to, the reference than unseen ones ({gaps}).",
        "TAIL": f"Some forget examples are recognised with few false alarms ({gaps}).",
        "CONTRADICTED": (
            "That forget and unseen examples are exchangeable is contradicted on models and labels that do not depend "
            f"on the candidate: {contradiction(found)}. Nothing is concluded over examples."
        ),
        "REFERENCE_INVALID": f"The models given cannot serve: {evidence.reference.problem or found.problem}.",
        "NO_ASSAY_SENSITIVITY": _insensitive(evidence, found),
        "EVIDENCE_GRADE": _graded(found, evidence, policy),
        "UTILITY_UNCERTAIN": (
            "It is not settled whether the candidate is as accurate as the retrains."
            if evidence.utility
            else "It is not shown that accuracy on unseen data is as good as the original's, within the tolerated loss."
        ),
        "UNDERPOWERED": f"The interval is wider than the margin, so that no candidate could get PASS, on {wide}.",
        "NEAR_MARGIN": f"The interval reaches across the margin on {unsettled}.",
    }
    return texts[reason]


def _insensitive(evidence: Evidence, found: Exchangeable) -> str:
    if not evidence.reference.original:
        return "No original was given, so nothing shows that these attacks could have found the forget set at all."
    besides = f", only {', '.join(found.firing)}" if found.firing else ""
    return (
        f"No per-example attack catches the original{besides}: the forget set is not memorised, or the attacks are too "
        "weak, or the models given as reference were trained on it."
    )


def _graded(found: Exchangeable, evidence: Evidence, policy: Policy) -> str:
    if not (evidence.reference.retrains or found.shadows):
        return "No attack is calibrated for each example without a retrain or a shadow, so that nothing can pass."
    return (
        f"The policy requires evidence of grade {policy.min_evidence}; over examples it is never better than C: "
        "an assumption stands where the spread over retrains would."
    )


def _all_notes(
    evidence: Evidence, found: Exchangeable, policy: Policy, outcome: Outcome, still_open: Sequence[str]
) -> tuple[str, ...]:
    reference = evidence.reference
    tail = next(one for one in found.endpoints if one.name == "Y2")
    narrowed = [
        f"{one.name} {one.margin_effective:.3f}" for one in found.endpoints if one.margin_effective < one.margin
    ]
    short = [
        one.name for one in found.endpoints if one.plan_width is not None and one.plan_width > one.margin_effective
    ]
    before = "" if found.original_accuracy is None else f", the original's {found.original_accuracy:.3f}"
    models_given = reference.retrains or found.shadows
    own = {
        "DETECTABLE_WITHIN_MARGIN": (
            outcome == "PASS" and _detectable(found),
            f"a difference between forget and unseen examples is detectable but within margin on "
            f"{', '.join(_detectable(found))}.",
        ),
        "TAIL_NOT_ASSESSED": (
            tail.candidate is None,
            f"leaks of a few examples were not tested: the TPR endpoints are not estimable ({tail.reason}).",
        ),
        "RETRAIN_DROPPED": (
            reference.dropped,
            f"{', '.join(reference.dropped)} left out: byte-equal to the candidate.",
        ),
        "HARDLY_CONTRADICTABLE": (
            not models_given,
            "without a retrain or a shadow only the mix of classes could contradict the declaration: a forget set that "
            "is easier or harder than unseen data would look like a leak or hide one.",
        ),
        "MARGIN_NARROWED": (
            narrowed,
            f"the margin of the PASS test is half of the original's own gap on {', '.join(narrowed)}.",
        ),
        "SHORT_OF_POWER": (
            outcome == "INCONCLUSIVE" and short,
            f"even a perfect candidate passes {', '.join(short)} with less than 80 % probability; more forget and "
            "unseen examples would narrow the interval (vestige plan), more models would not.",
        ),
        "UTILITY_AGAINST_ORIGINAL": (
            not evidence.utility,
            "without retrains a loss of accuracy has no reference and cannot fail; PASS needs accuracy no worse than "
            f"the original's: on unseen data the candidate's is {found.accuracy:.3f}{before}.",
        ),
        **{code: (True, f"beside the FAIL: {_explanation(code, evidence, found, policy)}") for code in still_open},
        "POLICY_OVERRIDES": (
            policy.overrides,
            f"settings that differ from profile {policy.profile}: {', '.join(policy.overrides)}.",
        ),
    }
    found_notes = [f"{code}: {sentence}" for code, (applies, sentence) in own.items() if applies]
    return (*found_notes, *notes.data_notes(reference, compared=bool(evidence.utility)))


def _remedy(reason: str, evidence: Evidence, found: Exchangeable, policy: Policy, grade: Grade) -> str | None:
    own = {
        "UTILITY_UNCERTAIN": (
            f"One or two retrains leave the seed {SEED_ALLOWANCE:g} of accuracy: give more of them, or a "
            "margin_utility well above that."
            if evidence.utility
            else "Give retrains to hold accuracy against, or repair accuracy after unlearning."
        ),
        "CONTRADICTED": "Audit with three retrains or more: that needs no such assumption.",
        "EVIDENCE_GRADE": (
            "Give a retrain, or shadows that were trained on neither forget nor unseen examples."
            if grade == "S"
            else f"Audit with five retrains for grade B, or allow grade {grade} in the policy (min_evidence)."
        ),
        "UNDERPOWERED": "Use more forget and unseen examples or a wider margin; more models change little.",
        "NEAR_MARGIN": "More forget and unseen examples would narrow the interval; so might retrains.",
        "REFERENCE_INVALID": "Check which file is the original, and that no retrain or shadow saw the forget set.",
    }
    if reason in own:
        return own[reason]
    texts = notes.would_change(evidence, policy, (reason,), grade)
    return texts[0] if texts else None
