"""The sentences of a verdict. No sentence claims that data is gone, or that a law is met: attacks were tried."""

from collections.abc import Mapping, Sequence

from vestige.audit.endpoints.endpoints import BATTERY, DEFINITIONS
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence, Outcome
from vestige.audit.results.groups import GroupResult
from vestige.audit.results.shadows import SHADOWED
from vestige.audit.verdict.shadow_notes import missing_for_grade_a

FAIL_ORDER = ("LEAK", "OVER_FORGET", "SCATTER", "TRACE", "TAIL")
"""Reasons of a FAIL, most telling first."""


GROUP = "GROUP:"
"""A reason code that ends in the name of a group."""


def headline(evidence: Evidence, policy: Policy, outcome: Outcome, reasons: Sequence[str]) -> str:
    """The first line of a report: outcome, reasons, battery, retrains, margins, and what was found."""
    label = f"{outcome} ({', '.join(reasons)})" if reasons else outcome
    k = evidence.reference.retrains
    terms = f"under battery {BATTERY}, {k} retrain{'' if k == 1 else 's'} and {policy.margins}"
    level = f"{100 * (1 - policy.alpha):g} %"
    if outcome == "PASS":
        battery = "primary endpoint" if fail_only_open(evidence) else "tested attack"
        found = f"no {battery} separates the candidate from retraining by more than its margin ({level})"
        if "NOTHING_TO_FORGET" in reasons:
            found += "; nothing detectable to forget, because no attack found the forget set on the original either"
        elif detectable(evidence):
            found += "; detectable but within margin"
    elif outcome == "FAIL":
        found = _failure(evidence, reasons, policy, level)
    else:
        found = _open(evidence, reasons)
    return f"{label}: {terms}, {found}."


def screened(evidence: Evidence) -> str:
    """The candidate's AUC against unseen examples with its interval."""
    low, high = evidence.baseline.interval
    return f"{evidence.baseline.auc:.3f} [{low:.3f}, {high:.3f}]"


def _open(evidence: Evidence, reasons: Sequence[str]) -> str:
    if not evidence.reference.retrains and evidence.reference.valid:
        return (
            f"a screening alone: AUC of forget against unseen {screened(evidence)}, and no retrain to compare it with"
        )
    if not set(reasons) <= {"UTILITY_UNCERTAIN", "BASELINE_DISAGREEMENT"}:
        return "it is not settled whether the candidate differs from retraining by more than its margin"
    if "BASELINE_DISAGREEMENT" in reasons:
        found = "the comparisons with retraining and with unseen data contradict each other"
        also = ", and whether the candidate is as accurate as retraining is not settled"
        return found + (also if "UTILITY_UNCERTAIN" in reasons else "")
    battery = "primary endpoint" if fail_only_open(evidence) else "tested attack"
    return (
        f"no {battery} separates the candidate from retraining by more than its margin, but whether it is as accurate "
        "as retraining is not settled"
    )


def _failure(evidence: Evidence, reasons: Sequence[str], policy: Policy, level: str) -> str:
    parts = []
    if "NOOP" in reasons:
        parts.append("the candidate answers exactly as the original does")
    outside = [one for one in evidence.endpoints if one.decision == "outside"]
    if outside:
        gaps = ", ".join(f"{one.name} {one.gap:+.3f}" for one in outside)
        parts.append(f"the candidate differs from retraining by more than the margin ({level}) on {gaps}")
    for group in telling_groups(evidence):
        gaps = ", ".join(f"{one.name} {one.gap:+.3f}" for one in group.endpoints if one.decision == "outside")
        margin = f"{policy.margin_group:g}"
        parts.append(f"within {group.name} the candidate differs from retraining by more than {margin} on {gaps}")
    if "UTILITY" in reasons:
        lost = ", ".join(f"{one.role} {one.gap:+.3f}" for one in evidence.utility if one.decision == "inferior")
        parts.append(f"the candidate is less accurate than retraining by more than the margin on {lost}")
    return "; ".join(parts)


def telling_groups(evidence: Evidence) -> list[GroupResult]:
    """Groups that fail on an endpoint which does not fail on the whole forget set."""
    whole = {one.name for one in evidence.endpoints if one.decision == "outside"}
    return [
        group for group in evidence.groups if {one.name for one in group.endpoints if one.decision == "outside"} - whole
    ]


def open_groups(groups: Sequence[GroupResult]) -> list[GroupResult]:
    """Groups that a policy which enforces them must see within their margin and does not: the declared ones, or the
    classes where none are declared, and the most memorised quarter."""
    kind = "declared" if any(one.kind == "declared" for one in groups) else "class"
    return [one for one in groups if one.kind in (kind, "stratum") and one.standing != "within"]


def detectable(evidence: Evidence) -> list[str]:
    """Primary endpoints whose PASS interval lies within the margin without containing zero."""
    return [
        one.name
        for one in evidence.endpoints
        if one.primary and one.decision == "within" and one.interval and not one.interval[0] <= 0 <= one.interval[1]
    ]


def fail_only_open(evidence: Evidence) -> list[str]:
    """FAIL-only endpoints that are not shown to lie within their margin; LiRA only where there were shadows for it."""
    shadowed = {one.name for one in DEFINITIONS if one.score in SHADOWED}
    return [
        one.name
        for one in evidence.endpoints
        if not one.primary and one.decision != "within" and not (one.candidate is None and one.name in shadowed)
    ]


def underpowered(evidence: Evidence, policy: Policy) -> list[str]:
    """Primary endpoints whose interval is wider than the margin, whatever the candidate."""
    wide = list(evidence.reference.underpowered)
    if policy.conservative:
        wide += [one.name for one in evidence.endpoints if one.primary and _too_wide(one) and one.name not in wide]
    return wide


