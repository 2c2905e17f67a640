"""What an audit could certify and detect, from its own retrains and original, and what more of either would buy.

The spread over K retrains is itself uncertain. With more retrains it is measured anew, partly on the same models; with
more unseen examples the part of it that comes from them shrinks. The intervals of the projections hold both
(``spread_ratios``). Source: verdict.md, sections 5.1, 6 (E3) and 9.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.endpoints import Measured
from vestige.audit.endpoints.preconditions import Standing, identify
from vestige.audit.endpoints.remedy import left_spread
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.endpoints.utility import utility
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Grade, Reference
from vestige.audit.results.figures import Interval
from vestige.audit.statistics import intervals as statistics
from vestige.audit.verdict.evidence import stand
from vestige.learners.arrays import Floats
from vestige.learners.seeds import numpy_generator

RETRAINS = (3, 5, 7, 10, 15, 20)
FACTORS = (2, 5, 10)
LEVEL = 0.9
POWER = 0.8
DRAWS = 20_000
Outlook = Literal["likely", "possible", "impossible", "not known"]


@dataclass(frozen=True)
class Projection:
    """One endpoint with other numbers of retrains and unseen examples; the intervals are of level 90 %, for what an
    audit of that size would measure. outlook: of PASS, from the projected widths."""

    retrains: int
    unseen: int
    half_width: float
    half_width_interval: Interval
    plan_width: float
    plan_width_interval: Interval
    fail_gap: float
    fail_gap_interval: Interval
    outlook: Outlook


@dataclass(frozen=True)
class EndpointOutlook:
    """One endpoint, from retrains and original; every number is a fraction, None where it is not estimable.

    spread: over the retrains; spread_bound: its 95 % upper bound. half_width: of the PASS interval. plan_width: margin
    that a perfect candidate certifies with 80 % probability. outlook: impossible where half_width exceeds
    margin_effective, likely where plan_width does not. fail_gap: gap that leads to FAIL with 80 % probability, Holm's
    first step over the family. unseen_share: of the squared spread, what more unseen examples shrink. reason: empty, or
    why nothing is known.
    """

    name: str
    statistic: str
    primary: bool
    margin: float
    margin_effective: float
    outlook: Outlook
    spread: float | None = None
    spread_bound: float | None = None
    half_width: float | None = None
    plan_width: float | None = None
    fail_gap: float | None = None
    original_gap: float | None = None
    original_caught: bool | None = None
    unseen_share: float | None = None
    projections: tuple[Projection, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class UtilityOutlook:
    """Accuracy on one role. spread: over the retrains. half_width: of the interval, which must clear one margin only.
    outlook: likely where a perfect candidate is non-inferior with 80 % probability, else possible."""

    role: str
    margin: float
    spread: float
    half_width: float
    outlook: Outlook


@dataclass(frozen=True)
class MeasuredPlan:
    """The planning table of an audit whose retrains exist. outlook, why: of PASS for a perfect candidate on all
    endpoints that PASS needs; accuracy (``utility``) and the controls are not part of it."""

    reference: Reference
    policy: str
    policy_hash: str
    grade: Grade
    outlook: Outlook
    why: str
    endpoints: tuple[EndpointOutlook, ...]
    utility: tuple[UtilityOutlook, ...]


def project_reference(outputs: Outputs, policy: Policy) -> MeasuredPlan:
    """The plan from retrains and original in ``outputs``; no number comes from the candidate, though a retrain that is
    byte-equal to it is left out, so give outputs whose candidate is a stand-in. DataError for too few unseen rows."""
    measured, standing, reference = stand(outputs, policy)
    family = sum(endpoint.in_force for endpoint in measured)
    unseen = reference.unseen_calibration + reference.unseen_evaluation
    endpoints = tuple(_endpoint(endpoint, standing, reference, unseen, family, policy) for endpoint in measured)
    grade = _grade(measured, reference)
    outlook, why = _outlook(endpoints, standing, reference, grade, policy)
    accuracy = () if reference.retrains < MIN_RETRAINS else _utility(outputs, policy)
    return MeasuredPlan(reference, policy.profile, policy.hash, grade, outlook, why, endpoints, accuracy)


def _utility(outputs: Outputs, policy: Policy) -> tuple[UtilityOutlook, ...]:
    found = []
    for accuracy in utility(outputs, identify(outputs).kept, policy):
        k, rows = len(accuracy.retrains), int(outputs.where(accuracy.role).sum())
        spread = statistics.floored_spread(np.array(accuracy.retrains), 1 / rows)
        half = statistics.half_width(spread, k, policy.alpha)
        enough = half + statistics.t_quantile(POWER, k) * statistics.seed_error(spread, k) <= accuracy.margin
        found.append(UtilityOutlook(accuracy.role, accuracy.margin, spread, half, "likely" if enough else "possible"))
    return tuple(found)


def _endpoint(
    endpoint: Measured, standing: Standing, reference: Reference, unseen: int, family: int, policy: Policy
) -> EndpointOutlook:
    definition = endpoint.definition
    margin = definition.margin(policy)
    effective = standing.effective.get(definition.name, margin)
    words = definition.words.format(fpr=f"{policy.fpr:g}")
    reason = endpoint.reason or standing.problem
    if not reason and endpoint.retrains < MIN_RETRAINS:
        reason = f"needs at least {MIN_RETRAINS} retrains, got {endpoint.retrains}"
    if reason or endpoint.spread is None:
        return EndpointOutlook(
            definition.name, words, definition.primary, margin, effective, "not known", reason=reason
        )
    k, spread, alpha, sides = endpoint.retrains, endpoint.spread, policy.alpha, definition.sides

    def projection(retrains: int, factor: float) -> Projection:
        """With ``retrains`` in all, at least as many as there are, and ``factor`` times the unseen examples."""
        # Scores that compare with the other retrains change on the present models too, and tails do with thresholds.
        anew = definition.tail or (definition.per_example and retrains > k)
        ratios = spread_ratios(spread, endpoint.unseen_variance, k, retrains, factor, anew=anew)
        spreads = [left_spread(endpoint, factor), *(spread * ratio for ratio in ratios)]
        half = [statistics.half_width(each, retrains, alpha) for each in spreads]
        plan = [statistics.plan_width(each, retrains, alpha) for each in spreads]
        gap = [margin + statistics.fail_slack(each, retrains, alpha, family, sides) for each in spreads]
        return Projection(
            retrains=retrains,
            unseen=round(unseen * factor),
            half_width=half[0],
            half_width_interval=(half[1], half[2]),
            plan_width=plan[0],
            plan_width_interval=(plan[1], plan[2]),
            fail_gap=gap[0],
            fail_gap_interval=(gap[1], gap[2]),
            outlook=_of_widths(half[0], plan[0], effective),
        )

    sizes = [(count, 1) for count in RETRAINS if count > k] + [(k, factor) for factor in FACTORS]
    sizes += [(count, FACTORS[1]) for count in (10, 20) if count > k][:1]
    half, plan = (width(spread, k, alpha) for width in (statistics.half_width, statistics.plan_width))
    return EndpointOutlook(
        name=definition.name,
        statistic=words,
        primary=definition.primary,
        margin=margin,
        margin_effective=effective,
        outlook=_of_widths(half, plan, effective),
        spread=spread,
        spread_bound=spread * statistics.spread_factor(k),
        half_width=half,
        plan_width=plan,
        fail_gap=margin + statistics.fail_slack(spread, k, alpha, family, sides),
        original_gap=endpoint.gap(1) if reference.original else None,
        original_caught=definition.name in standing.firing if reference.original else None,
        unseen_share=min(endpoint.unseen_variance / spread**2, 1.0) if spread else 0.0,
        projections=tuple(projection(retrains, factor) for retrains, factor in sizes),
    )


def spread_ratios(
    spread: float, unseen_variance: float, k: int, retrains: int, factor: float, *, anew: bool = False
) -> Interval:
    """Quantiles .05 and .95 of the spread that ``retrains`` in all (``k`` of them the same as now) would show with
    ``factor`` times the unseen examples, over the ``spread`` that ``k`` show now.

    Values of the models are taken as normal. The true variance is drawn from its fiducial distribution, (k - 1)
    spread^2 / chi^2(k - 1), so that the interval covers as often as it says where all of it comes from the seed. Of it,
    ``unseen_variance`` shrinks by the factor; the values that the present models then take are drawn given the present
    ones or, with ``anew``, regardless of them, which makes the interval wider. The draws have a fixed seed: the same
    spreads give the same interval, with an error of about 1 %.
    """
    if spread <= 0 or k < MIN_RETRAINS:
        raise ValueError(f"a spread above 0 over {MIN_RETRAINS} retrains or more is needed, got {spread} over {k}")
    random = numpy_generator(0, "projection", k, retrains)
    variance = (k - 1) / random.chisquare(k - 1, DRAWS)  # in units of the spread's square
    left = 1 - np.minimum(unseen_variance / spread**2 / variance, 1.0) * (1 - 1 / factor)
    if anew:
        squares: Floats = left * variance * random.chisquare(retrains - 1, DRAWS)
    else:
        moved = np.sqrt(left * (1 - left) * variance)
        along = left * np.sqrt(k - 1) + moved * random.normal(size=DRAWS)
        squares = along**2 + moved**2 * random.chisquare(k - 2, DRAWS)
        if retrains > k:
            squares = squares + left * variance * random.chisquare(retrains - k, DRAWS)
    low, high = np.quantile(np.sqrt(squares / (retrains - 1)), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _of_widths(half: float, plan: float, margin: float) -> Outlook:
    return "impossible" if half > margin else "likely" if plan <= margin else "possible"


def _grade(measured: Sequence[Measured], reference: Reference) -> Grade:
    if reference.retrains < MIN_RETRAINS:
        return "S"
    in_force = {endpoint.definition.name for endpoint in measured if endpoint.in_force}
    full = {"A2", "A3", "T1", "T2", "F1"} <= in_force and reference.original
    return "B" if full and reference.retrains >= 5 else "C"


def _outlook(
    endpoints: Sequence[EndpointOutlook], standing: Standing, reference: Reference, grade: Grade, policy: Policy
) -> tuple[Outlook, str]:
    if standing.problem:
        return "impossible", f"the retrains cannot serve as a reference: {standing.problem}"
    if reference.retrains < MIN_RETRAINS:
        return "impossible", f"PASS needs at least {MIN_RETRAINS} retrains, got {reference.retrains}"
    vacuous = policy.accept_vacuous and reference.assay_sensitive is False and not standing.firing
    if not reference.assay_sensitive and not vacuous:
        found = "no per-example attack catches the original" if reference.original else "there is no original to catch"
        return "impossible", f"PASS needs a positive control, and {found}"
    if "ABCS".index(grade) > "ABCS".index(policy.min_evidence):
        return "impossible", f"evidence of grade {grade}, the policy requires {policy.min_evidence}"
    if standing.underpowered:
        return "impossible", f"the interval is wider than the margin on {', '.join(standing.underpowered)}"
    if standing.short:
        return "possible", f"with less than 80 % probability on {', '.join(standing.short)}"
    return "likely", "a perfect candidate passes each endpoint with at least 80 % probability"
