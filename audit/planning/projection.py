"""What an audit could certify and find, from its own retrains and original, and what more of either would buy."""

from dataclasses import dataclass, replace

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.decisions import judge
from vestige.audit.endpoints.endpoints import Measured
from vestige.audit.endpoints.preconditions import Standing, identify
from vestige.audit.endpoints.utility import utility, utility_error
from vestige.audit.planning.widths import EndpointOutlook, Outlook, Projection, Widths
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence, Grade, Reference
from vestige.audit.results.setting import Setting
from vestige.audit.verdict.evidence import stand
from vestige.audit.verdict.grades import LEAST_CHOSEN, LEAST_TO_PASS, grade_of, missing

RETRAINS = (3, 5, 7, 10, 15, 20)
FACTORS = (2, 5, 10)


@dataclass(frozen=True)
class UtilityOutlook:
    """Accuracy (or log loss) on one role. spread: over the retrains. half_width: of the interval. shown: whether a
    perfect candidate is shown to be no worse with 80 % probability; where it is not, that is no obstacle to PASS unless
    the policy is strict."""

    role: str
    margin: float
    spread: float
    half_width: float
    shown: bool


@dataclass(frozen=True)
class MeasuredPlan:
    """The planning table of an audit whose retrains exist. outlook, why: of PASS for a perfect candidate on all
    endpoints that PASS needs; usefulness (``utility``) and the controls are not part of it."""

    reference: Reference
    setting: Setting
    policy: str
    policy_hash: str
    grade: Grade
    outlook: Outlook
    why: str
    endpoints: tuple[EndpointOutlook, ...]
    utility: tuple[UtilityOutlook, ...]


def project_reference(outputs: Outputs, setting: Setting, policy: Policy) -> MeasuredPlan:
    """The plan from retrains, of which there must be one, and original in ``outputs``; the candidate is not looked at.
    DataError for too few unseen rows."""
    # Something must stand in the candidate's place that is a copy of no other model.
    outputs = replace(outputs, candidate=-outputs.retrain[0])
    measured, standing, reference = stand(outputs, setting, policy)
    judged = judge(measured, standing.effective, standing.problem, policy)
    evidence = Evidence("", setting, judged, (), reference, (), no_op=False)
    unseen = reference.unseen_calibration + reference.unseen_evaluation
    total = sum(endpoint.weight or 0.0 for endpoint in judged)
    pairs = zip(measured, judged, strict=True)
    outlook, why = _outlook(evidence, standing, policy)
    return MeasuredPlan(
        reference=reference,
        setting=setting,
        policy=policy.profile,
        policy_hash=policy.hash,
        grade=grade_of(evidence),
        outlook=outlook,
        why=why,
        endpoints=tuple(
            _endpoint(endpoint, stated, standing, unseen, (policy.level, total)) for endpoint, stated in pairs
        ),
        utility=tuple(_utility(outputs, setting, policy)),
    )


def _endpoint(
    endpoint: Measured, stated: Endpoint, standing: Standing, unseen: int, level: tuple[float, float]
) -> EndpointOutlook:
    """level: alpha, and the weights of the whole family."""
    original, known = stated.original_gap is not None, not stated.reason
    outlook = EndpointOutlook(
        name=stated.label,
        statistic=stated.statistic,
        role=stated.role,
        margin=stated.margin,
        margin_effective=stated.margin_effective,
        spread=stated.spread,
        example_error=stated.expected_error,
        unseen_share=endpoint.statistic.unseen_share if known else None,
        original_gap=stated.original_gap,
        original_caught=stated.label in standing.firing if original else None,
        reason=stated.reason,
    )
    if not known:
        return outlook
    alpha, total = level
    margins, k = (stated.margin_effective, stated.margin), endpoint.retrains

    def widths(retrains: int, factor: float) -> Widths:
        error = endpoint.projected(retrains, factor)
        return Widths.of(error, margins, alpha, (stated.weight or 1.0) / total, stated.sides)

    # In a random draw the examples say everything, and more retrains nothing about the width.
    more = [] if endpoint.setting.random or k < LEAST_CHOSEN else [count for count in RETRAINS if count > k]
    sizes = [(count, 1) for count in more] + [(k, factor) for factor in FACTORS]
    sizes += [(count, FACTORS[1]) for count in more if count in (10, 20)][:1]
    projections = [Projection(count, round(unseen * factor), widths(count, factor)) for count, factor in sizes]
    return replace(outlook, widths=widths(k, 1), projections=tuple(projections))


def _utility(outputs: Outputs, setting: Setting, policy: Policy) -> list[UtilityOutlook]:
    """With the first retrain as candidate against the others, whose example error is any candidate's."""
    first, *others = identify(outputs).kept
    if not others:
        return []
    found = []
    for part in utility(replace(outputs, candidate=outputs.retrain[first]), tuple(others), setting, policy):
        values = np.array([part.candidate, *part.retrains])
        error = utility_error(values, part.example_error)
        half, spread = error.half_width(policy.level), float(values.std(ddof=1))
        shown = error.fail_slack(policy.level) <= part.margin  # one side: the lower end clears the margin
        found.append(UtilityOutlook(part.role, part.margin, spread, half, shown))
    return found


def _outlook(evidence: Evidence, standing: Standing, policy: Policy) -> tuple[Outlook, str]:
    reference = evidence.reference
    if standing.problem:
        return "impossible", f"the retrains cannot serve as a reference: {standing.problem}"
    if not evidence.setting.random and reference.retrains < LEAST_TO_PASS:
        return "impossible", f"PASS needs at least {LEAST_TO_PASS} retrains, or a random draw; got {reference.retrains}"
    vacuous = policy.accept_vacuous and reference.original and not standing.firing
    if not standing.detecting and not vacuous:
        found = "no attack on memory catches the original" if reference.original else "there is no original to catch"
        return "impossible", f"PASS needs a positive control, and {found}"
    if lacking := missing(evidence, policy):
        return "impossible", f"the policy requires evidence of grade {policy.min_evidence}: {'; '.join(lacking)}"
    if standing.wide:
        return "impossible", f"the interval is wider than the margin on {', '.join(standing.wide)}"
    if standing.short:
        return "possible", f"with less than 80 % probability on {', '.join(standing.short)}"
    return "likely", "a perfect candidate passes each endpoint with at least 80 % probability"
