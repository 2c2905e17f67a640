"""The two tests of an endpoint: is the gap outside its margin (FAIL), or shown to be within it (PASS)?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isinf
from typing import NamedTuple

from vestige.audit.endpoints.endpoints import Measured
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Decision, Endpoint, Role
from vestige.audit.statistics.intervals import holm

GROUP = "G"


class PValues(NamedTuple):
    """P-value of the FAIL test of one endpoint, as it is and Holm-adjusted over the family; weight: its own in it."""

    unadjusted: float
    holm: float
    weight: float


def role_of(measure: Measured, policy: Policy) -> Role:
    """Whether PASS requires the endpoint; groups where the policy enforces them."""
    enforced = measure.definition.name == GROUP and policy.worst_group == "enforce"
    return "primary" if measure.primary or enforced else "fail_only"


def fail_tests(measured: Sequence[Measured], other: int, policy: Policy, *, margins: bool = True) -> dict[str, PValues]:
    """The FAIL tests of the candidate (``other`` 0) or the original (1) by name, with the declared margins (or with
    margin 0).

    The family is every endpoint that is estimable, by weighted Holm: a primary endpoint weighs 1, all that can only
    cause FAIL weigh 1 together, and so do all groups, and the classes of B."""
    family = [measure for measure in measured if measure.estimable]
    kinds = [_kind(measure) for measure in family]
    weights = [1 / kinds.count(kind) for kind in kinds]
    p_values = [
        measure.error(other).p_value(
            measure.gap(other), measure.margin(policy) if margins else 0.0, measure.definition.sides
        )
        for measure in family
    ]
    adjusted = holm(p_values, weights)
    return {
        measure.name: PValues(p, q, weight)
        for measure, p, q, weight in zip(family, p_values, adjusted, weights, strict=True)
    }


def _kind(measure: Measured) -> str:
    """What shares one weight of the family."""
    if measure.definition.name == GROUP or measure.primary:
        return measure.definition.name
    return "fail only"


def judge(
    measured: Sequence[Measured], effective: Mapping[str, float], problem: str, policy: Policy
) -> tuple[Endpoint, ...]:
    """The endpoints of the report.

    effective: margin of the PASS test by name, the policy's where a name is missing. problem: why the reference is
    invalid; then there are values and gaps, but no interval and no decision."""
    p_values = {} if problem else fail_tests(measured, 0, policy)
    without_margin = {} if problem else fail_tests(measured, 0, policy, margins=False)
    judged = []
    for measure in measured:
        endpoint = _stated(measure, effective.get(measure.name, measure.margin(policy)), problem, policy)
        if not endpoint.reason:
            p, zero = p_values[measure.name], without_margin[measure.name]
            endpoint = _decided(measure, endpoint, policy, p, zero.holm)
        judged.append(endpoint)
    return tuple(judged)


def _decided(measure: Measured, stated: Endpoint, policy: Policy, p: PValues, zero: float) -> Endpoint:
    error, expected, gap = measure.error(0), measure.expected, measure.gap(0)
    half, within = error.half_width(policy.level), stated.margin_effective
    low, high = gap - half, gap + half
    decision: Decision = "uncertain"
    if p.holm <= policy.level:
        decision = "outside"
    elif high < within and (stated.sides == "upper" or low > -within):
        decision = "within"
    return replace(
        stated,
        df=None if isinf(error.df) else error.df,
        interval=(low, high),
        half_width=half,
        expected_half_width=expected.half_width(policy.level),
        plan_width=expected.plan_width(policy.level),
        weight=p.weight,
        p_value=p.unadjusted,
        p_holm=p.holm,
        p_zero_holm=zero,
        decision=decision,
    )


def _stated(measure: Measured, within: float, problem: str, policy: Policy) -> Endpoint:
    """Values and gaps; no interval and no decision yet."""
    definition, statistic, k = measure.definition, measure.statistic, measure.retrains
    values = None if statistic.values is None else [float(value) for value in statistic.values]
    original = values is not None and len(values) > k + 1
    d0 = measure.setting.d0
    return Endpoint(
        name=definition.name,
        where=statistic.where,
        statistic=definition.words.format(fpr=f"{policy.fpr:g}"),
        sides=definition.sides,
        role=role_of(measure, policy),
        forget=statistic.forget,
        unseen=statistic.unseen,
        candidate=None if values is None else values[k],
        retrains=() if values is None else tuple(values[:k]),
        original=values[k + 1] if values is not None and original else None,
        reference=None if values is None else measure.reference,
        chance=statistic.null is not None,
        gap=None if values is None else measure.gap(0),
        original_gap=measure.gap(1) if original else None,
        example_error=None if values is None else float(statistic.errors[0]),
        original_error=float(statistic.errors[1]) if original else None,
        expected_error=None if values is None else statistic.expected,
        spread=measure.spread,
        factor=None if values is None else definition.factor(k),
        d0=None if isinf(d0) else d0,
        df=None,
        interval=None,
        half_width=None,
        expected_half_width=None,
        plan_width=None,
        margin=measure.margin(policy),
        margin_effective=within,
        weight=None,
        p_value=None,
        p_holm=None,
        p_zero_holm=None,
        decision="not estimable" if statistic.values is None else "uncertain",
        reason=statistic.reason or problem,
    )
