"""The preconditions E0 to E3: what is settled before the candidate's scores are looked at (verdict.md, section 6)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.decisions import fail_test
from vestige.audit.endpoints.endpoints import NO_SPREAD, Measured
from vestige.audit.endpoints.remedy import remedy
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.policy import Policy
from vestige.audit.statistics import intervals
from vestige.learners.arrays import Floats
from vestige.learners.errors import DataError

SAME_MODEL = 1e-4
"""Two models whose phi differ, in the median, by less than this share of its spread over examples are copies."""
LEAST_ROWS = 10
"""So many rows, or all where there are fewer, must have a phi of their own to tell a copy from coarse rounding."""

REVERSED = "the original looks less trained on the forget set than the retrains"
NO_DIFFERENCE = "the same value on every retrain"


@dataclass(frozen=True)
class Identity:
    """E0: which models are copies. kept, dropped: indices of retrains that serve as reference and that are byte-equal
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
    """E1 to E3, from retrains and original alone.

    problem: empty, or why the reference is invalid. effective: margin of the PASS test for each endpoint. detecting:
    per-example primary endpoints that catch the original, None where that was not tested. firing: all endpoints whose
    FAIL test rejects on the original. underpowered: primary endpoints that cannot pass; short: that can, with less than
    80 % probability. remedy: what would cure either.
    """

    problem: str
    effective: dict[str, float]
    detecting: tuple[str, ...] | None = None
    firing: tuple[str, ...] = ()
    underpowered: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    remedy: str = ""


def examine(
    measured: Sequence[Measured], phi_retrains: Floats, has_original: bool, unseen: int, policy: Policy
) -> Standing:
    """Judge the reference.

    measured: the endpoints. phi_retrains: ``[K, n]``, for models that are copies up to rounding. unseen: number of
    unseen examples, to say how many would be enough.
    """
    margins = {endpoint.name: endpoint.definition.margin(policy) for endpoint in measured}
    problem = _invalid(measured, phi_retrains, policy)
    if problem or len(phi_retrains) < MIN_RETRAINS:
        return Standing(problem, margins)
    detecting: tuple[str, ...] | None = None
    firing: tuple[str, ...] = ()
    if has_original:
        caught = _catch(measured, policy)
        problem = _reversed(caught)
        if problem:
            return Standing(problem, margins)
        firing = tuple(endpoint.name for endpoint in caught)
        detecting = tuple(
            endpoint.name
            for endpoint in caught
            if endpoint.definition.primary and endpoint.definition.per_example and endpoint.gap(1) > 0
        )
        margins |= {endpoint.name: min(margins[endpoint.name], abs(endpoint.gap(1)) / 2) for endpoint in caught}
    underpowered, short, weak = [], [], []
    for endpoint in measured:
        if not endpoint.definition.primary or endpoint.spread is None:
            continue
        margin, k = margins[endpoint.name], endpoint.retrains
        if intervals.half_width(endpoint.spread, k, policy.alpha) > margin:
            underpowered.append(endpoint.name)
        elif intervals.plan_width(endpoint.spread, k, policy.alpha) > margin:
            short.append(endpoint.name)
        if intervals.plan_width(endpoint.spread, k, policy.alpha) > margin:
            weak.append((endpoint, margin))
    remedied = remedy(weak, unseen, policy.alpha)
    return Standing(problem, margins, detecting, firing, tuple(underpowered), tuple(short), remedied)


def _catch(measured: Sequence[Measured], policy: Policy) -> list[Measured]:
    """E2: the endpoints whose FAIL test, with the declared margins, rejects on the original."""
    p_values = fail_test(measured, 1, policy)
    return [endpoint for endpoint in measured if endpoint.in_force and p_values[endpoint.name].holm <= policy.alpha]


def _reversed(caught: Sequence[Measured]) -> str:
    """Empty, or how the original shows that the retrains know the forget set better than it does: |z| rises then too,
    and a candidate that is like those retrains would pass."""
    below = [endpoint for endpoint in caught if endpoint.definition.directed and endpoint.gap(1) < 0]
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


def _invalid(measured: Sequence[Measured], phi: Floats, policy: Policy) -> str:
    """E1: empty, or why the retrains are no reference."""
    for a in range(len(phi)):
        for b in range(a + 1, len(phi)):
            if _copies(phi[a], phi[b]):
                return f"two retrains ({a + 1} and {b + 1} of the reference) are the same model up to rounding"
    for endpoint in measured:
        if endpoint.definition.primary and endpoint.spread is not None and endpoint.spread <= NO_SPREAD:
            return f"{endpoint.name} has {NO_DIFFERENCE}"
    z = next(endpoint for endpoint in measured if endpoint.name == "A2")
    if z.values is not None and z.spread is not None:
        allowed = policy.margin_auc + intervals.t_quantile(1 - policy.alpha, z.retrains) * z.spread
        far = [k for k, value in enumerate(z.values[: z.retrains]) if abs(value - 0.5) > allowed]
        if far:
            return (
                f"one retrain ({far[0] + 1} of the reference) differs from the others: its leave-one-out A2 is "
                f"{z.values[far[0]]:.3f}, expected 0.5 within {allowed:.3f}"
            )
    return ""
