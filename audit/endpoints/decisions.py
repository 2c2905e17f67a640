"""The two tests of an endpoint: is the gap outside its margin (FAIL), or shown to be within it (PASS)?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.audit.endpoints.endpoints import Measured
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Decision, Endpoint
from vestige.audit.statistics import intervals
from vestige.learners.arrays import Floats

SEED_ALLOWANCE = 0.03
"""What a new training seed may move an AUC or an accuracy by, where fewer than three retrains cannot tell."""


class PValues(NamedTuple):
    """P-value of the FAIL test of one endpoint, as it is and Holm-adjusted over the family."""

    unadjusted: float
    holm: float


def fail_test(measured: Sequence[Measured], other: int, policy: Policy) -> dict[str, PValues]:
    """The FAIL test of the candidate (``other`` 0) or the original (1) with the declared margins.

    The family is every endpoint that is estimable; a candidate and an original are two separate families.
    """
    return fail_tests([measured], other, policy)[0]


def fail_tests(parts: Sequence[Sequence[Measured]], other: int, policy: Policy) -> list[dict[str, PValues]]:
    """The same for one family of several parts: the endpoints on the whole forget set, then those on each group.

    Weighted Holm: an endpoint on one of G groups weighs 1 / G, so that all groups together take no more of the error
    rate than one set of endpoints would, however many there are."""
    family = [(part, measure) for part, measured in enumerate(parts) for measure in measured if measure.in_force]
    p_values = [_fail_p(measure, other, policy) for _, measure in family]
    adjusted = intervals.holm(p_values, [_weight(part, parts) for part, _ in family])
    by_part: list[dict[str, PValues]] = [{} for _ in parts]
    for (part, measure), p, q in zip(family, p_values, adjusted, strict=True):
        by_part[part][measure.name] = PValues(p, q)
    return by_part


def _weight(part: int, parts: Sequence[Sequence[Measured]]) -> float:
    return 1.0 if part == 0 else 1 / max(1, sum(any(measure.in_force for measure in group) for group in parts[1:]))


def _fail_p(measure: Measured, other: int, policy: Policy) -> float:
    gap, margin, sides = measure.gap(other), measure.definition.margin(policy), measure.definition.sides
    p = intervals.fail_p(gap, margin, measure.error, measure.retrains, sides)
    examples = measure.example_error(other)
    if policy.conservative and examples is not None:
        p = max(p, intervals.fail_p_normal(gap, margin, examples, sides))
    return p


def judge_parts(
    parts: Sequence[Sequence[Measured]], effective: Mapping[str, float], problem: str, policy: Policy
) -> list[list[Endpoint]]:
    """The endpoints of the report: on the whole forget set, then on each group, all one family (``fail_tests``).

    effective: margin of the PASS test on the whole, by endpoint name (the policy's where a name is missing); within a
    group it is always the policy's. problem: why the reference is invalid; then there are values and gaps, but no
    interval and no decision.
    """
    tested = not problem and bool(parts[0]) and parts[0][0].retrains >= MIN_RETRAINS
    p_values = fail_tests(parts, 0, policy) if tested else [{} for _ in parts]
    sizes = [sum(measure.in_force for measure in part) for part in parts]
    total = sum(_weight(place, parts) * size for place, size in enumerate(sizes))
    judged: list[list[Endpoint]] = []
    for place, part in enumerate(parts):
        family = total / _weight(place, parts) if sizes[place] else total
        judged.append([])
        for measure in part:
            name, margin = measure.name, measure.definition.margin(policy)
            endpoint = _stated(measure, policy, effective.get(name, margin) if place == 0 else margin, problem)
            if not endpoint.reason:
                p = p_values[place].get(name)
                endpoint = (
                    _few_retrains(measure, endpoint, family, policy)
                    if p is None
                    else _many_retrains(measure, endpoint, family, policy, p)
                )
            judged[-1].append(endpoint)
    return judged


def _many_retrains(measure: Measured, stated: Endpoint, family: float, policy: Policy, p: PValues) -> Endpoint:
    if measure.spread is None:
        raise ValueError(f"{stated.name} has no spread over the retrains")
    gap, k, alpha, within = measure.gap(0), measure.retrains, policy.alpha, stated.margin_effective
    width = intervals.half_width(measure.spread, k, alpha)
    examples = stated.example_half_width
    used = max(width, examples or 0.0) if policy.conservative else width
    low, high = gap - used, gap + used
    decision: Decision = "uncertain"
    if p.holm <= alpha:
        decision = "outside"
    elif high < within and (stated.sides == "upper" or low > -within):
        decision = "within"
    simultaneous = intervals.bonferroni_half_width(measure.spread, k, alpha, family)
    if policy.conservative and examples is not None:
        simultaneous = max(simultaneous, _example_width(measure, alpha / (2 * family)) or 0.0)
    return replace(
        stated,
        interval=(low, high),
        simultaneous=(gap - simultaneous, gap + simultaneous),
        half_width=width,
        plan_width=intervals.plan_width(measure.spread, k, alpha),
        p_value=p.unadjusted,
        p_holm=p.holm,
        decision=decision,
    )


def _few_retrains(measure: Measured, stated: Endpoint, family: float, policy: Policy) -> Endpoint:
    """Grade S: the examples alone, and an allowance for the seed that they cannot show; never "within"."""
    width, gap = _example_width(measure, policy.alpha / (2 * family)), measure.gap(0)
    outside = width is not None and width > 0 and abs(gap) - width > stated.margin + SEED_ALLOWANCE
    simultaneous = None if width is None else (gap - width, gap + width)
    return replace(stated, simultaneous=simultaneous, decision="outside" if outside else "uncertain")


def _example_width(measure: Measured, tail: float) -> float | None:
    error = measure.example_error(0)
    return None if error is None else float(stats.norm.ppf(1 - tail)) * error


def _stated(measure: Measured, policy: Policy, within: float, problem: str) -> Endpoint:
    """Values and gaps; no interval and no decision yet. problem: why there will be none, or empty."""
    definition, k = measure.definition, measure.retrains
    values: Floats = np.empty(0) if measure.values is None else measure.values
    reason = measure.reason or problem if problem or measure.values is None else ""
    original = len(values) > k + 1
    randomisation = None
    if not reason:
        randomisation = intervals.randomisation_p(float(values[k]), values[:k].tolist(), definition.null(policy.fpr))
    return Endpoint(
        name=definition.name,
        statistic=definition.words.format(fpr=f"{policy.fpr:g}"),
        sides=definition.sides,
        primary=definition.primary,
        per_example=definition.per_example,
        candidate=float(values[k]) if len(values) else None,
        retrains=tuple(float(value) for value in values[:k]),
        original=float(values[k + 1]) if original else None,
        gap=measure.gap(0) if len(values) else None,
        original_gap=measure.gap(1) if original else None,
        spread=measure.spread,
        interval=None,
        simultaneous=None,
        example_half_width=_example_width(measure, policy.alpha),
        margin=definition.margin(policy),
        margin_effective=within,
        half_width=None,
        plan_width=None,
        p_value=None,
        p_holm=None,
        decision="not estimable",
        reason=reason,
        randomisation_p=randomisation,
    )
