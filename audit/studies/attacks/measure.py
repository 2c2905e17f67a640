"""One attack on one candidate: area, operating points and lead over another attack, from its scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Shaped
from scipy import stats

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.influence import auc_influence, clustered_variance, share_interval
from vestige.attacks.metrics.roc import auc, estimable, threshold_at_fpr, tpr_at_fpr
from vestige.attacks.registry.entries import Scored
from vestige.attacks.registry.inputs import AttackInputs
from vestige.audit.results.attacks import AttackPoint, AttackRow
from vestige.audit.statistics.intervals import auc_interval
from vestige.learners.arrays import Array, Floats, Mask

FPRS = (0.1, 0.01, 0.001)

People: TypeAlias = Shaped[Array, " n"]


@dataclass(frozen=True, eq=False)
class Audited:
    """What attacks are judged on. inputs: whose ``others`` are the candidates in order and then, where there is one,
    the original. forget: the members; all else is unseen. people: to whom each example belongs, or None."""

    inputs: AttackInputs
    forget: Bool[Array, " n"]
    candidates: Sequence[str]
    people: People | None = None


def measure(
    attack: tuple[str, str], scored: Scored | NotEstimable, baseline: Scored | None, audited: Audited, candidate: str
) -> AttackRow | str:
    """The result of an attack (name and signal) on a candidate, or why there is none. baseline: the attack that it is
    compared with, None for that attack itself."""
    if isinstance(scored, NotEstimable):
        return str(scored)
    inputs, forget, people = audited.inputs, audited.forget, audited.people
    retrains, scores = len(inputs.retrains), scored.scores
    place = retrains + audited.candidates.index(candidate)
    judged = scored.judged & ~inputs.calibration
    members, nonmembers = forget & judged, ~forget & judged
    sizes = int(members.sum()), int(nonmembers.sum())
    if min(sizes) < 2:
        return f"expected at least 2 forget and 2 unseen examples to judge, got {sizes[0]} and {sizes[1]}"
    row, rows = scores[place], members | nonmembers
    owners = None if people is None else people[rows]
    area = auc(row[members], row[nonmembers])
    fewest = sizes if people is None else (len(np.unique(people[members])), len(np.unique(people[nonmembers])))
    variance = 0.0  # of one person on a side nothing is known, which auc_interval says
    if min(fewest) >= 2:
        variance = _variance(auc_influence(row[rows], forget[rows], owners), owners, forget[rows])
    of_retrains = [auc(of_retrain[members], of_retrain[nonmembers]) for of_retrain in scores[:retrains]]
    mean = float(np.mean(of_retrains)) if of_retrains else None
    before = scores[-1] if len(scores) > retrains + len(audited.candidates) else None
    lead = None
    if baseline is not None:
        both = rows & baseline.judged
        if min(int((both & forget).sum()), int((both & ~forget).sum())) >= 2:
            lead = _lead(row[both], baseline.scores[place, both], forget[both], people, both)
    calibration = row[inputs.calibration & scored.judged]
    return AttackRow(
        attack=attack[0],
        signal=attack[1],
        auc=area,
        interval=auc_interval(area, variance, *fewest, 0.025),
        retrains=mean,
        gap=None if mean is None else area - mean,
        original=None if before is None else auc(before[members], before[nonmembers]),
        efficacy=auc(row[members], scores[:retrains, members].ravel()) if retrains else None,
        points=tuple(
            _point(row[members], row[nonmembers], calibration, fpr, None if people is None else people[members])
            for fpr in FPRS
        ),
        lead=lead,
        members=sizes[0],
        nonmembers=sizes[1],
        remark=scored.remark,
    )


def _variance(moves: Floats, people: People | None, member: Mask) -> float:
    """Variance from influences; of few people widened by Student's t (of the fewer side) over the normal quantile."""
    variance = clustered_variance(moves, people)
    if people is None:
        return variance
    fewest = min(len(np.unique(people[member])), len(np.unique(people[~member])))
    return variance * float(stats.t.ppf(0.975, fewest - 1) / stats.norm.ppf(0.975)) ** 2


def _lead(row: Floats, other: Floats, member: Mask, people: People | None, rows: Mask) -> tuple[float, float, float]:
    """Difference of two areas on the same examples, with its paired interval."""
    owners = None if people is None else people[rows]
    difference = auc(row[member], row[~member]) - auc(other[member], other[~member])
    try:
        moves = auc_influence(row, member, owners) - auc_influence(other, member, owners)
    except NotEstimable:  # one person on a side: nothing is known of others
        return difference, -1.0, 1.0
    error = float(np.sqrt(_variance(moves, owners, member)))
    return difference, difference - 1.96 * error, difference + 1.96 * error


def _point(members: Floats, nonmembers: Floats, calibration: Floats, fpr: float, people: People | None) -> AttackPoint:
    calibrated = None
    if len(calibration) and estimable(fpr, len(calibration)):
        cut = threshold_at_fpr(calibration, fpr)
        calibrated = (float((members > cut).mean()), float((nonmembers > cut).mean()))
    try:
        rate = tpr_at_fpr(members, nonmembers, fpr)
    except NotEstimable:
        return AttackPoint(fpr, None, None, calibrated)
    interval = share_interval(members > threshold_at_fpr(nonmembers, fpr), people)
    return AttackPoint(fpr, rate, interval, calibrated)
