"""What an audit of given sizes could certify and detect, before anything is trained."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from vestige.attacks.metrics.roc import estimable
from vestige.audit.endpoints.endpoints import DEFINITIONS, Measured, measure
from vestige.audit.endpoints.scores import MIN_RETRAINS, calibration_rows, score
from vestige.audit.endpoints.simulation import World
from vestige.audit.policy import PROFILES, Policy, profile
from vestige.audit.results.evidence import Grade
from vestige.audit.results.shadows import SHADOWED
from vestige.audit.statistics import intervals as statistics
from vestige.learners.errors import ConfigError
from vestige.learners.seeds import derive_seed

POWER = 0.8
MOST_ROWS = 500_000
Outlook = Literal["likely", "possible", "unlikely", "impossible"]


@dataclass(frozen=True)
class EndpointPlan:
    """One endpoint; every number is a gap to the mean of the retrains (a fraction), None when not estimable.

    certify: margin within which a perfect candidate is shown to be with 80 % probability. detect: gap that a two-sided
    95 % test of this endpoint alone tells from zero with 80 % probability. beyond: by how much a gap must exceed the
    margin for FAIL with 80 % probability, Holm-adjusted over the family. reason: empty, or why not estimable.
    """

    name: str
    statistic: str
    primary: bool
    certify: float | None
    detect: float | None
    beyond: float | None
    reason: str = ""


@dataclass(frozen=True)
class ProfilePlan:
    """One profile: margins, what they mean, and the verdict that a perfect candidate can hope for.

    epsilon: of pure differential privacy that allows AUC 0.5 + margin; advantage: TPR - FPR that goes with it.
    pass_rate: share of simulated perfect candidates whose intervals all lie inside the margins (the original taken to
    be detected); None below three retrains. outlook: of PASS with the profile's required evidence, in words. fail_gap:
    by endpoint, the true gap that leads to FAIL with 80 % probability (margin plus ``beyond``).
    """

    profile: str
    margin_auc: float
    margin_tpr: float
    epsilon: float
    advantage: float
    pass_rate: float | None
    outlook: Outlook
    why: str
    fail_gap: dict[str, float]


@dataclass(frozen=True)
class SizesPlan:
    """The planning table of one audit. detectable_auc, detectable_tpr: classical figures of one model, gap of AUC from
    0.5 and smallest TPR at a fixed threshold of the policy's FPR (None when not estimable). runs: audits that were
    simulated, none below three retrains."""

    forget: int
    unseen: int
    unseen_calibration: int
    unseen_evaluation: int
    retrains: int
    runs: int
    grade: Grade
    endpoints: tuple[EndpointPlan, ...]
    profiles: tuple[ProfilePlan, ...]
    detectable_auc: float
    detectable_tpr: float | None


def plan(
    n_forget: int,
    n_unseen: int,
    retrains: int,
    *,
    seed: int,
    runs: int = 200,
    policy: Policy | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SizesPlan:
    """Simulate ``runs`` audits of a perfect candidate on synthetic scores, with the endpoints an audit uses.

    Real scores differ from synthetic ones: an audit recomputes its power from its own retrains. policy: the one to plan
    for, None for the three profiles. ``progress(done, runs)`` is called after each run. ConfigError for sizes that make
    no audit. Source: verdict.md, section 9.
    """
    _check(n_forget, n_unseen, retrains, runs)
    policies = [profile(name) for name in PROFILES] if policy is None else [policy]
    policy = policy or Policy()
    world = World(forget=n_forget, unseen=n_unseen, retrains=retrains, original=None)
    needed = retrains >= MIN_RETRAINS
    simulated = []
    for run in range(runs if needed else 0):
        simulated.append(_simulate(world, derive_seed(seed, "plan", run), policy))
        if progress is not None:
            progress(run + 1, runs)
    labels = np.zeros(n_unseen, np.int64)
    calibration = int(calibration_rows(labels, labels == 0, policy.calibration_share, 0).sum())
    evaluation = n_unseen - calibration
    tails = estimable(policy.fpr, evaluation)
    grade: Grade = "S" if not needed else "B" if retrains >= 5 and tails else "C"
    endpoints = _endpoints(simulated, policy, retrains, evaluation)
    return SizesPlan(
        forget=n_forget,
        unseen=n_unseen,
        unseen_calibration=calibration,
        unseen_evaluation=evaluation,
        retrains=retrains,
        runs=len(simulated),
        grade=grade,
        endpoints=endpoints,
        profiles=tuple(_profile(each, endpoints, simulated, grade) for each in policies),
        detectable_auc=statistics.detectable_auc(n_forget, evaluation, policy.alpha, POWER),
        detectable_tpr=statistics.detectable_tpr(n_forget, policy.fpr, policy.alpha, POWER) if tails else None,
    )


def _check(n_forget: int, n_unseen: int, retrains: int, runs: int) -> None:
    least = {"forget": (n_forget, 2), "unseen": (n_unseen, 10), "retrains": (retrains, 0), "runs": (runs, 20)}
    for name, (value, lowest) in least.items():
        if value < lowest:
            raise ConfigError(f"{name}: expected at least {lowest}, got {value}")
    if (rows := n_forget + n_unseen) > MOST_ROWS:
        raise ConfigError(f"forget + unseen: expected at most {MOST_ROWS} examples, got {rows}; plan for fewer")
    if retrains > 100:
        raise ConfigError(f"retrains: expected at most 100, got {retrains}")


Simulated = Sequence[dict[str, Measured]]


def _simulate(world: World, seed: int, policy: Policy) -> dict[str, Measured]:
    table = world.draw(seed)
    logits, k = table.logits, world.retrains
    scores = score(logits[:k], logits[k:], table.labels, table.role == "forget", policy.calibration_share, seed)
    measured = measure(scores, policy.fpr, paired=False)
    return {endpoint.definition.name: endpoint for endpoint in measured if endpoint.in_force}


def _endpoints(simulated: Simulated, policy: Policy, retrains: int, evaluation: int) -> tuple[EndpointPlan, ...]:
    plans = []
    missing = f"needs more unseen examples for evaluation than {evaluation}"
    if retrains < MIN_RETRAINS:
        missing = f"needs at least {MIN_RETRAINS} retrains, got {retrains}"
    for definition in DEFINITIONS:
        if definition.score in SHADOWED:
            continue  # a planned audit has no shadows
        words = definition.words.format(fpr=f"{policy.fpr:g}")
        plan = EndpointPlan(definition.name, words, definition.primary, None, None, None, missing)
        runs = [run[definition.name] for run in simulated if definition.name in run]
        if runs:
            spread = float(np.mean([run.spread or 0.0 for run in runs]))
            slack = partial(statistics.fail_slack, spread, retrains, policy.alpha, power=POWER)
            plan = replace(
                plan,
                certify=float(np.quantile([_reach(run, policy.alpha) for run in runs], POWER)),
                detect=slack(family=1, sides="two"),
                beyond=slack(family=len(simulated[0]), sides=definition.sides),
                reason="",
            )
        plans.append(plan)
    return tuple(plans)


def _reach(endpoint: Measured, alpha: float) -> float:
    """The end of the PASS interval that is farther from zero; the upper end where only a rise counts."""
    gap = endpoint.gap(0) if endpoint.definition.sides == "upper" else abs(endpoint.gap(0))
    return gap + statistics.half_width(endpoint.spread or 0.0, endpoint.retrains, alpha)


def _profile(policy: Policy, endpoints: Sequence[EndpointPlan], simulated: Simulated, grade: Grade) -> ProfilePlan:
    margins = {definition.name: definition.margin(policy) for definition in DEFINITIONS}
    primary = [{name: endpoint for name, endpoint in run.items() if endpoint.definition.primary} for run in simulated]
    passes = [all(_reach(endpoint, policy.alpha) < margins[name] for name, endpoint in run.items()) for run in primary]
    rate = float(np.mean(passes)) if passes else None
    short = [plan.name for plan in endpoints if plan.primary and (plan.certify or 0.0) > margins[plan.name]]
    outlook, why = _outlook(rate, short, grade, policy)
    return ProfilePlan(
        profile=policy.profile,
        margin_auc=policy.margin_auc,
        margin_tpr=policy.margin_tpr,
        epsilon=statistics.epsilon_of_margin(policy.margin_auc),
        advantage=2 * policy.margin_auc,
        pass_rate=rate,
        outlook=outlook,
        why=why,
        fail_gap={plan.name: margins[plan.name] + plan.beyond for plan in endpoints if plan.beyond is not None},
    )


def _outlook(rate: float | None, short: Sequence[str], grade: Grade, policy: Policy) -> tuple[Outlook, str]:
    if rate is None:
        return "impossible", f"PASS needs at least {MIN_RETRAINS} retrains"
    if "ABCS".index(grade) > "ABCS".index(policy.min_evidence):
        need = "5 retrains and 1000 unseen examples for evaluation"
        why = f"evidence of grade {grade}, the profile requires {policy.min_evidence} ({need})"
        return "impossible", f"{why}; with min_evidence = {grade} a perfect candidate passes in {100 * rate:.0f} %"
    why = f"a perfect candidate passes in {100 * rate:.0f} % of simulated audits"
    why += f"; short of power on {', '.join(short)}" if short else ""
    return ("likely" if rate >= POWER else "possible" if rate >= 0.2 else "unlikely"), why
