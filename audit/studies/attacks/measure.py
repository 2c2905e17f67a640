"""One attack on one candidate: area, operating points and lead over another attack, from its scores."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.influence import auc_influence, clustered_variance, share_interval
from vestige.attacks.metrics.roc import auc, estimable, threshold_at_fpr, tpr_at_fpr
from vestige.attacks.registry.attack import Scored
from vestige.attacks.registry.inputs import AttackInputs
from vestige.audit.results.attacks import AttackResult, OperatingPoint
from vestige.audit.statistics.intervals import auc_interval

FPRS = (0.1, 0.01, 0.001)

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
People = NDArray[Any]


def measure(
    attack: str,
    signal: str,
    scored: Scored | NotEstimable,
    baseline: Scored | None,
    forget: Mask,
    material: AttackInputs,
    place: int,
    candidates: int,
    people: People | None,
) -> AttackResult | str:
    """The result on candidate ``place``, or why there is none."""
    if isinstance(scored, NotEstimable):
        return str(scored)
    retrains, scores = len(material.retrains), scored.scores
    judged = scored.judged & ~material.calibration
    members, nonmembers = forget & judged, ~forget & judged
    sizes = int(members.sum()), int(nonmembers.sum())
    if min(sizes) < 2:
        return f"expected at least 2 forget and 2 unseen examples to judge, got {sizes[0]} and {sizes[1]}"
    row, rows = scores[retrains + place], members | nonmembers
    owners = None if people is None else people[rows]
    area = auc(row[members], row[nonmembers])
    fewest = sizes if people is None else (len(np.unique(people[members])), len(np.unique(people[nonmembers])))
    variance = 0.0  # of one person on a side nothing is known, which auc_interval says
    if min(fewest) >= 2:
        variance = _variance(auc_influence(row[rows], forget[rows], owners), owners, forget[rows])
    of_retrains = [auc(one[members], one[nonmembers]) for one in scores[:retrains]]
    mean = float(np.mean(of_retrains)) if of_retrains else None
    before = scores[-1] if len(scores) > retrains + candidates else None
    lead = None
    if baseline is not None:
        both = rows & baseline.judged
        if min(int((both & forget).sum()), int((both & ~forget).sum())) >= 2:
            lead = _lead(row[both], baseline.scores[retrains + place, both], forget[both], people, both)
    calibration = row[material.calibration & scored.judged]
    return AttackResult(
        attack=attack,
        signal=signal,
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


def _point(
    members: Floats, nonmembers: Floats, calibration: Floats, fpr: float, people: People | None
) -> OperatingPoint:
    calibrated = None
    if len(calibration) and estimable(fpr, len(calibration)):
        cut = threshold_at_fpr(calibration, fpr)
        calibrated = (float((members > cut).mean()), float((nonmembers > cut).mean()))
    try:
        rate = tpr_at_fpr(members, nonmembers, fpr)
    except NotEstimable:
        return OperatingPoint(fpr, None, None, calibrated)
    interval = share_interval(members > threshold_at_fpr(nonmembers, fpr), people)
    return OperatingPoint(fpr, rate, interval, calibrated)
