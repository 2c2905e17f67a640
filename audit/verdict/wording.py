"""The sentences of a verdict. No sentence claims that data is gone, or that a law is met: attacks were tried."""

from collections.abc import Iterable, Sequence

from vestige.audit.endpoints.endpoints import BATTERY, DEFINITIONS
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Decision, Endpoint
from vestige.audit.results.evidence import Evidence, Outcome
from vestige.audit.results.groups import GroupResult
from vestige.audit.results.shadows import SHADOWED
from vestige.audit.verdict.grades import missing_for_grade_a, missing_for_grade_b

FAIL_ORDER = ("LEAK", "OVER_FORGET", "SCATTER", "TRACE", "TAIL")
"""Reasons of a FAIL, most telling first."""
GROUP = "GROUP:"
"""A reason code that ends in the name of a group."""
SIGNED = tuple(definition.name for definition in DEFINITIONS if definition.directed or not definition.primary)
"""Endpoints on which a gap is a leak or over-forgetting, by its sign."""


def headline(evidence: Evidence, policy: Policy, outcome: Outcome, reasons: Sequence[str]) -> str:
    """The first line of a report: outcome, reasons, battery, retrains, margins, and what was found."""
    label = f"{outcome} ({', '.join(reasons)})" if reasons else outcome
    k = evidence.reference.retrains
    terms = f"under battery {BATTERY}, {k} retrain{'' if k == 1 else 's'} and {policy.margins}"
    level = f"{100 * (1 - policy.alpha):g} %"
    if outcome == "PASS":
        conclusion = f"{_nothing_separates(evidence)} ({level})"
        if "NOTHING_TO_FORGET" in reasons:
            conclusion += (
                "; nothing detectable to forget, because no attack found the forget set on the original either"
            )
        elif detectable(evidence):
            conclusion += "; detectable but within margin"
    elif outcome == "FAIL":
        conclusion = _failure(evidence, reasons, policy, level)
    else:
        conclusion = _unsettled(evidence, reasons)
    return f"{label}: {terms}, {conclusion}."


def _nothing_separates(evidence: Evidence) -> str:
    battery = "primary endpoint" if fail_only_open(evidence) else "tested attack"
    return f"no {battery} separates the candidate from retraining by more than its margin"


def _unsettled(evidence: Evidence, reasons: Sequence[str]) -> str:
    if not evidence.reference.retrains and evidence.reference.valid:
        return f"a screening only: AUC of forget against unseen {screened(evidence)}, and no retrain to compare it with"
    if not set(reasons) <= {"UTILITY_UNCERTAIN", "BASELINE_DISAGREEMENT"}:
        return "it is not settled whether the candidate differs from retraining by more than its margin"
    if "BASELINE_DISAGREEMENT" in reasons:
        conclusion = "the comparisons with retraining and with unseen data contradict each other"
        also = ", and whether the candidate is as accurate as retraining is not settled"
        return conclusion + (also if "UTILITY_UNCERTAIN" in reasons else "")
    return f"{_nothing_separates(evidence)}, but whether it is as accurate as retraining is not settled"


def _failure(evidence: Evidence, reasons: Sequence[str], policy: Policy, level: str) -> str:
    differs = "the candidate differs from retraining by more than"
    parts = []
    if "NOOP" in reasons:
        parts.append("the candidate answers exactly as the original does")
    if failing := outside(evidence.endpoints):
        parts.append(f"{differs} the margin ({level}) on {gaps(failing)}")
    for group in telling_groups(evidence):
        parts.append(f"within {group.name} {differs} {policy.margin_group:g} on {gaps(outside(group.endpoints))}")
    if "UTILITY" in reasons:
        parts.append(f"the candidate is less accurate than retraining by more than the margin on {lost(evidence)}")
    return "; ".join(parts)


def explanation(reason: str, evidence: Evidence, policy: Policy) -> str:
    """One sentence for a reason code."""
    margin = f"{policy.margin_group:g}"
    if reason.startswith(GROUP):
        group = next(group for group in evidence.groups if group.name == reason.removeprefix(GROUP))
        differs = f"the candidate differs from retraining by more than {margin} ({gaps(outside(group.endpoints))})"
        return f"Within {group.name} {differs}."
    failing = outside(evidence.endpoints)
    signed = [endpoint for endpoint in failing if endpoint.name in SIGNED]
    leaks = gaps(endpoint for endpoint in signed if (endpoint.gap or 0.0) > 0)
    falls = gaps(endpoint for endpoint in signed if (endpoint.gap or 0.0) < 0)
    a3, a4 = (gaps(endpoint for endpoint in failing if endpoint.name == name) for name in ("A3", "A4"))
    open_names = ", ".join(f"{group.name} ({group.reason or group.standing})" for group in open_groups(evidence.groups))
    uncertain = ", ".join(endpoint.name for endpoint in _primary(evidence, "uncertain"))
    accused = () if evidence.controls is None else evidence.controls.accused
    return {
        "NOOP": "The candidate's outputs are byte-equal to the original's: nothing was unlearned.",
        "LEAK": f"Leak: forget examples look more like training data than under retraining ({leaks}).",
        "OVER_FORGET": (
            f"Over-forgetting: forget examples look less like training data than under retraining ({falls}), "
            "which gives them away just as well."
        ),
        "SCATTER": f"Single forget examples lie further from, or closer to, retraining than chance ({a3}).",
        "TRACE": (
            "Traces of the method: compared with shadows that it was run on, forget examples differ from unseen ones "
            f"otherwise than under retraining ({a4})."
        ),
        "TAIL": (
            "Some forget examples are recognised with few false alarms "
            f"({gaps(endpoint for endpoint in failing if endpoint.sides == 'upper')})."
        ),
        "GROUP_OPEN": f"The policy requires every group to be within {margin}; not shown for: {open_names}.",
        "UTILITY": (
            f"The candidate is less accurate than the retrains by more than {policy.margin_utility:g} "
            f"({lost(evidence)})."
        ),
        "UTILITY_UNCERTAIN": "It is not settled whether the candidate is as accurate as the retrains.",
        "REFERENCE_INVALID": f"The retrains cannot serve as a reference: {evidence.reference.problem}.",
        "NULL_CONTROL": f"Null control failed: {also_fail(accused)}.",
        "NO_ASSAY_SENSITIVITY": _insensitive(evidence),
        "EVIDENCE_GRADE": _graded(evidence, policy),
        "NOTHING_TO_FORGET": (
            "Nothing detectable to forget: the attacks find nothing on the original, and the policy accepts that."
        ),
        "BASELINE_DISAGREEMENT": (
            "Against retraining the candidate is within the margin, yet it tells forget from unseen data apart while "
            "the retrains do not."
        ),
        "UNDERPOWERED": (
            f"The interval is wider than the margin on {', '.join(underpowered(evidence, policy))}, so that no "
            "candidate could get PASS."
        ),
        "NEAR_MARGIN": f"The interval reaches across the margin on {uncertain}.",
    }[reason]


