"""Endpoints, preconditions and verdict once more, from the values that a report states for every model.

The functions are those of the audit. What they need beside those values is taken from the report as it stands:
``example_half_width`` (from the examples alone), the remedy, the controls, what is said of the shadow models, and
whether two models are copies. Under a conservative policy the original's own error from the examples is not in a
report; it is taken to be whatever lets the stated endpoints catch the original, as far as the spread over the retrains
allows that.
"""

from dataclasses import replace

import numpy as np

from vestige.audit.endpoints.decisions import judge_parts
from vestige.audit.endpoints.groups import standing_of, too_few
from vestige.audit.endpoints.preconditions import Standing, examine
from vestige.audit.gate.recompute.claims import Claim, Claims, Stated, all_follow, fields_follow
from vestige.audit.gate.recompute.endpoints import measured_of, parts_of
from vestige.audit.gate.recompute.exchangeable import recompute_exchangeable
from vestige.audit.gate.recompute.reference import copy_problems
from vestige.audit.results.evidence import Evidence, Verdict
from vestige.audit.results.report import Audit
from vestige.audit.verdict.evidence import ELSEWHERE
from vestige.audit.verdict.rule import decide

TEXTS = ("headline", "explanations", "notes", "would_change")


def recompute(stated: Stated) -> tuple[Audit, Standing]:
    """The candidate with what follows from its stated values in place of what it states, and how the reference stands.

    Everything in ``endpoints.endpoint_values`` and ``exchangeable.exchangeable_values`` must hold."""
    audit, policy = stated.audit, stated.policy
    reference, unseen = audit.reference, audit.reference.unseen_calibration + audit.reference.unseen_evaluation
    parts = [measured_of(stated, part) for part in parts_of(audit)]
    # Of the identity matrix no two rows are copies: copies are what only the outputs can show. That comes before what
    # the values show, and then it is all that a report says.
    standing = examine(parts[0], np.eye(reference.retrains), reference.original, unseen, policy)
    if reference.problem and reference.problem != standing.problem and reference.problem in copy_problems(reference):
        margins = {measured.definition.name: measured.definition.margin(policy) for measured in parts[0]}
        standing = Standing(reference.problem, margins)
    exchangeable = recompute_exchangeable(stated)
    problem = standing.problem or ("" if exchangeable is None else ELSEWHERE)
    endpoints, *by_group = (tuple(part) for part in judge_parts(parts, standing.effective, problem, policy))
    groups = []
    for group, own in zip(audit.groups, by_group, strict=True):
        reason = too_few(reference.retrains, group.forget, group.unseen, people=reference.unit == "person")
        reason = reason or (f"invalid reference: {problem}" if problem else "")
        groups.append(replace(group, endpoints=own, standing=standing_of(own), reason=reason))
    recomputed = replace(audit, endpoints=endpoints, groups=tuple(groups), exchangeable=exchangeable)
    return replace(recomputed, verdict=_verdict(recomputed, stated)), standing


def _verdict(recomputed: Audit, stated: Stated) -> Verdict:
    names = [field for field in Evidence.__dataclass_fields__ if hasattr(recomputed, field)]
    return decide(Evidence(**{field: getattr(recomputed, field) for field in names}), stated.policy)


def verdict_follows(stated: Stated, recomputed: Audit, standing: Standing) -> Claims:
    """What was recomputed, claim by claim; the verdict comes last, as every changed value drags it along."""
    audit, leave = stated.audit, ["example_half_width"]
    for endpoint, own in zip(audit.endpoints, recomputed.endpoints, strict=True):
        yield from all_follow(own.name, endpoint, own, leave=leave)
    yield from _reference(audit, standing)
    if audit.exchangeable is not None and recomputed.exchangeable is not None:
        for example, own_example in zip(audit.exchangeable.endpoints, recomputed.exchangeable.endpoints, strict=True):
            yield from all_follow(own_example.name, example, own_example)
        for test, own_test in zip(audit.exchangeable.tests, recomputed.exchangeable.tests, strict=True):
            yield from all_follow(f"test of exchangeability, {own_test.name}", test, own_test)
        yield from all_follow("exchangeable", audit.exchangeable, recomputed.exchangeable, leave=["endpoints", "tests"])
    for group, own_group in zip(audit.groups, recomputed.groups, strict=True):
        for endpoint, own in zip(group.endpoints, own_group.endpoints, strict=True):
            yield from all_follow(f"{group.name} {own.name}", endpoint, own, leave=leave)
        yield from fields_follow(group.name, group, standing=own_group.standing, reason=own_group.reason)
    yield from all_follow("verdict", audit.verdict, recomputed.verdict, leave=() if stated.texts else TEXTS)


def _reference(audit: Audit, standing: Standing) -> Claims:
    yield from fields_follow(
        "reference",
        audit.reference,
        valid=not standing.problem,
        problem=standing.problem,
        assay_sensitive=None if standing.detecting is None else bool(standing.detecting),
        detecting=standing.detecting or (),
        firing=standing.firing,
        underpowered=standing.underpowered,
        short_of_power=standing.short,
    )
    remedy = audit.reference.remedy
    yield Claim("reference, remedy is given", bool(remedy), bool(standing.underpowered or standing.short))
