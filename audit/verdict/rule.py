"""The decision rule: from evidence to PASS, FAIL or INCONCLUSIVE (docs/verdict.md, "The rule")."""

from collections.abc import Iterable, Iterator

from vestige.audit.endpoints.endpoints import BY_NAME
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence, Outcome, Reason, ReasonAt, Verdict
from vestige.audit.verdict import notes, wording
from vestige.audit.verdict.grades import LEAST_CHOSEN, grade_of, missing

_ORDER: tuple[Reason, ...] = ("NOOP", "LEAK", "OVER_FORGET", "TRACE", "UTILITY")


def decide(evidence: Evidence, policy: Policy) -> Verdict:
    """The verdict on one candidate; ``policy`` must be the one that ``evidence`` was gathered with."""
    outcome, reasons = _conclude(evidence, policy)
    return Verdict(
        outcome=outcome,
        reasons=reasons,
        grade=grade_of(evidence),
        profile=policy.profile,
        headline=wording.headline(evidence, policy, outcome, reasons),
        explanations=tuple(wording.explanation(reason, evidence, policy) for reason in reasons),
        notes=notes.notes(evidence, policy, outcome),
        would_change=notes.would_change(evidence, policy, reasons),
    )


def _conclude(evidence: Evidence, policy: Policy) -> tuple[Outcome, tuple[ReasonAt, ...]]:
    """The first that applies."""
    if evidence.no_op:
        return "FAIL", (ReasonAt("NOOP"),)
    if problem := reference_problem(evidence):
        return "INCONCLUSIVE", (ReasonAt("REFERENCE", (problem,)),)
    if not evidence.setting.random and evidence.reference.retrains < LEAST_CHOSEN:
        masked = _masked(evidence)
        return ("FAIL", masked) if masked else ("INCONCLUSIVE", (ReasonAt("EVIDENCE"),))
    if failures := tuple(_failures(evidence)):
        return "FAIL", failures
    if obstacles := tuple(_obstacles(evidence, policy)):
        return "INCONCLUSIVE", obstacles
    vacuous = not evidence.reference.detecting
    return "PASS", (ReasonAt("NOTHING_TO_FORGET"),) if vacuous else ()


def reference_problem(evidence: Evidence) -> str:
    """Empty, or why the retrains are no reference; "null control" where a retrain FAILs against the others."""
    if evidence.reference.problem:
        return "retrains"
    return "null control" if evidence.controls is not None and evidence.controls.accused else ""


def _masked(evidence: Evidence) -> tuple[ReasonAt, ...]:
    return (ReasonAt("TRACE", tuple(f"class {label}" for label in evidence.masked)),) if evidence.masked else ()


def _failures(evidence: Evidence) -> Iterator[ReasonAt]:
    """Reasons for a FAIL, each with where it was found."""
    found: dict[Reason, list[str]] = {code: [] for code in _ORDER}
    for endpoint in evidence.endpoints:
        if endpoint.decision == "outside":
            found[failure(endpoint)].append(endpoint.label)
    found["TRACE"] += [f"masked class {label}" for label in evidence.masked]
    found["UTILITY"] += [part.role for part in evidence.utility if part.decision == "worse"]
    for code, where in found.items():
        if where:
            yield ReasonAt(code, tuple(where))


def failure(endpoint: Endpoint) -> Reason:
    """The reason code of an endpoint that is outside its margin."""
    up, down = BY_NAME[endpoint.name].failure
    code: Reason = up if (endpoint.gap or 0.0) > 0 else down  # type: ignore[assignment]
    return code


def _obstacles(evidence: Evidence, policy: Policy) -> Iterator[ReasonAt]:
    """All that stands between the evidence and PASS, hardest first."""
    reference = evidence.reference
    if evidence.unseen_check is not None and evidence.unseen_check.known:
        yield ReasonAt("UNSEEN")
    # An audit without an original has found nothing missing: only an original that was tried can be called vacuous.
    # An endpoint that fires on it, of whatever kind, is something found, though not what PASS must rest on.
    vacuous = policy.accept_vacuous and reference.original and not reference.detecting and not reference.firing
    if not reference.detecting and not vacuous:
        yield ReasonAt("NO_SIGNAL")
    wide = tuple(endpoint.label for endpoint in _open(evidence.endpoints) if too_wide(endpoint))
    graded = tuple(missing(evidence, policy))
    if wide or graded:
        yield ReasonAt("EVIDENCE", (*graded, *wide))
    near = tuple(endpoint.label for endpoint in _open(evidence.endpoints) if not too_wide(endpoint))
    if near:
        yield ReasonAt("NEAR_MARGIN", near)
    uncertain = tuple(part.role for part in evidence.utility if part.decision == "uncertain")
    if uncertain or not evidence.utility:
        yield ReasonAt("UTILITY", uncertain or ("not measured",))


def _open(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Primary endpoints that are not shown to be within their margin; a primary one that is not estimable counts only
    where a policy enforces it (a group)."""
    return [
        endpoint
        for endpoint in endpoints
        if endpoint.primary
        and endpoint.decision != "within"
        and (endpoint.decision != "not estimable" or endpoint.name == "G")
    ]


def too_wide(endpoint: Endpoint) -> bool:
    """Whether no candidate could be within: the interval is wider than the margin, or there is none."""
    return endpoint.half_width is None or endpoint.half_width > endpoint.margin_effective
