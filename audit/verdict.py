"""The decision rule: from evidence to PASS, FAIL or INCONCLUSIVE (verdict.md, section 7)."""

from typing import NamedTuple

from audit import _notes, _wording
from audit._nouns import Evidence, Grade, Outcome, Verdict
from audit._scores import MIN_RETRAINS
from audit.evidence import gather, preconditions
from audit.policy import Policy

__all__ = ["BATTERY", "decide", "gather", "grade_of", "preconditions"]

BATTERY = _wording.BATTERY
RECOMMENDED_RETRAINS = 5
_WORST: tuple[Outcome, ...] = ("FAIL", "INCONCLUSIVE", "PASS")
_BEST_GRADE: tuple[Grade, ...] = ("A", "B", "C", "S")
_FAIL_ORDER = ("LEAK", "OVER_FORGET", "SCATTER", "TAIL")


class _Part(NamedTuple):
    outcome: Outcome
    reasons: tuple[str, ...]


def decide(evidence: Evidence, policy: Policy) -> Verdict:
    """The verdict on one candidate: the worse of what forgetting and what utility say.

    ``policy`` must be the one that ``evidence`` was gathered with.
    """
    grade = grade_of(evidence)
    forgetting, useful = _forgetting(evidence, policy, grade), _utility(evidence)
    outcome: Outcome = min(forgetting.outcome, useful.outcome, key=_WORST.index)
    reasons = _reasons(forgetting, useful)
    return Verdict(
        outcome=outcome,
        reasons=reasons,
        grade=grade,
        profile=policy.profile,
        headline=_wording.headline(evidence, policy, outcome, reasons),
        explanations=tuple(_wording.explanation(reason, evidence, policy) for reason in reasons),
        notes=_notes.notes(evidence, policy, outcome),
        would_change=_notes.would_change(evidence, policy, reasons, grade),
    )


def grade_of(evidence: Evidence) -> Grade:
    """Grade of the evidence. B: five retrains, original, R-LiRA with its tail endpoints, and RMIA; C: three retrains;
    S: fewer. A would need LiRA or U-LiRA from shadow models, which is no evidence an audit gathers yet."""
    reference = evidence.reference
    if reference.retrains < MIN_RETRAINS:
        return "S"
    in_force = {endpoint.name for endpoint in evidence.endpoints if endpoint.candidate is not None}
    full = {"A2", "A3", "T1", "T2", "F1"} <= in_force and reference.assay_sensitive is not None
    return "B" if full and reference.retrains >= RECOMMENDED_RETRAINS else "C"


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
    vacuous = policy.accept_vacuous and reference.assay_sensitive is False
    if not reference.assay_sensitive and not vacuous:
        return _Part("INCONCLUSIVE", ("NO_ASSAY_SENSITIVITY",))
    if _BEST_GRADE.index(grade) > _BEST_GRADE.index(policy.min_evidence):
        return _Part("INCONCLUSIVE", ("EVIDENCE_GRADE",))
    # Vacuous or not, the intervals must fit: a weak test is never a PASS.
    required = [one for one in evidence.endpoints if one.primary and one.candidate is not None]
    if any(endpoint.decision != "within" for endpoint in required):
        return _Part("INCONCLUSIVE", ("UNDERPOWERED" if _wording.underpowered(evidence, policy) else "NEAR_MARGIN",))
    if evidence.baseline.disagrees:
        return _Part("INCONCLUSIVE", ("BASELINE_DISAGREEMENT",))
    return _Part("PASS", ("NOTHING_TO_FORGET",) if vacuous else ())


def _failures(evidence: Evidence) -> tuple[str, ...]:
    found = set()
    for endpoint in evidence.endpoints:
        if endpoint.decision == "outside" and endpoint.gap is not None:
            if endpoint.sides == "upper":
                found.add("TAIL")
            elif endpoint.name == "A3":
                found.add("SCATTER")
            else:
                found.add("LEAK" if endpoint.gap > 0 else "OVER_FORGET")
    return tuple(reason for reason in _FAIL_ORDER if reason in found)


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


def _reasons(forgetting: _Part, useful: _Part) -> tuple[str, ...]:
    """Reason codes, those of the worse part first; an open question beside a FAIL is no reason for it."""
    first, second = (forgetting, useful)
    if _WORST.index(useful.outcome) < _WORST.index(forgetting.outcome):
        first, second = useful, forgetting
    if first.outcome == "FAIL" and second.reasons == ("UTILITY_UNCERTAIN",):
        return first.reasons
    return (*first.reasons, *second.reasons)
