"""Errors and tests of the second mode, from values and sizes alone: audit, gate and planning table share them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.audit.policy import Policy
from vestige.audit.results.exchangeable import ContradictionTest, ExampleDecision, ExampleEndpoint
from vestige.audit.statistics import intervals

LEVEL = 0.01
"""Of all tests for a contradiction together: so often a true declaration is turned away."""
POWER = 0.8
WORDS = {
    "X1": "AUC of class-centred phi, forget against unseen",
    "X2": "AUC of phi minus its mean over the models that saw neither set",
    "X3": "AUC of the absolute value of that difference",
    "Y2": "TPR at FPR {fpr} of that difference, minus the realised FPR",
    "Y3": "TPR at FPR {fpr} of its absolute value, minus the realised FPR",
}
"""The endpoints in order; all but X1 are calibrated for each example and need a retrain or a shadow."""
PER_EXAMPLE = tuple(name for name in WORDS if name != "X1")
DIRECTED = ("X1", "X2")
"""Endpoints whose sign tells a leak from over-forgetting."""


class Value(NamedTuple):
    """One endpoint on one model. value: AUC or TPR, None when not estimable (reason says why); fpr: realised, of a TPR;
    error: of an AUC, over examples."""

    value: float | None
    fpr: float | None = None
    error: float | None = None
    reason: str = ""


class Sizes(NamedTuple):
    """Numbers of forget and of evaluation unseen examples."""

    forget: int
    unseen: int


class Judged(NamedTuple):
    """The endpoints, and what the original shows: see ``Exchangeable``."""

    endpoints: tuple[ExampleEndpoint, ...]
    detecting: tuple[str, ...]
    firing: tuple[str, ...]
    problem: str


def is_tail(name: str) -> bool:
    """Whether an endpoint is a TPR at low FPR; else it is an AUC."""
    return name.startswith("Y")


def rank_error(forget: int, unseen: int) -> float:
    """Standard error of the AUC of exchangeable examples without ties (Mann and Whitney 1947); ties make it smaller."""
    return float(np.sqrt((forget + unseen + 1) / (12 * forget * unseen)))


def tail_error(fpr: float, sizes: Sizes, margin: float) -> float:
    """Standard error of TPR minus realised FPR where the true TPR is the margin above ``fpr``.

    That is the boundary of both hypotheses, where both tests have to hold: of few caught examples, or none, the usual
    estimate would be too small to keep a leak of just the margin from passing.
    """
    edge = min(1.0, fpr + margin)
    return float(np.sqrt(edge * (1 - edge) / sizes.forget + fpr * (1 - fpr) / sizes.unseen))


def contradicted(tests: Sequence[ContradictionTest]) -> tuple[str, ...]:
    """Names of the tests that reject at ``LEVEL``, Bonferroni over all."""
    return tuple(one.name for one in tests if one.p < LEVEL / len(tests))


def rank_p(auc: float, forget: int, unseen: int, *, upper: bool = False) -> float:
    """P-value of an AUC of exchangeable examples: two-sided, or for a rise only (normal approximation)."""
    z = (auc - 0.5) / rank_error(forget, unseen)
    return float(stats.norm.sf(z) if upper else 2 * stats.norm.sf(abs(z)))


def classifier_p(auc: float, forget: int, unseen: int) -> float:
    """P-value of the larger of two AUCs, each on a half of the examples, Bonferroni over the two."""
    return min(1.0, 2 * rank_p(auc, forget // 2, unseen // 2, upper=True))


def margin_of(name: str, policy: Policy) -> float:
    """The policy's margin on this endpoint."""
    return policy.margin_tpr if is_tail(name) else policy.margin_auc


def gap_of(name: str, one: Value) -> float:
    """AUC minus one half, or TPR minus the realised FPR."""
    return (one.value or 0.0) - ((one.fpr or 0.0) if is_tail(name) else 0.5)


def error_of(name: str, one: Value, sizes: Sizes, policy: Policy) -> float:
    """Standard error of the gap: of an AUC as it was measured, but no less than that of exchangeable examples, which
    two or three forget examples that lie close together by chance would undercut."""
    if is_tail(name):
        return tail_error(one.fpr or 0.0, sizes, policy.margin_tpr)
    return max(one.error or 0.0, rank_error(*sizes))


def fail_p(name: str, one: Value, sizes: Sizes, policy: Policy) -> float:
    """P-value of the FAIL test. Of a TPR, the larger of the normal test and of the exact binomial test with the
    realised FPR taken as it is: the one minds that rate's error, the other the few forget examples."""
    margin = margin_of(name, policy)
    p = intervals.fail_p_normal(
        gap_of(name, one), margin, error_of(name, one, sizes, policy), "upper" if is_tail(name) else "two"
    )
    if not is_tail(name):
        return p
    caught = round((one.value or 0.0) * sizes.forget)
    exact = float(stats.binom.sf(caught - 1, sizes.forget, min(1.0, (one.fpr or 0.0) + margin)))
    return max(p, exact)


