"""The decision rule of the second mode: from what was found over examples to PASS, FAIL or INCONCLUSIVE."""

from vestige.audit.exchangeable.decisions import is_tail
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Evidence, Grade, Outcome
from vestige.audit.results.exchangeable import ExampleEndpoint, Exchangeable
from vestige.audit.verdict.wording import FAIL_ORDER


def grade_of(found: Exchangeable, retrains: int) -> Grade:
    """C with a model that was trained on neither set, a retrain or a shadow; S with none.

    Never better: what B rests on, the spread over retrains and the null control that goes with it, is replaced by an
    assumption that can be contradicted and cannot be shown. Without such a model no attack is calibrated for each
    example, so that a leak of few examples could not be found, and all that could contradict is the mix of classes.
    """
    return "C" if retrains or found.shadows else "S"


def forgetting(evidence: Evidence, policy: Policy, grade: Grade) -> tuple[Outcome, tuple[str, ...]]:
    """What the second mode says about forgetting, utility aside: outcome and reasons."""
    found, reference = evidence.exchangeable, evidence.reference
    if found is None:
        raise ValueError("the evidence was not judged over examples")
    if evidence.no_op:
        return "FAIL", ("NOOP", *reasons_of(found))
    if not reference.valid:
        return "INCONCLUSIVE", ("REFERENCE_INVALID",)
    return over_examples(found, policy, grade, original=reference.original)


def over_examples(
    found: Exchangeable, policy: Policy, grade: Grade, *, original: bool
) -> tuple[Outcome, tuple[str, ...]]:
    """The rule on what was found, copies aside; original: whether there is one."""
    failures = reasons_of(found)
    if found.problem:
        return "INCONCLUSIVE", ("REFERENCE_INVALID",)
    if found.contradicted:
        return "INCONCLUSIVE", ("CONTRADICTED",)
    if failures:
        return "FAIL", failures
    if grade == "S":
        return "INCONCLUSIVE", ("EVIDENCE_GRADE",)
    vacuous = policy.accept_vacuous and original and not found.firing
    if not found.detecting and not vacuous:
        return "INCONCLUSIVE", ("NO_ASSAY_SENSITIVITY",)
    if "ABCS".index(grade) > "ABCS".index(policy.min_evidence):
        return "INCONCLUSIVE", ("EVIDENCE_GRADE",)
    required = [one for one in found.endpoints if one.candidate is not None]
    if any(one.decision != "within" for one in required):
        return "INCONCLUSIVE", ("UNDERPOWERED" if too_wide(found) else "NEAR_MARGIN",)
    return "PASS", ("NOTHING_TO_FORGET",) if vacuous and not found.detecting else ()


def utility(found: Exchangeable, policy: Policy) -> tuple[Outcome, tuple[str, ...]]:
    """What accuracy says where there is no retrain: PASS needs it to be shown no worse than the original's, which saw
    more data than a retrain. Without a retrain a loss never fails; but a model that knows nothing tells nothing apart,
    and must not pass for that."""
    interval = found.accuracy_interval
    if interval is not None and interval[0] > -policy.margin_utility:
        return "PASS", ()
    return "INCONCLUSIVE", ("UTILITY_UNCERTAIN",)


def reasons_of(found: Exchangeable) -> tuple[str, ...]:
    """Reason codes of the endpoints that fail."""
    failing = {reason_of(one) for one in found.endpoints if one.decision == "outside"}
    return tuple(reason for reason in FAIL_ORDER if reason in failing)


def reason_of(one: ExampleEndpoint) -> str:
    """The reason code of an endpoint that is outside."""
    if is_tail(one.name):
        return "TAIL"
    if one.name == "X3":
        return "SCATTER"
    return "LEAK" if (one.gap or 0.0) > 0 else "OVER_FORGET"


def too_wide(found: Exchangeable) -> tuple[str, ...]:
    """Endpoints whose interval is wider than the margin, so that no candidate could pass."""
    known = [one for one in found.endpoints if one.interval is not None]
    return tuple(one.name for one in known if half_width(one) > one.margin_effective)


def half_width(one: ExampleEndpoint) -> float:
    """Half the length of the PASS interval; 0 where there is none."""
    return 0.0 if one.interval is None else (one.interval[1] - one.interval[0]) / 2
