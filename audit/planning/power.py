"""What an audit of given sizes could certify and detect, before anything is trained."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vestige.attacks.metrics.roc import estimable
from vestige.audit.endpoints.endpoints import DEFINITIONS, Definition, Measured, measure
from vestige.audit.endpoints.scores import MIN_RETRAINS, calibration_rows, score
from vestige.audit.endpoints.simulation import World
from vestige.audit.policy import PROFILES, Policy, profile
from vestige.audit.results.evidence import Grade
from vestige.audit.results.shadows import SHADOWED
from vestige.audit.statistics import intervals as statistics
from vestige.learners.arrays import Floats
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
class Plan:
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
) -> Plan:
    """Simulate ``runs`` audits of a perfect candidate on synthetic scores, with the endpoints an audit uses.

    Real scores differ from synthetic ones: an audit recomputes its power from its own retrains. policy: the one to plan
    for, None for the three profiles. ``progress(done, runs)`` is called after each run. ConfigError for sizes that make
    no audit. Source: verdict.md, section 9.
    """
    _check(n_forget, n_unseen, retrains, runs)
    asked = [profile(name) for name in PROFILES] if policy is None else [policy]
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
    return Plan(
        forget=n_forget,
        unseen=n_unseen,
        unseen_calibration=calibration,
        unseen_evaluation=evaluation,
        retrains=retrains,
        runs=len(simulated),
        grade=grade,
        endpoints=endpoints,
        profiles=tuple(_profile(one, endpoints, simulated, grade) for one in asked),
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
    return {one.definition.name: one for one in measured if one.in_force}


def _endpoints(simulated: Simulated, policy: Policy, retrains: int, evaluation: int) -> tuple[EndpointPlan, ...]:
    plans = []
    # What shadows would show is not simulated: a planned audit has none.
    for definition in (one for one in DEFINITIONS if one.score not in SHADOWED):
        words = definition.words.format(fpr=f"{policy.fpr:g}")
        runs = [run[definition.name] for run in simulated if definition.name in run]
        if runs:
            numbers = _numbers(definition, runs, policy.alpha, len(simulated[0]))
            plans.append(EndpointPlan(definition.name, words, definition.primary, *numbers))
        else:
            reason = _why_missing(definition, retrains, evaluation)
            plans.append(EndpointPlan(definition.name, words, definition.primary, None, None, None, reason))
    return tuple(plans)


def _numbers(definition: Definition, runs: Sequence[Measured], alpha: float, family: int) -> tuple[float, float, float]:
    """Certify, detect and beyond of one endpoint."""
    k = runs[0].retrains
    gaps, spreads = _gaps_and_spreads(runs)
    halves = np.array([statistics.half_width(float(spread), k, alpha) for spread in spreads])
    mean = float(spreads.mean())
    # An upper-sided endpoint only counts upwards, so that its interval needs to clear one margin only.
    distance = gaps if definition.sides == "upper" else np.abs(gaps)
    return (
        float(np.quantile(distance + halves, POWER)),
        statistics.fail_slack(mean, k, alpha, 1, "two", POWER),
        statistics.fail_slack(mean, k, alpha, family, definition.sides, POWER),
    )


def _gaps_and_spreads(runs: Sequence[Measured]) -> tuple[Floats, Floats]:
    return np.array([one.gap(0) for one in runs]), np.array([one.spread or 0.0 for one in runs])


def _why_missing(definition: Definition, retrains: int, evaluation: int) -> str:
    if retrains < MIN_RETRAINS:
        return f"needs at least {MIN_RETRAINS} retrains, got {retrains}"
    return f"needs more unseen examples for evaluation than {evaluation}"


def _profile(policy: Policy, endpoints: Sequence[EndpointPlan], simulated: Simulated, grade: Grade) -> ProfilePlan:
    margins = {one.name: one.margin(policy) for one in DEFINITIONS}
    rate = None if not simulated else float(np.mean([_passes(run, margins, policy.alpha) for run in simulated]))
    outlook, why = _outlook(rate, endpoints, margins, grade, policy)
    return ProfilePlan(
        profile=policy.profile,
        margin_auc=policy.margin_auc,
        margin_tpr=policy.margin_tpr,
        epsilon=statistics.epsilon_of_margin(policy.margin_auc),
        advantage=2 * policy.margin_auc,
        pass_rate=rate,
        outlook=outlook,
        why=why,
        fail_gap={one.name: margins[one.name] + one.beyond for one in endpoints if one.beyond is not None},
    )


def _passes(run: dict[str, Measured], margins: dict[str, float], alpha: float) -> bool:
    for name, one in run.items():
        if one.definition.primary:
            gap = one.gap(0) if one.definition.sides == "upper" else abs(one.gap(0))
            if gap + statistics.half_width(one.spread or 0.0, one.retrains, alpha) >= margins[name]:
                return False
    return True


def _outlook(
    rate: float | None,
    endpoints: Sequence[EndpointPlan],
    margins: dict[str, float],
    grade: Grade,
    policy: Policy,
) -> tuple[Outlook, str]:
    if rate is None:
        return "impossible", f"PASS needs at least {MIN_RETRAINS} retrains"
    if "ABCS".index(grade) > "ABCS".index(policy.min_evidence):
        need = "5 retrains and 1000 unseen examples for evaluation"
        why = f"evidence of grade {grade}, the profile requires {policy.min_evidence} ({need})"
        return "impossible", f"{why}; with min_evidence = {grade} a perfect candidate passes in {100 * rate:.0f} %"
    wide = [one.name for one in endpoints if one.primary and (one.certify or 0.0) > margins[one.name]]
    why = f"a perfect candidate passes in {100 * rate:.0f} % of simulated audits"
    if wide:
        why += f"; short of power on {', '.join(wide)}"
    return ("likely" if rate >= POWER else "possible" if rate >= 0.2 else "unlikely"), why