def plan_width(name: str, sizes: Sizes, policy: Policy, power: float = POWER) -> float:
    """Margin within which a perfect candidate is shown to be with probability ``power``, from sizes alone.

    AUC: (z[1 - alpha] + z[(1 + power) / 2]) times ``rank_error``. TPR, upper-sided and with an error that depends on
    the margin itself: the d with z[1 - alpha] * tail_error(d) + z[power] * error at FPR = d.
    """
    level = float(stats.norm.ppf(1 - policy.alpha))
    if not is_tail(name):
        return (level + float(stats.norm.ppf((1 + power) / 2))) * rank_error(*sizes)
    fpr = policy.fpr
    slack = float(stats.norm.ppf(power)) * tail_error(fpr, sizes, 0.0)
    low, high = 0.0, 1.0
    for _ in range(60):  # the left side grows more slowly than d from where they meet
        middle = (low + high) / 2
        enough = level * tail_error(fpr, sizes, middle) + slack <= middle
        low, high = (low, middle) if enough else (middle, high)
    return high


def judge_values(own: dict[str, Value], before: dict[str, Value] | None, sizes: Sizes, policy: Policy) -> Judged:
    """Both tests of every endpoint, from its value on the candidate and on the original.

    Margins, Holm and the narrowed margin are those of the main rule: the family is every endpoint in force, and the
    PASS margin is at most half of the original's own gap where that is caught.
    """
    p_values = _family(own, sizes, policy)
    caught = {name for name, (_, p) in _family(before or {}, sizes, policy).items() if p <= policy.alpha}
    gaps = {name: gap_of(name, one) for name, one in (before or {}).items() if one.value is not None}
    below = [name for name in DIRECTED if name in caught and gaps[name] < 0]
    problem = ""
    if below:
        listed = ", ".join(f"{name} {gaps[name]:+.3f}" for name in below)
        problem = (
            f"the original looks less trained on the forget set than on unseen data ({listed}): files are mixed up, or "
            "the models given as reference saw the forget set"
        )
    endpoints = []
    for name, one in own.items():
        margin = margin_of(name, policy)
        former = None if before is None else before[name]
        within = min(margin, abs(gaps[name]) / 2) if name in caught else margin
        endpoints.append(_endpoint(name, one, former, within, p_values.get(name), sizes, policy))
    detecting = () if problem else tuple(name for name in PER_EXAMPLE if name in caught and gaps[name] > 0)
    return Judged(tuple(endpoints), detecting, tuple(name for name in own if name in caught), problem)


def _family(values: dict[str, Value], sizes: Sizes, policy: Policy) -> dict[str, tuple[float, float]]:
    """P-values of the FAIL tests in force, as they are and Holm-adjusted."""
    names = [name for name, one in values.items() if one.value is not None]
    own = [fail_p(name, values[name], sizes, policy) for name in names]
    adjusted = intervals.holm(own)
    return dict(zip(names, zip(own, adjusted, strict=True), strict=True))


def _endpoint(
    name: str,
    one: Value,
    former: Value | None,
    within: float,
    p: tuple[float, float] | None,
    sizes: Sizes,
    policy: Policy,
) -> ExampleEndpoint:
    known = one.value is not None
    gap = gap_of(name, one) if known else None
    error = error_of(name, one, sizes, policy) if known else None
    interval = None
    decision: ExampleDecision = "not estimable"
    if gap is not None and error is not None and p is not None:
        width = float(stats.norm.ppf(1 - policy.alpha)) * error
        interval = (gap - width, gap + width)
        inside = interval[1] < within and (is_tail(name) or interval[0] > -within)
        decision = "outside" if p[1] <= policy.alpha else "within" if inside else "uncertain"
    tried = former is not None and former.value is not None
    return ExampleEndpoint(
        name=name,
        statistic=WORDS[name].format(fpr=f"{policy.fpr:g}"),
        sides="upper" if is_tail(name) else "two",
        candidate=one.value,
        candidate_fpr=one.fpr,
        gap=gap,
        error=error,
        interval=interval,
        original=former.value if former is not None else None,
        original_fpr=former.fpr if former is not None else None,
        original_gap=gap_of(name, former) if former is not None and tried else None,
        original_error=error_of(name, former, sizes, policy) if former is not None and tried else None,
        margin=margin_of(name, policy),
        margin_effective=within,
        plan_width=plan_width(name, sizes, policy) if known else None,
        p_value=None if p is None else p[0],
        p_holm=None if p is None else p[1],
        decision=decision,
        reason=one.reason,
    )
