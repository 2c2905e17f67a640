"""What a verdict over exchangeable examples could certify and detect, from the sizes alone and in closed form.

Under exchangeability the AUC of n_F forget and n_U evaluation examples has the standard error sqrt((n_F + n_U + 1) /
(12 n_F n_U)) whatever the scores are, and a TPR that of a binomial share: nothing has to be simulated.
"""

from dataclasses import dataclass

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.audit.endpoints.scores import calibration_rows
from vestige.audit.exchangeable.decisions import (
    POWER,
    WORDS,
    Sizes,
    is_tail,
    margin_of,
    plan_width,
    rank_error,
    tail_error,
)
from vestige.audit.exchangeable.measurement import missing_value
from vestige.audit.policy import PROFILES, Policy, profile
from vestige.audit.results.evidence import Grade


@dataclass(frozen=True)
class ExampleEndpointPlan:
    """One endpoint; numbers are gaps (fractions), None when not estimable (reason says why).

    half_width: of the PASS interval. certify: margin within which a perfect candidate is shown to be with 80 %
    probability, whatever the policy's. fail_gap: by profile, the true gap that leads to FAIL with 80 % probability.
    """

    name: str
    statistic: str
    half_width: float | None
    certify: float | None
    fail_gap: dict[str, float]
    reason: str = ""


@dataclass(frozen=True)
class ExampleProfilePlan:
    """pass_rate: at least so often a perfect candidate lies within all margins (Bonferroni over the endpoints), the
    original taken to be caught by twice the margin or more; None where nothing can pass."""

    profile: str
    margin_auc: float
    pass_rate: float | None
    why: str


@dataclass(frozen=True)
class ExamplePlan:
    """The planning table of the second mode. references: retrains and shadows that saw neither set."""

    forget: int
    unseen_evaluation: int
    references: int
    grade: Grade
    endpoints: tuple[ExampleEndpointPlan, ...]
    profiles: tuple[ExampleProfilePlan, ...]


def plan_exchangeable(n_forget: int, n_unseen: int, references: int) -> ExamplePlan:
    """The table for so many forget and unseen examples, and models that saw neither."""
    labels = np.zeros(n_unseen, np.int64)
    policies = {name: profile(name) for name in PROFILES}
    policy = policies["standard"]
    evaluation = n_unseen - int(calibration_rows(labels, labels == 0, policy.calibration_share, 0).sum())
    sizes = Sizes(n_forget, evaluation)
    missing = {name: missing_value(name, references, evaluation, policy.fpr) for name in WORDS}
    known = [name for name, reason in missing.items() if not reason]
    grade: Grade = "C" if references else "S"
    endpoints = tuple(
        ExampleEndpointPlan(
            name=name,
            statistic=words.format(fpr=f"{policy.fpr:g}"),
            half_width=None if missing[name] else half_width(name, sizes, policy),
            certify=None if missing[name] else plan_width(name, sizes, policy),
            fail_gap={}
            if missing[name]
            else {p: fail_gap(name, sizes, one, len(known)) for p, one in policies.items()},
            reason=missing[name],
        )
        for name, words in WORDS.items()
    )
    profiles = tuple(_profile(one, sizes, known, references) for one in policies.values())
    return ExamplePlan(n_forget, evaluation, references, grade, endpoints, profiles)


def half_width(name: str, sizes: Sizes, policy: Policy) -> float:
    """Half-width of the PASS interval of a perfect candidate."""
    error = tail_error(policy.fpr, sizes, policy.margin_tpr) if is_tail(name) else rank_error(*sizes)
    return float(stats.norm.ppf(1 - policy.alpha)) * error


def pass_probability(name: str, sizes: Sizes, policy: Policy) -> float:
    """How often a perfect candidate lies within the margin of one endpoint."""
    slack = margin_of(name, policy) - half_width(name, sizes, policy)
    if is_tail(name):
        return float(stats.norm.cdf(slack / tail_error(policy.fpr, sizes, 0.0)))
    return max(0.0, float(2 * stats.norm.cdf(slack / rank_error(*sizes)) - 1))


def fail_gap(name: str, sizes: Sizes, policy: Policy, family: int, power: float = POWER) -> float:
    """The true gap that leads to FAIL with probability ``power`` on this endpoint, Holm's first step of ``family``.

    The estimate is taken to vary as it does at that gap; of an AUC as exchangeable examples do, which is a little more.
    """
    hit, margin = float(stats.norm.ppf(power)), margin_of(name, policy)
    if not is_tail(name):
        return margin + (float(stats.norm.ppf(1 - policy.alpha / (2 * family))) + hit) * rank_error(*sizes)
    fpr = policy.fpr
    critical = margin + float(stats.norm.ppf(1 - policy.alpha / family)) * tail_error(fpr, sizes, margin)
    low, high = critical, 1 - fpr
    for _ in range(60):
        middle = (low + high) / 2
        enough = middle - hit * tail_error(fpr, sizes, middle) >= critical
        low, high = (low, middle) if enough else (middle, high)
    return high


def _profile(policy: Policy, sizes: Sizes, known: list[str], references: int) -> ExampleProfilePlan:
    if not references:
        why = "without a retrain or a shadow no attack is calibrated for each example, so that nothing can pass"
        return ExampleProfilePlan(policy.profile, policy.margin_auc, None, why)
    rates = {name: pass_probability(name, sizes, policy) for name in known}
    least = max(0.0, 1 - sum(1 - rate for rate in rates.values()))
    short = [name for name, rate in rates.items() if rate < POWER]
    why = "with min_evidence = C" + (f"; short of power on {', '.join(short)}" if short else "")
    return ExampleProfilePlan(policy.profile, policy.margin_auc, least, why)
