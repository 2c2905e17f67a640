"""Endpoints, preconditions and verdict once more, from the values that a report states for every model.

The functions are those of the audit. What they need beside those values is taken from the report as it stands:
``example_half_width`` (from the examples alone), the remedy, the controls, what is said of the shadow models, and
whether two models are copies. Under a conservative policy the original's own error from the examples is not in a
report; it is taken to be whatever lets the stated endpoints catch the original, as far as the spread over the retrains
allows that.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vestige.audit.endpoints.decisions import judge_parts
from vestige.audit.endpoints.endpoints import Measured
from vestige.audit.endpoints.groups import standing_of, too_few
from vestige.audit.endpoints.preconditions import Standing, examine
from vestige.audit.gate.recompute.claims import Claim, Claims, Stated, all_follow
from vestige.audit.gate.recompute.endpoints import measured_of, parts_of
from vestige.audit.gate.recompute.exchangeable import recompute_exchangeable
from vestige.audit.gate.recompute.reference import copy_problems
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence
from vestige.audit.results.groups import GroupResult
from vestige.audit.results.report import Audit
from vestige.audit.verdict.evidence import ELSEWHERE
from vestige.audit.verdict.rule import decide

TEXTS = ("headline", "explanations", "notes", "would_change")


def recompute(stated: Stated) -> Audit:
    """The candidate with what follows from its stated values in place of what it states.

    Everything in ``endpoints.endpoint_values`` and ``exchangeable.exchangeable_values`` must hold."""
    audit, policy = stated.audit, stated.policy
    parts = [measured_of(stated, part) for part in parts_of(audit)]
    standing = _standing(stated, parts[0])
    exchangeable = recompute_exchangeable(stated)
    problem = standing.problem or ("" if exchangeable is None else ELSEWHERE)
    endpoints, *by_group = (tuple(part) for part in judge_parts(parts, standing.effective, problem, policy))
    groups = tuple(_group(stated, group, own, problem) for group, own in zip(audit.groups, by_group, strict=True))
    reference = replace(
        audit.reference,
        valid=not standing.problem,
        problem=standing.problem,
        assay_sensitive=None if standing.detecting is None else bool(standing.detecting),
        detecting=standing.detecting or (),
        firing=standing.firing,
        underpowered=standing.underpowered,
        short_of_power=standing.short,
    )
    recomputed = replace(audit, endpoints=endpoints, reference=reference, exchangeable=exchangeable, groups=groups)
    names = [field for field in Evidence.__dataclass_fields__ if hasattr(recomputed, field)]
    evidence = Evidence(**{field: getattr(recomputed, field) for field in names})
    return replace(recomputed, verdict=decide(evidence, policy))


def _standing(stated: Stated, measured: Sequence[Measured]) -> Standing:
    reference, policy = stated.audit.reference, stated.policy
    unseen = reference.unseen_calibration + reference.unseen_evaluation
    # Of the identity matrix no two rows are copies: copies are what only the outputs can show. That comes before what
    # the values show, and then it is all that a report says.
    standing = examine(measured, np.eye(reference.retrains), reference.original, unseen, policy)
    if reference.problem and reference.problem != standing.problem and reference.problem in copy_problems(reference):
        margins = {endpoint.definition.name: endpoint.definition.margin(policy) for endpoint in measured}
        return Standing(reference.problem, margins)
    return standing


def _group(stated: Stated, group: GroupResult, endpoints: tuple[Endpoint, ...], problem: str) -> GroupResult:
    reference = stated.audit.reference
    reason = too_few(reference.retrains, group.forget, group.unseen, people=reference.unit == "person")
    reason = reason or (f"invalid reference: {problem}" if problem else "")
    return replace(group, endpoints=endpoints, standing=standing_of(endpoints), reason=reason)


def verdict_follows(stated: Stated, recomputed: Audit) -> Claims:
    """What was recomputed, claim by claim; the verdict comes last, as every changed value drags it along."""
    reference = recomputed.reference
    yield from all_follow("", stated.audit, recomputed, leave=("verdict", "example_half_width"))
    weak = bool(reference.underpowered or reference.short_of_power)
    yield Claim("reference, remedy is given", bool(reference.remedy), weak)
    yield from all_follow("verdict", stated.audit.verdict, recomputed.verdict, leave=() if stated.texts else TEXTS)