def also_fail(accused: Sequence[str]) -> str:
    """What the null control found."""
    return f"{', '.join(accused)}, judged against the other retrains, also FAIL{'s' if len(accused) == 1 else ''}"


def _insensitive(evidence: Evidence) -> str:
    if not evidence.reference.original:
        return "No original was given, so nothing shows that these attacks could have found the forget set at all."
    firing = evidence.reference.firing
    only = f", only {', '.join(firing)}" if firing else ""
    return (
        f"No per-example attack catches the original{only}: the forget set is not memorised, or the attacks are "
        "too weak, or the retrains were trained on it."
    )


def _graded(evidence: Evidence, policy: Policy) -> str:
    k = evidence.reference.retrains
    if k < MIN_RETRAINS:
        return f"PASS needs at least {MIN_RETRAINS} retrains, got {k}: fewer do not show how much retrains differ."
    missing = "; ".join(missing_for_grade_b(evidence)) or missing_for_grade_a(evidence)
    return f"The policy requires evidence of grade {policy.min_evidence}; what is missing: {missing}."


def screened(evidence: Evidence) -> str:
    """The candidate's AUC against unseen examples with its interval."""
    low, high = evidence.baseline.interval
    return f"{evidence.baseline.auc:.3f} [{low:.3f}, {high:.3f}]"


def outside(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The endpoints that fail."""
    return [endpoint for endpoint in endpoints if endpoint.decision == "outside"]


def gaps(endpoints: Iterable[Endpoint]) -> str:
    """Names and gaps: ``A1 +0.123, A2 +0.234``."""
    return ", ".join(f"{endpoint.name} {endpoint.gap:+.3f}" for endpoint in endpoints)


def lost(evidence: Evidence) -> str:
    """Roles on which accuracy was lost, with the gaps."""
    return ", ".join(f"{role.role} {role.gap:+.3f}" for role in evidence.utility if role.decision == "inferior")


def telling_groups(evidence: Evidence) -> list[GroupResult]:
    """Groups that fail on an endpoint which does not fail on the whole forget set."""
    whole = {endpoint.name for endpoint in outside(evidence.endpoints)}
    return [group for group in evidence.groups if {endpoint.name for endpoint in outside(group.endpoints)} - whole]


def open_groups(groups: Sequence[GroupResult]) -> list[GroupResult]:
    """Groups that a policy which enforces them must see within their margin and does not: the declared ones, or the
    classes where none are declared, and the most memorised quarter."""
    kind = "declared" if any(group.kind == "declared" for group in groups) else "class"
    return [group for group in groups if group.kind in (kind, "stratum") and group.standing != "within"]


def detectable(evidence: Evidence) -> list[str]:
    """Primary endpoints whose PASS interval lies within the margin without containing zero."""
    within = [(endpoint.name, endpoint.interval) for endpoint in _primary(evidence, "within")]
    return [name for name, interval in within if interval and not interval[0] <= 0 <= interval[1]]


def _primary(evidence: Evidence, decision: Decision) -> list[Endpoint]:
    return [endpoint for endpoint in evidence.endpoints if endpoint.primary and endpoint.decision == decision]


def fail_only_open(evidence: Evidence) -> list[str]:
    """FAIL-only endpoints that are not shown to lie within their margin; LiRA only where there were shadows for it."""
    shadowed = {definition.name for definition in DEFINITIONS if definition.score in SHADOWED}
    return [
        endpoint.name
        for endpoint in evidence.endpoints
        if not endpoint.primary
        and endpoint.decision != "within"
        and not (endpoint.candidate is None and endpoint.name in shadowed)
    ]


def underpowered(evidence: Evidence, policy: Policy) -> list[str]:
    """Primary endpoints whose interval is wider than the margin, whatever the candidate."""
    wide = list(evidence.reference.underpowered)
    for endpoint in evidence.endpoints if policy.conservative else ():
        too_wide = endpoint.half_width is not None and (endpoint.example_half_width or 0.0) > endpoint.margin_effective
        if endpoint.primary and too_wide and endpoint.name not in wide:
            wide.append(endpoint.name)
    return wide
