"""What an audit of given sizes could certify and find, before anything is trained: by formulas, in two settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from vestige.audit.endpoints.endpoints import BY_NAME, Definition
from vestige.audit.endpoints.memory import IN_FORCE
from vestige.audit.endpoints.tail import tpr
from vestige.audit.planning.widths import EndpointOutlook, Outlook, Widths, primary, worst
from vestige.audit.policy import PROFILES, Policy, profile
from vestige.audit.results.endpoint import Role
from vestige.audit.results.evidence import Grade
from vestige.audit.results.setting import Setting, SettingName
from vestige.audit.statistics.intervals import gap_error, null_error
from vestige.audit.verdict.grades import ENOUGH_KNOWN_RANDOM, GRADES, LEAST_TO_PASS, RECOMMENDED_RETRAINS
from vestige.learners.errors import ConfigError

SEED_SPREAD = 0.5
"""Effect of a training seed on an endpoint, in units of its example error, as measured on small networks."""
ALSO_TESTED = 2
"""Weights in the family beside the primary endpoints': all that can only cause FAIL, and all groups."""
MOST = 10**7
ROLES: tuple[Role, Role] = ("fail_only", "primary")


@dataclass(frozen=True)
class SettingPlan:
    """One profile in one setting. grade: at best. outlook, why: of PASS for a perfect candidate, utility and controls
    aside, the original taken to be caught."""

    profile: str
    setting: SettingName
    grade: Grade
    outlook: Outlook
    why: str
    endpoints: tuple[EndpointOutlook, ...]


@dataclass(frozen=True)
class SizesPlan:
    """What can be judged at these sizes. seed_spread: of a training seed, in example errors (setting chosen)."""

    forget: int
    unseen: int
    unseen_calibration: int
    unseen_evaluation: int
    retrains: int
    seed_spread: float
    settings: tuple[SettingPlan, ...]


def plan(
    forget: int, unseen: int, retrains: int, *, seed_spread: float = SEED_SPREAD, policy: Policy | None = None
) -> SizesPlan:
    """What can be judged at these sizes, in a random draw and of a chosen set.

    seed_spread: what a training seed adds to an endpoint, in units of its example error. policy: the one to plan for,
    None for the three profiles. An audit recomputes all this from its own retrains, which may be more precise: a
    candidate and its retrains share the examples. ConfigError for sizes that make no audit. Source: docs/verdict.md.
    """
    for name, value, least in (("forget", forget, 2), ("unseen", unseen, 10), ("retrains", retrains, 0)):
        if not least <= value <= MOST:
            raise ConfigError(f"{name}: expected {least} to {MOST:,}, got {value}; correct the number")
    if not 0 <= seed_spread <= MOST:
        raise ConfigError(f"seed spread: expected 0 or more example errors, got {seed_spread:g}; 0.5 is usual")
    policies = [profile(name) for name in PROFILES] if policy is None else [policy]
    calibration = min(max(round(policies[0].calibration_share * unseen), 1), unseen - 1)
    sizes = (forget, calibration, unseen - calibration)
    settings = (Setting("random", "known"), Setting("chosen", "default"))
    plans = tuple(_plan(sizes, retrains, each, setting, seed_spread) for setting in settings for each in policies)
    return SizesPlan(forget, unseen, calibration, unseen - calibration, retrains, seed_spread, plans)


def _plan(
    sizes: tuple[int, int, int], retrains: int, policy: Policy, setting: Setting, seed_spread: float
) -> SettingPlan:
    measured = list(_errors(sizes, retrains, policy))
    family = sum(not reason for *_, reason in measured) + ALSO_TESTED
    endpoints = []
    for definition, error, required, reason in measured:
        margin = float(getattr(policy, definition.margin))
        spread = error * sqrt(1 + seed_spread**2)
        gap = gap_error(error, spread, definition.factor(retrains), retrains, setting.d0)
        widths = Widths.of(gap, (margin, margin), policy.level, 1 / family, definition.sides)
        words, role = definition.words.format(fpr=f"{policy.fpr:g}"), ROLES[required]
        known = (None, None) if reason else (error, widths)
        endpoints.append(
            EndpointOutlook(definition.name, words, role, margin, margin, known[0], widths=known[1], reason=reason)
        )
    enough = ENOUGH_KNOWN_RANDOM if setting.random else RECOMMENDED_RETRAINS
    grade: Grade = "B" if len(primary(endpoints)) == len(endpoints) and retrains >= enough else "C"
    outlook, why = _outlook(endpoints, grade, retrains, policy, setting)
    return SettingPlan(policy.profile, setting.name, grade, outlook, why, tuple(endpoints))


def _errors(
    sizes: tuple[int, int, int], retrains: int, policy: Policy
) -> Iterator[tuple[Definition, float, bool, str]]:
    """Of M, S and T: example error, whether PASS requires it, and empty or why it is not estimable."""
    forget, calibration, evaluation = sizes
    error = null_error(forget, evaluation)
    yield BY_NAME["M"], error, True, ""
    few = "" if retrains else "needs a retrain to compare with"
    yield BY_NAME["S"], error, not few and IN_FORCE * error <= policy.margin_auc, few
    # No score is looked at: errors and what is in force come from the sizes.
    tail = tpr(np.zeros((1, forget)), np.zeros((1, calibration)), 0, policy, random=True)
    yield BY_NAME["T"], tail.expected, tail.values is not None and tail.in_force, tail.reason


def _outlook(
    endpoints: Sequence[EndpointOutlook], grade: Grade, retrains: int, policy: Policy, setting: Setting
) -> tuple[Outlook, str]:
    required = primary(endpoints)
    if not setting.random and retrains < LEAST_TO_PASS:
        return "impossible", f"PASS needs at least {LEAST_TO_PASS} retrains, or a random draw"
    if GRADES.index(grade) > GRADES.index(policy.min_evidence):
        unjudged = [endpoint.name for endpoint in endpoints if endpoint.name not in required]
        missing = f"{', '.join(unjudged)} not judged at these sizes" if unjudged else "more retrains or shadows needed"
        return "impossible", f"evidence of grade {grade}, the policy requires {policy.min_evidence}: {missing}"
    outlook = worst(widths.outlook for widths in required.values())
    short = ", ".join(name for name, widths in required.items() if widths.outlook == outlook)
    why = {
        "impossible": f"interval wider than the margin on {short}",
        "possible": f"a perfect candidate passes {short} with less than 80 % probability",
        "likely": "a perfect candidate passes each endpoint with at least 80 % probability",
    }
    return outlook, why[outlook]
