"""What a report states about groups, beside what follows from its sizes and from the recomputed endpoints."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vestige.audit.endpoints.groups import MOST_MEMORISED, SHARE, standing_of, too_few
from vestige.audit.exposure.retained import compare
from vestige.audit.gate.recompute.difference import Difference, differences
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.groups import GroupResult
from vestige.audit.results.report import Audit


class Part(NamedTuple):
    """Sizes behind a set of endpoints: forget and unseen evaluation examples. name: empty for the whole."""

    name: str
    forget: int
    unseen: int


def whole(audit: Audit) -> Part:
    """The whole forget set."""
    return Part("", audit.reference.forget, audit.reference.unseen_evaluation)


def of_group(group: GroupResult) -> Part:
    """One group."""
    return Part(f"{group.name} ", group.forget, group.unseen)


def regrouped(audit: Audit, endpoints: Sequence[Sequence[Endpoint]]) -> tuple[GroupResult, ...]:
    """The groups with these endpoints, and what these say together."""
    return tuple(
        replace(group, endpoints=tuple(own), standing=standing_of(own))
        for group, own in zip(audit.groups, endpoints, strict=True)
    )


def differences_of_groups(audit: Audit, endpoints: Sequence[Sequence[Endpoint]], problem: str) -> Iterator[Difference]:
    """What does not follow: a group's endpoints and standing; why it was not assessed; sizes that do not add up, as
    where a group was left out."""
    reference, candidate = audit.reference, audit.candidate
    for group, own in zip(audit.groups, endpoints, strict=True):
        for stated, found in zip(group.endpoints, own, strict=True):
            part = f"{group.name} {found.name}"
            yield from differences(candidate, part, stated, found, leave=["example_half_width"])
        if group.standing != standing_of(own):
            yield Difference(candidate, group.name, "standing", group.standing, standing_of(own))
        reason = too_few(reference.retrains, group.forget, group.unseen, people=reference.unit == "person")
        reason = reason or (f"invalid reference: {problem}" if problem else "")
        if group.reason != reason:
            yield Difference(candidate, group.name, "reason", group.reason, reason)
    for kind in ("class", "declared"):
        sizes = [group.forget for group in audit.groups if group.kind == kind]
        if sizes and sum(sizes) != reference.forget:
            yield Difference(candidate, "groups", f"forget examples by {kind}", sum(sizes), reference.forget)
    strata = tuple((group.name, group.forget, group.unseen) for group in audit.groups if group.kind == "stratum")
    one = (MOST_MEMORISED, reference.forget // SHARE, reference.unseen_evaluation)
    expected = (one,) if reference.original else ()
    if strata != expected:
        yield Difference(candidate, "groups", "strata", strata, expected)


def of_retained(audit: Audit, policy: Policy) -> Iterator[Difference]:
    """Gaps and intervals on retain examples, from the values of the models."""
    stated = audit.retained
    if stated is None or stated.reason:
        return
    for one in stated.comparisons:
        own = compare(one.name, np.array([*one.retrains, one.candidate]), stated.examples, policy)
        yield from differences(audit.candidate, f"retain {one.name}", one, own)