def _too_wide(one: Endpoint) -> bool:
    return one.half_width is not None and (one.example_half_width or 0.0) > one.margin_effective


def _names(evidence: Evidence, *names: str, sign: int = 0) -> str:
    chosen = [
        one
        for one in evidence.endpoints
        if one.decision == "outside" and one.name in names and (not sign or (one.gap or 0.0) * sign > 0)
    ]
    return ", ".join(f"{one.name} {one.gap:+.3f}" for one in chosen)


def explanation(reason: str, evidence: Evidence, policy: Policy) -> str:
    """One sentence for a reason code."""
    reference, texts = evidence.reference, _simple()
    if reason in texts:
        return texts[reason]
    if reason in ("LEAK", "OVER_FORGET"):
        gaps = _names(evidence, "A1", "A2", "F1", "F2", "F3", "F4", "F5", sign=1 if reason == "LEAK" else -1)
        if reason == "LEAK":
            return f"Leak: forget examples look more like training data than under retraining ({gaps})."
        return (
            f"Over-forgetting: forget examples look less like training data than under retraining ({gaps}), "
            "which gives them away just as well."
        )
    if reason == "SCATTER":
        return (
            f"Single forget examples lie further from, or closer to, retraining than chance ({_names(evidence, 'A3')})."
        )
    if reason == "TRACE":
        return (
            "Traces of the method: held against shadows that it was run on, forget examples differ from unseen ones "
            f"otherwise than under retraining ({_names(evidence, 'A4')})."
        )
    if reason == "TAIL":
        return f"Some forget examples are recognised with few false alarms ({_names(evidence, 'T1', 'T2', 'T4')})."
    if reason.startswith(GROUP):
        return _group(next(one for one in evidence.groups if one.name == reason.removeprefix(GROUP)), policy)
    if reason == "GROUP_OPEN":
        names = ", ".join(f"{one.name} ({one.reason or one.standing})" for one in open_groups(evidence.groups))
        return f"The policy requires every group to be within {policy.margin_group:g}; not shown for: {names}."
    if reason == "UTILITY":
        lost = ", ".join(f"{one.role} {one.gap:+.3f}" for one in evidence.utility if one.decision == "inferior")
        return f"The candidate is less accurate than the retrains by more than {policy.margin_utility:g} ({lost})."
    if reason == "REFERENCE_INVALID":
        return f"The retrains cannot serve as a reference: {reference.problem}."
    if reason == "NULL_CONTROL":
        accused = () if evidence.controls is None else evidence.controls.accused
        return f"The audit cannot be trusted: it also finds a leak in {', '.join(accused)}, held against the others."
    if reason == "NO_ASSAY_SENSITIVITY":
        return _insensitive(evidence)
    if reason == "EVIDENCE_GRADE":
        return _graded(evidence, policy)
    if reason == "UNDERPOWERED":
        wide = ", ".join(underpowered(evidence, policy))
        return f"The interval is wider than the margin on {wide}, so that no candidate could get PASS."
    if reason == "NEAR_MARGIN":
        open_ = ", ".join(one.name for one in evidence.endpoints if one.primary and one.decision == "uncertain")
        return f"The interval reaches across the margin on {open_}."
    raise ValueError(f"no wording for the reason {reason}")


def _group(group: GroupResult, policy: Policy) -> str:
    outside = [one for one in group.endpoints if one.decision == "outside"]
    gaps = ", ".join(f"{one.name} {one.gap:+.3f}" for one in outside)
    return f"Within {group.name} the candidate differs from retraining by more than {policy.margin_group:g} ({gaps})."


def _simple() -> Mapping[str, str]:
    return {
        "NOOP": "The candidate's outputs are byte-equal to the original's: nothing was unlearned.",
        "NOTHING_TO_FORGET": (
            "Nothing detectable to forget: the attacks find nothing on the original, and the policy accepts that."
        ),
        "BASELINE_DISAGREEMENT": (
            "Against retraining the candidate is within the margin, yet it tells forget from unseen data apart while "
            "the retrains do not."
        ),
        "UTILITY_UNCERTAIN": "It is not settled whether the candidate is as accurate as the retrains.",
    }


def _insensitive(evidence: Evidence) -> str:
    if not evidence.reference.original:
        return "No original was given, so nothing shows that these attacks could have found the forget set at all."
    firing = evidence.reference.firing
    besides = f", only {', '.join(firing)}" if firing else ""
    return (
        f"No per-example attack catches the original{besides}: the forget set is not memorised, or the attacks are "
        "too weak, or the retrains were trained on it."
    )


def _graded(evidence: Evidence, policy: Policy) -> str:
    k = evidence.reference.retrains
    if k < MIN_RETRAINS:
        return (
            f"The spread between retrains needs at least {MIN_RETRAINS} of them, got {k}: with fewer nothing can pass."
        )
    missing = "; ".join(missing_for_grade_b(evidence)) or missing_for_grade_a(evidence)
    return f"The policy requires evidence of grade {policy.min_evidence}; what is missing: {missing}."


def missing_for_grade_b(evidence: Evidence) -> list[str]:
    """What the evidence lacks for grade B."""
    missing = []
    if evidence.reference.retrains < 5:
        missing.append(f"5 retrains (there are {evidence.reference.retrains})")
    if not evidence.reference.original:
        missing.append("the original")
    for one in evidence.endpoints:
        if one.name in ("T1", "F1") and one.candidate is None:
            missing.append(f"{one.name} ({one.reason})")
    return missing
