"""The two tests of an endpoint: is the gap outside its margin (FAIL), or shown to be within it (PASS)?"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.audit.endpoints.endpoints import Measured
from vestige.audit.endpoints.scores import MIN_RETRAINS, Floats
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Decision, Endpoint
from vestige.audit.results.figures import Interval
from vestige.audit.statistics import intervals

SEED_ALLOWANCE = 0.03
"""What a new training seed may move an AUC or an accuracy by, where fewer than three retrains cannot tell."""


class PValues(NamedTuple):
    """P-value of the FAIL test of one endpoint, as it is and Holm-adjusted over the family."""

    own: float
    holm: float


def fail_test(measured: Sequence[Measured], other: int, policy: Policy) -> dict[str, PValues]:
    """The FAIL test of the candidate (``other`` 0) or the original (1) with the declared margins.

    The family is every endpoint in force; a candidate and an original are two separate families.
    """
    return fail_tests([measured], other, policy)[0]


def fail_tests(parts: Sequence[Sequence[Measured]], other: int, policy: Policy) -> list[dict[str, PValues]]:
    """The same for one family of several parts: the endpoints on the whole forget set, then those on each group.

    Weighted Holm: an endpoint on one of G groups weighs 1 / G, so that all groups together take no more of the error
    rate than one set of endpoints would, however many there are."""
    places = [(part, one) for part, measured in enumerate(parts) for one in measured if one.in_force]
    own = [_fail_p(one, other, policy) for _, one in places]
    adjusted = intervals.holm(own, [_weight(part, parts) for part, _ in places])
    found: list[dict[str, PValues]] = [{} for _ in parts]
    for (part, one), p, q in zip(places, own, adjusted, strict=True):
        found[part][one.definition.name] = PValues(p, q)
    return found


def _weight(part: int, parts: Sequence[Sequence[Measured]]) -> float:
    return 1.0 if part == 0 else 1 / max(1, sum(any(one.in_force for one in group) for group in parts[1:]))


def _fail_p(one: Measured, other: int, policy: Policy) -> float:
    gap, margin, sides = one.gap(other), one.definition.margin(policy), one.definition.sides
    p = intervals.fail_p(gap, margin, one.error, one.retrains, sides)
    examples = one.example_error(other)
    if policy.conservative and examples is not None:
        p = max(p, intervals.fail_p_normal(gap, margin, examples, sides))
    return p


def judge(measured: Sequence[Measured], effective: Mapping[str, float], problem: str, policy: Policy) -> list[Endpoint]:
    """The endpoints of the report.

    effective: margin of the PASS test by endpoint name (the policy's where a name is missing). problem: why the
    reference is invalid; then there are values and gaps, but no interval and no decision.
    """
    return judge_parts([measured], effective, problem, policy)[0]


def judge_parts(
    parts: Sequence[Sequence[Measured]], effective: Mapping[str, float], problem: str, policy: Policy
) -> list[list[Endpoint]]:
    """The same for the whole forget set and then each of its groups, which are one family (``fail_tests``).

    effective is for the whole; within a group the margin is always the policy's."""
    measured = parts[0]
    tested = not problem and bool(measured) and measured[0].retrains >= MIN_RETRAINS
    p_values = fail_tests(parts, 0, policy) if tested else [{} for _ in parts]
    total = sum(_weight(part, parts) * sum(one.in_force for one in found) for part, found in enumerate(parts))
    judged = []
    for part, found in enumerate(parts):
        own = effective if part == 0 else {}
        family = total / _weight(part, parts) if any(one.in_force for one in found) else total
        judged.append(_judge_part(found, own, problem, policy, tested, family, p_values[part]))
    return judged


def _judge_part(
    measured: Sequence[Measured],
    effective: Mapping[str, float],
    problem: str,
    policy: Policy,
    tested: bool,
    family: float,
    p_values: Mapping[str, PValues],
) -> list[Endpoint]:
    endpoints = []
    for one in measured:
        margin = one.definition.margin(policy)
        within = effective.get(one.definition.name, margin)
        if one.values is None or problem:
            endpoints.append(_endpoint(one, policy, within, "not estimable", reason=one.reason or problem))
        elif not tested:
            endpoints.append(_few_retrains(one, family, policy, within))
        else:
            endpoints.append(_many_retrains(one, family, policy, within, p_values[one.definition.name]))
    return endpoints


def _many_retrains(one: Measured, family: float, policy: Policy, within: float, p: PValues) -> Endpoint:
    if one.spread is None:
        raise ValueError(f"{one.definition.name} has no spread over the retrains")
    gap, k, alpha = one.gap(0), one.retrains, policy.alpha
    width = intervals.half_width(one.spread, k, alpha)
    examples = _example_width(one, alpha)
    used = max(width, examples or 0.0) if policy.conservative else width
    low, high = gap - used, gap + used
    decision: Decision = "uncertain"
    if p.holm <= alpha:
        decision = "outside"
    elif high < within and (one.definition.sides == "upper" or low > -within):
        decision = "within"
    simultaneous = intervals.bonferroni_half_width(one.spread, k, alpha, family)
    if policy.conservative and examples is not None:
        simultaneous = max(simultaneous, _example_width(one, alpha / (2 * family)) or 0.0)
    return _endpoint(
        one,
        policy,
        within,
        decision,
        interval=(low, high),
        simultaneous=(gap - simultaneous, gap + simultaneous),
        half_width=width,
        plan_width=intervals.plan_width(one.spread, k, alpha),
        p=p,
    )


def _few_retrains(one: Measured, family: float, policy: Policy, within: float) -> Endpoint:
    """Grade S: the examples alone, and an allowance for the seed that they cannot show; never "within"."""
    width = _example_width(one, policy.alpha / (2 * family))
    gap = one.gap(0)
    outside = width is not None and width > 0 and abs(gap) - width > one.definition.margin(policy) + SEED_ALLOWANCE
    simultaneous = None if width is None else (gap - width, gap + width)
    return _endpoint(one, policy, within, "outside" if outside else "uncertain", simultaneous=simultaneous)


def _example_width(one: Measured, tail: float) -> float | None:
    error = one.example_error(0)
    return None if error is None else float(stats.norm.ppf(1 - tail)) * error


def _endpoint(
    one: Measured,
    policy: Policy,
    within: float,
    decision: Decision,
    *,
    reason: str = "",
    interval: Interval | None = None,
    simultaneous: Interval | None = None,
    half_width: float | None = None,
    plan_width: float | None = None,
    p: PValues | None = None,
) -> Endpoint:
    definition, k = one.definition, one.retrains
    values: Floats = np.empty(0) if one.values is None else one.values
    original = len(values) > k + 1
    return Endpoint(
        name=definition.name,
        statistic=definition.words.format(fpr=f"{policy.fpr:g}"),
        sides=definition.sides,
        primary=definition.primary,
        per_example=definition.per_example,
        candidate=float(values[k]) if len(values) else None,
        retrains=tuple(float(value) for value in values[:k]),
        original=float(values[k + 1]) if original else None,
        gap=one.gap(0) if len(values) else None,
        original_gap=one.gap(1) if original else None,
        spread=one.spread,
        interval=interval,
        simultaneous=simultaneous,
        example_half_width=_example_width(one, policy.alpha),
        margin=definition.margin(policy),
        margin_effective=within,
        half_width=half_width,
        plan_width=plan_width,
        p_value=None if p is None else p.own,
        p_holm=None if p is None else p.holm,
        decision=decision,
        reason=reason,
        randomisation_p=None
        if reason or not len(values)
        else intervals.randomisation_p(float(values[k]), values[:k].tolist(), definition.null(policy.fpr)),
    )
