"""B: how well the output of a forgotten class still recognises it; and whether that output was switched off."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from vestige.audit.endpoints.readings import Readings
from vestige.audit.endpoints.scores import Scores
from vestige.audit.endpoints.statistic import Statistic, absent, null_auc
from vestige.audit.policy import Policy
from vestige.learners.arrays import Floats

OWN = "own logit"
MASKED = 0.05
"""A class whose logit varies less than this share of what it does on the retrains is switched off."""


def recognition(scores: Scores, policy: Policy) -> Iterator[Statistic]:
    """B: AUC of a forgotten class's own phi, its rows (forget and unseen) against retain rows, or 1 - AUC where that is
    more: an output that was turned round recognises the class as well. Of each class by itself; and of its logit less
    the mean of the others, which can only cause FAIL.

    Accuracy on a forgotten class is 0 after anything that touches its output; this is not."""
    for of_class in scores.classes:
        where = f"class {of_class.label}" if len(scores.classes) > 1 else ""
        m, r = of_class.members.shape[1], of_class.retain.shape[1]
        if min(m, r) < 2:
            yield absent(f"needs at least 2 examples of the class and 2 retain rows, got {m} and {r}", m, r, where)
            continue
        yield _recognised(of_class.members, of_class.retain, scores.retrains, where)
        own = _recognised(of_class.own_members, of_class.own_retain, scores.retrains, f"{where} {OWN}".strip())
        yield replace(own, in_force=False)


def _recognised(members: Floats, retain: Floats, retrains: int, where: str) -> Statistic:
    statistic = null_auc(members, retain, retrains, where=where)
    assert statistic.values is not None
    return replace(statistic, values=np.maximum(statistic.values, 1 - statistic.values))


def masked(readings: Readings) -> tuple[int, ...]:
    """The forgotten classes whose output the candidate's other outputs determine, or nothing does, unlike on the
    retrains."""
    k = readings.retrains
    if not k:
        return ()
    return tuple(
        of_class.label
        for of_class in readings.classes
        if (of_class.deviations[k] < MASKED * np.median(of_class.deviations[:k], axis=0)).any()
    )
