"""The preconditions: what is settled before the candidate's scores are looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.decisions import fail_tests, role_of
from vestige.audit.endpoints.endpoints import Measured
from vestige.audit.endpoints.remedy import remedy
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Check
from vestige.learners.arrays import Floats
from vestige.learners.errors import DataError

SAME_MODEL = 1e-4
"""Two models whose phi differ, in the median, by less than this share of its spread over examples are copies."""
LEAST_ROWS = 10
"""So many rows, or all where there are fewer, must have a phi of their own to tell a copy from coarse rounding."""

DETECTING = ("M", "T", "L", "B")
"""Endpoints that show what an original remembers; A4 and T4 are about a method, V and D about no memory."""
UNLIKE = "the retrains treat the forget set unlike unseen data"
SEEDS = "the retrains' seeds move the forget set as a whole"
NOT_RANDOM = "it is no random draw, or the retrains were trained on part of it"
REVERSED = "the original looks less trained on the forget set than the retrains"


@dataclass(frozen=True)
class Identity:
    """Which models are copies. kept, dropped: indices of retrains that serve as reference and that are byte-equal
    to the candidate. problem: empty, or why the retrains that are left are no reference."""

    no_op: bool
    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    problem: str


def identify(outputs: Outputs) -> Identity:
    """Compare the models' outputs number by number; refuse (DataError) outputs with too few unseen rows to part."""
    unseen = int(outputs.where("unseen").sum())
    if unseen < 2:
        raise DataError(f"role: expected at least 2 unseen rows, got {unseen}; give the audit more unseen examples")
    k = len(outputs.retrain)
    dropped = tuple(index for index in range(k) if outputs.same(index, k))
    kept = tuple(index for index in range(k) if index not in dropped)
    problem = ""
    if not kept and k:
        kept, problem = (0,), "every retrain is byte-equal to the candidate"
    pairs = [(a, b) for i, a in enumerate(kept) for b in kept[i + 1 :] if outputs.same(a, b)]
    if pairs:
        problem = f"{retrain_name(pairs[0][0])} and {retrain_name(pairs[0][1])} are byte-equal"
    copies = [] if outputs.original is None else [index for index in kept if outputs.same(index, k + 1)]
    if copies:
        problem = f"{retrain_name(copies[0])} is byte-equal to the original"
    no_op = outputs.original is not None and outputs.same(k, k + 1)
    return Identity(no_op, kept, dropped, problem)


def retrain_name(index: int) -> str:
    """What a report calls the retrain at an index of the outputs."""
    return f"retrain {index + 1}"


@dataclass(frozen=True)
class Standing:
    """What is settled from retrains and original alone.

    problem: empty, or why the reference is invalid. effective: margin of the PASS test for each endpoint. detecting:
    endpoints among M, T, L, B that catch the original, None where that was not tested. firing: all endpoints whose FAIL
    test rejects on the original. wide: primary endpoints that cannot pass; short: that can, with less than 80 %
    probability. remedy: what would cure either. checks: of the reference, whether or not they count.
    """

    problem: str
    effective: dict[str, float]
    detecting: tuple[str, ...] | None = None
    firing: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    remedy: str = ""
    checks: tuple[Check, ...] = ()


def examine(measured: Sequence[Measured], checks: tuple[Check, ...], original: bool, policy: Policy) -> Standing:
    """Judge the reference by the endpoints ``measured`` and by its ``checks``; original: whether there is one."""
    margins = {endpoint.name: endpoint.margin(policy) for endpoint in measured}
    random = bool(measured) and measured[0].setting.random
    problem = checks_problem(checks) if random else ""
    if problem:
        return Standing(problem, margins, checks=checks)
    detecting: tuple[str, ...] | None = None
    firing: tuple[str, ...] = ()
    if original and any(endpoint.estimable for endpoint in measured):
        p_values = fail_tests(measured, 1, policy)
        caught = [
            endpoint for endpoint in measured if endpoint.estimable and p_values[endpoint.name].holm <= policy.level
        ]
        problem = _reversed(caught)
        if problem:
            return Standing(problem, margins, checks=checks)
        firing = tuple(endpoint.name for endpoint in caught)
        detecting = tuple(
            endpoint.name for endpoint in caught if endpoint.definition.name in DETECTING and endpoint.gap(1) > 0
        )
        margins |= {
            endpoint.name: min(margins[endpoint.name], abs(endpoint.gap(1)) / 2)
            for endpoint in caught
            if endpoint.definition.name != "B"
        }
        # What the original's output for a class knew is the only scale of it there is.
        margins |= {endpoint.name: abs(endpoint.gap(1)) / 2 for endpoint in caught if endpoint.definition.name == "B"}
    wide, short, weak = [], [], []
    for endpoint in measured:
        if not endpoint.estimable or role_of(endpoint, policy) != "primary":
            continue
        margin, expected = margins[endpoint.name], endpoint.expected
        if expected.half_width(policy.level) > margin:
            wide.append(endpoint.name)
        elif expected.plan_width(policy.level) > margin:
            short.append(endpoint.name)
        if expected.plan_width(policy.level) > margin:
            weak.append((endpoint, margin))
    unseen = max((endpoint.statistic.unseen for endpoint in measured), default=0)
    remedied = remedy(weak, unseen, policy.level)
    return Standing(problem, margins, detecting, firing, tuple(wide), tuple(short), remedied, checks)


def checks_problem(checks: Sequence[Check]) -> str:
    """Empty, or what the checks of a random draw found."""
    rejecting = [check.name for check in checks if check.rejects]
    if rejecting == ["seeds"]:
        return f"{SEEDS}: the forget set is no random draw"
    return f"{UNLIKE} ({', '.join(rejecting)}): {NOT_RANDOM}" if rejecting else ""


def _reversed(caught: Sequence[Measured]) -> str:
    """Empty, or how the original shows that the retrains know the forget set better than it does: a candidate that is
    like those retrains would pass."""
    below = [endpoint for endpoint in caught if endpoint.definition.name in DETECTING and endpoint.gap(1) < 0]
    if not below:
        return ""
    gaps = ", ".join(f"{endpoint.name} {endpoint.gap(1):+.3f}" for endpoint in below)
    return f"{REVERSED} on {gaps}: files are mixed up, or the retrains saw the forget set"


def _copies(first: Floats, second: Floats) -> bool:
    """Whether two models' phi ``[n]`` are one model's up to rounding.

    Saturated or coarsely rounded probabilities make many examples, and so many models, share a phi; only rows whose phi
    occurs once on the first model can tell.
    """
    _, place, count = np.unique(first, return_inverse=True, return_counts=True)
    unique = count[place] == 1
    if unique.sum() < min(LEAST_ROWS, len(first)):
        return np.array_equal(first, second)
    return bool(np.median(np.abs(first - second)[unique]) <= SAME_MODEL * np.std(first[unique]))


def copies(phi: Floats) -> str:
    """Empty, or which of the retrains ``phi [K, n]`` are one model up to rounding."""
    for a in range(len(phi)):
        for b in range(a + 1, len(phi)):
            if _copies(phi[a], phi[b]):
                return f"two retrains ({a + 1} and {b + 1} of the reference) are the same model up to rounding"
    return ""
