"""Groups of forget examples that are judged by themselves: classes, declared groups, the most memorised quarter.

A leak of one group can hide in the whole. Source: verdict.md, section 8.1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from vestige.audit.endpoints.decisions import judge_parts
from vestige.audit.endpoints.endpoints import DEFINITIONS, NO_SPREAD, Measured, measure
from vestige.audit.endpoints.preconditions import Standing
from vestige.audit.endpoints.scores import MIN_RETRAINS, TABLES, Scores
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.groups import GroupResult, GroupStanding, Kind
from vestige.audit.results.shadows import SHADOWED
from vestige.learners.arrays import Array, Floats

LEAST = 200
"""Forget examples, and unseen ones to compare them with, that a group must have."""
SHARE = 4
"""The stratum is one in so many of the forget examples."""
MOST_MEMORISED = "most memorised quarter"
BATTERY = tuple(
    replace(endpoint, group=True) for endpoint in DEFINITIONS if endpoint.primary and endpoint.score not in SHADOWED
)
"""Not U-LiRA: it judges as many unseen examples as are to be forgotten, too few for a group."""


@dataclass(frozen=True, eq=False)
class Group:
    """scores: on the group's forget rows and the unseen rows that they are compared with; None where it is not
    assessed, and ``reason`` says why."""

    name: str
    kind: Kind
    forget: int
    unseen: int
    scores: Scores | None
    reason: str = ""

    def measure(self, policy: Policy, *, paired: bool = True) -> tuple[Measured, ...]:
        """The primary endpoints on the group; one that cannot differ between models is not estimable. paired: as in
        ``endpoints.measure``."""
        if self.scores is None:
            return ()
        return tuple(
            Measured(endpoint.definition, endpoint.retrains, None, "the same value on every retrain")
            if endpoint.spread is not None and endpoint.spread <= NO_SPREAD
            else endpoint
            for endpoint in measure(self.scores, policy.fpr, paired=paired, definitions=BATTERY)
        )


def find_groups(scores: Scores, declared: NDArray[np.str_] | None) -> tuple[Group, ...]:
    """The groups of an audit, those that are too small included.

    declared: ``[n]``, the group of every forget and unseen row, or None. A group that is all of the forget set is none.
    People (``scores.people``) have no class."""
    groups: list[Group] = []
    if scores.people is None:
        groups += _by_key(scores, scores.labels, "class", "class")
    if declared is not None:
        declared = declared if scores.people is None else scores.people.group(declared)
        groups += _by_key(scores, declared, "group", "declared")
    if scores.has_original:
        groups.append(_stratum(scores))
    return tuple(groups)


Parts = Sequence[Sequence[Measured]]
"""Endpoints on each of several groups, in their order; none where a group is not assessed."""


def measure_groups(groups: Sequence[Group], policy: Policy, *, paired: bool = True) -> list[tuple[Measured, ...]]:
    """The endpoints on each group."""
    return [group.measure(policy, paired=paired) for group in groups]


def judge_groups(
    measured: Sequence[Measured], groups: Sequence[Group], parts: Parts, standing: Standing, policy: Policy
) -> tuple[tuple[Endpoint, ...], tuple[GroupResult, ...]]:
    """The endpoints on the whole forget set, and every group with its own (``parts``, of ``measure_groups``); all are
    one family of FAIL tests.

    On a reference that is invalid no group is assessed."""
    invalid = f"invalid reference: {standing.problem}" if standing.problem else ""
    reasons = [group.reason or invalid for group in groups]
    parts = [() if reason else part for part, reason in zip(parts, reasons, strict=True)]
    whole, *within = judge_parts([measured, *parts], standing.effective, standing.problem, policy)
    results = tuple(
        GroupResult(
            group.name, group.kind, group.forget, group.unseen, reason, standing_of(endpoints), tuple(endpoints)
        )
        for group, reason, endpoints in zip(groups, reasons, within, strict=True)
    )
    return tuple(whole), results


def standing_of(endpoints: Sequence[Endpoint]) -> GroupStanding:
    """What the endpoints of one group say together."""
    decisions = {endpoint.decision for endpoint in endpoints} - {"not estimable"}
    if not decisions:
        return "not assessed"
    if "outside" in decisions:
        return "outside"
    return "within" if decisions == {"within"} else "uncertain"


def _by_key(scores: Scores, keys: Array, word: str, kind: Kind) -> Iterator[Group]:
    present = sorted(set(keys[scores.forget].tolist()), key=lambda key: _natural(f"{word} {key}"))
    for key in present if len(present) > 1 else ():
        name, members = f"{word} {key}", keys == key
        forget, evaluation = scores.forget & members, scores.evaluation & members
        sizes = int(forget.sum()), int(evaluation.sum())
        reason = too_few(scores.retrains, *sizes, people=scores.people is not None)
        restricted = None if reason else replace(scores, forget=forget, evaluation=evaluation, shadowed=None)
        yield Group(name, kind, *sizes, restricted, reason)


def _natural(name: str) -> tuple[str, int, str]:
    word, _, rest = name.partition(" ")
    return word, int(rest) if rest.isascii() and rest.isdigit() else -1, rest


def too_few(retrains: int, forget: int, unseen: int, *, people: bool) -> str:
    """Empty, or why a group of these sizes is not assessed."""
    if retrains < MIN_RETRAINS:
        return f"needs at least {MIN_RETRAINS} retrains, got {retrains}"
    what = "people" if people else "examples"
    if forget < LEAST:
        return f"needs at least {LEAST} forget {what}, got {forget}"
    if unseen < LEAST:
        return f"needs at least {LEAST} unseen {what} for evaluation, got {unseen}"
    return ""


def _stratum(scores: Scores) -> Group:
    """The quarter of the forget set on which the original is furthest above the retrains, against all unseen rows."""
    count, unseen = int(scores.forget.sum()) // SHARE, int(scores.evaluation.sum())
    reason = too_few(scores.retrains, count, unseen, people=scores.people is not None)
    if reason:
        return Group(MOST_MEMORISED, "stratum", count, unseen, None, reason)
    forgotten = scores.phi.compress(scores.forget, axis=1)
    rows = np.flatnonzero(scores.forget)[most_memorised(forgotten, scores.retrains, count)]
    rest = ~scores.forget
    tables = {
        name: np.concatenate([np.take_along_axis(table, rows, axis=1), table.compress(rest, axis=1)], axis=1)
        for name in TABLES
        if (table := getattr(scores, name)) is not None
    }
    stays = np.zeros(count, np.bool_)
    chosen = replace(
        scores,
        labels=np.concatenate([scores.labels[rows[0]], scores.labels[rest]]),
        forget=np.concatenate([~stays, np.zeros(int(rest.sum()), np.bool_)]),
        calibration=np.concatenate([stays, scores.calibration[rest]]),
        evaluation=np.concatenate([stays, scores.evaluation[rest]]),
        shadowed=None,
        **tables,  # type: ignore[arg-type]
    )
    return Group(MOST_MEMORISED, "stratum", count, unseen, chosen)


def most_memorised(phi: Floats, retrains: int, count: int) -> Int64[Array, "models count"]:
    """Which ``count`` forget examples the original knows best, for every model ``[models, count]``.

    phi: ``[models, f]``, the retrains first, the original last. How well is phi of the original minus the mean over the
    retrains *other than the model*: an example whose retrains happen to be low looks memorised, and a model that is
    compared with the same low mean looks exposed. With its own references every model pays that alike."""
    models = len(phi)
    chosen = np.empty((models, count), np.int64)
    for model in range(models):
        others = [k for k in range(retrains) if k != model]
        excess = phi[-1] - phi[others].mean(axis=0)
        chosen[model] = np.sort(np.argsort(-excess, kind="stable")[:count])
    return chosen
