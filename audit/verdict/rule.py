"""The decision rule: from evidence to PASS, FAIL or INCONCLUSIVE (verdict.md, section 7)."""

from typing import NamedTuple

from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence, Grade, Outcome, Verdict
from vestige.audit.verdict import exchangeable_rule, exchangeable_wording, notes, wording
from vestige.audit.verdict.grades import RECOMMENDED_RETRAINS, enough_shadows

_WORST: tuple[Outcome, ...] = ("FAIL", "INCONCLUSIVE", "PASS")
_BEST_GRADE: tuple[Grade, ...] = ("A", "B", "C", "S")
_BLIND = ("F2", "F4")


class _Part(NamedTuple):
    outcome: Outcome
    reasons: tuple[str, ...]


def decide(evidence: Evidence, policy: Policy) -> Verdict:
    """The verdict on one candidate: the worse of what forgetting and what utility say.

    ``policy`` must be the one that ``evidence`` was gathered with.
    """
    over_examples, grade, useful = evidence.exchangeable, grade_of(evidence), _utility(evidence)
    if over_examples is None:
        forgetting = _forgetting(evidence, policy, grade)
    else:
        forgetting = _Part(*exchangeable_rule.forgetting(evidence, policy, grade))
        if not evidence.reference.retrains:
            useful = _Part(*exchangeable_rule.utility(over_examples, policy))
    outcome: Outcome = min(forgetting.outcome, useful.outcome, key=_WORST.index)
    reasons, still_open = _reasons(forgetting, useful)
    if over_examples is not None:
        return exchangeable_wording.verdict(evidence, policy, outcome, reasons, still_open, grade)
    return Verdict(
        outcome=outcome,
        reasons=reasons,
        grade=grade,
        profile=policy.profile,
        headline=wording.headline(evidence, policy, outcome, reasons),
        explanations=tuple(wording.explanation(reason, evidence, policy) for reason in reasons),
        notes=notes.notes(evidence, policy, outcome, still_open),
        would_change=notes.would_change(evidence, policy, reasons, grade),
    )


def grade_of(evidence: Evidence) -> Grade:
    """Grade of the evidence. B: five retrains, original, R-LiRA with its tail endpoints, and RMIA; A: also LiRA or
    U-LiRA from 64 shadows or more; C: three retrains; S: fewer, unless examples are exchangeable
    (``_exchangeable_rule``)."""
    reference = evidence.reference
    if evidence.exchangeable is not None:
        return exchangeable_rule.grade_of(evidence.exchangeable, reference.retrains)
    if reference.retrains < MIN_RETRAINS:
        return "S"
    in_force = {endpoint.name for endpoint in evidence.endpoints if endpoint.candidate is not None}
    full = {"A2", "A3", "T1", "T2", "F1"} <= in_force and reference.original
    if not full or reference.retrains < RECOMMENDED_RETRAINS:
        return "C"
    return "A" if enough_shadows(evidence) else "B"


def _forgetting(evidence: Evidence, policy: Policy, grade: Grade) -> _Part:
    reference = evidence.reference
    failures = _failures(evidence)
    if evidence.no_op:
        return _Part("FAIL", ("NOOP", *failures))
    if not reference.valid:
        return _Part("INCONCLUSIVE", ("REFERENCE_INVALID",))
    if failures:
        return _Part("FAIL", failures)
    if reference.retrains < MIN_RETRAINS:
        return _Part("INCONCLUSIVE", ("EVIDENCE_GRADE",))
    # An audit without an original has found nothing missing: only an original that was tried can be called vacuous.
    # An endpoint that fires on it, of whatever kind, is something found, though not what PASS must rest on.
    vacuous = policy.accept_vacuous and reference.assay_sensitive is False and not reference.firing
    if not reference.assay_sensitive and not vacuous:
        return _Part("INCONCLUSIVE", ("NO_ASSAY_SENSITIVITY",))
    if _BEST_GRADE.index(grade) > _BEST_GRADE.index(policy.min_evidence):
        return _Part("INCONCLUSIVE", ("EVIDENCE_GRADE",))
    # Vacuous or not, the intervals must fit: a weak test is never a PASS.
    required = [endpoint for endpoint in evidence.endpoints if endpoint.primary and endpoint.candidate is not None]
    if any(endpoint.decision != "within" for endpoint in required):
        return _Part("INCONCLUSIVE", ("UNDERPOWERED" if wording.underpowered(evidence, policy) else "NEAR_MARGIN",))
    if evidence.baseline.disagrees:
        return _Part("INCONCLUSIVE", ("BASELINE_DISAGREEMENT",))
    if evidence.controls is not None and evidence.controls.accused:
        return _Part("INCONCLUSIVE", ("NULL_CONTROL",))
    if policy.worst_group == "enforce" and wording.open_groups(evidence.groups):
        return _Part("INCONCLUSIVE", ("GROUP_OPEN",))
    return _Part("PASS", ("NOTHING_TO_FORGET",) if vacuous else ())


def _failures(evidence: Evidence) -> tuple[str, ...]:
    """Reason codes of the endpoints that fail, and of groups that tell more; those whose sign can be relied on speak
    first.

    F2 does not know the label: over-forgetting that ends in confidently wrong answers raises it. F4 may fall where a
    model knows an example better than any shadow does. Their sign gives a reason only where no other endpoint fails.
    """
    outside = [endpoint for endpoint in evidence.endpoints if endpoint.decision == "outside"]
    failing = {_failure(endpoint) for endpoint in outside if endpoint.name not in _BLIND}
    failing = failing or {_failure(endpoint) for endpoint in outside}
    groups = tuple(f"{wording.GROUP}{group.name}" for group in wording.telling_groups(evidence))
    return (*(reason for reason in wording.FAIL_ORDER if reason in failing), *groups)


def _failure(endpoint: Endpoint) -> str:
    if endpoint.sides == "upper":
        return "TAIL"
    if endpoint.name == "A3":
        return "SCATTER"
    if endpoint.name == "A4":
        return "TRACE"
    return "LEAK" if (endpoint.gap or 0.0) > 0 else "OVER_FORGET"


def _utility(evidence: Evidence) -> _Part:
    decisions = {utility.decision for utility in evidence.utility}
    # Without a reference there is nothing to be less accurate than.
    if not evidence.reference.valid:
        return _Part("PASS", ())
    if "inferior" in decisions:
        return _Part("FAIL", ("UTILITY",))
    if "uncertain" in decisions:
        return _Part("INCONCLUSIVE", ("UTILITY_UNCERTAIN",))
    return _Part("PASS", ())


def _reasons(forgetting: _Part, useful: _Part) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Reason codes, those of the worse part first, and the codes of what is open beside a FAIL: no reasons for it."""
    first, second = (forgetting, useful)
    if _WORST.index(useful.outcome) < _WORST.index(forgetting.outcome):
        first, second = useful, forgetting
    if first.outcome == "FAIL" and second.outcome == "INCONCLUSIVE":
        return first.reasons, second.reasons
    return (*first.reasons, *second.reasons), ()
