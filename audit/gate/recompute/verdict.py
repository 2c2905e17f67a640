"""Endpoints, preconditions and verdict once more, from the values that a report states for every model.

The functions are those of the audit. What they need that only outputs show is taken from the report as it stands: the
examples' part of an error (within its bounds), the statistics of the reference's checks, the remedy, the controls, what
is said of shadow models and masks, and whether two models are copies.
"""

from dataclasses import replace

from vestige.audit.endpoints.decisions import judge
from vestige.audit.endpoints.endpoints import Measured
from vestige.audit.endpoints.preconditions import Standing, examine
from vestige.audit.endpoints.reference_check import normal_check, seeds_check
from vestige.audit.endpoints.unseen import is_known
from vestige.audit.gate.recompute.claims import Claim, Claims, Rule, Stated, all_follow
from vestige.audit.gate.recompute.endpoints import measured_of
from vestige.audit.gate.recompute.reference import copy_problems
from vestige.audit.results.evidence import Check, Evidence
from vestige.audit.results.report import Audit
from vestige.audit.verdict.rule import decide

TEXTS = ("headline", "explanations", "notes", "would_change")
NORMAL = ("rank", "likelihood", "variance")


def reference_checks(stated: Stated) -> Claims:
    """Each test of the reference once, with the p-value of its statistic."""
    reference = stated.audit.reference
    k, few = reference.retrains, min(reference.forget, reference.unseen_evaluation) < 2
    expected = () if not k or few else (*NORMAL[:2], *(("variance", "seeds") if k > 1 else ()))
    names = tuple(check.name for check in reference.checks)
    known = names == expected or bool(reference.problem)
    yield Claim("reference, checks", names, Rule(known, ", ".join(expected) or "none"))


def recompute(stated: Stated) -> Audit:
    """The candidate with what follows from its stated values in place of what it states; all other claims must hold."""
    audit, policy = stated.audit, stated.policy
    measured = tuple(measured_of(stated))
    checks = tuple(_checked(check, measured, audit) for check in audit.reference.checks)
    standing = _standing(stated, measured, checks)
    endpoints = judge(measured, standing.effective, standing.problem, policy)
    reference = replace(
        audit.reference,
        problem=standing.problem,
        checks=checks,
        detecting=standing.detecting,
        firing=standing.firing,
        wide=standing.wide,
        short_of_power=standing.short,
    )
    unseen = next((part for part in audit.utility if part.role == "unseen"), None)
    check = audit.unseen_check
    if check is not None:
        gain = (None, None) if unseen is None else (unseen.gap, unseen.interval)
        check = replace(check, gain=gain[0], gain_interval=gain[1])
        check = replace(check, known=is_known(check, unseen, policy))
    recomputed = replace(audit, endpoints=endpoints, reference=reference, unseen_check=check)
    names = [field for field in Evidence.__dataclass_fields__ if hasattr(recomputed, field)]
    evidence = Evidence(**{field: getattr(recomputed, field) for field in names})
    return replace(recomputed, verdict=decide(evidence, policy))


def _checked(check: Check, measured: tuple[Measured, ...], audit: Audit) -> Check:
    memory = measured[0]
    if check.name == "seeds" and memory.spread is not None:
        return seeds_check(memory.spread, memory.statistic.forget, memory.statistic.unseen, audit.reference.retrains)
    return normal_check(check.name, check.statistic)


def _standing(stated: Stated, measured: tuple[Measured, ...], checks: tuple[Check, ...]) -> Standing:
    reference, policy = stated.audit.reference, stated.policy
    if reference.problem in set(copy_problems(reference)):  # copies are what only the outputs can show
        margins = {endpoint.name: endpoint.margin(policy) for endpoint in measured}
        return Standing(reference.problem, margins, checks=checks)
    return examine(measured, checks, reference.original, policy)


def verdict_follows(stated: Stated, recomputed: Audit) -> Claims:
    """What was recomputed, claim by claim; the verdict comes last, as every changed value drags it along."""
    audit, reference = stated.audit, recomputed.reference
    yield Claim("unseen_check is given", audit.unseen_check is not None, _unseen_is_checked(audit))
    yield from all_follow("", audit, recomputed, leave=("verdict", "plan_width", "statistic"))
    weak = bool(reference.wide or reference.short_of_power)
    yield Claim("reference, remedy is given", bool(reference.remedy), weak)
    yield from all_follow("verdict", audit.verdict, recomputed.verdict, leave=() if stated.texts else TEXTS)


def _unseen_is_checked(audit: Audit) -> bool:
    """Whether there is anything to compare a candidate's answers on unseen examples with."""
    if audit.setting.of_class:
        return False
    compared = any(part.role == "unseen" for part in audit.utility)
    return compared or (audit.unseen_check is not None and audit.reference.retrains > 0)
