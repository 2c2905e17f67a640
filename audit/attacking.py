"""Every attack that the evidence allows on one candidate, side by side: areas, operating points, paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attacks import (
    ATTACKS,
    NUMBERS,
    SIGNALS,
    Answered,
    Attack,
    Material,
    NotEstimable,
    auc,
    delong_variance,
    placements,
    threshold_at_fpr,
    tpr_at_fpr,
)
from audit.statistics import auc_interval, clopper_pearson

FPRS = (0.1, 0.01, 0.001)
BASELINE = ("threshold", "logit")
"""What every attack is compared with: a cut on phi, which needs nothing but the model."""

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OperatingPoint:
    """tpr: the largest at a false-positive rate of at most ``fpr`` on the evaluation examples, None where they are too
    few (10 false positives are expected at least). interval: Clopper-Pearson, 95 %, the cut taken as given."""

    fpr: float
    tpr: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class AttackResult:
    """One attack. auc: of the candidate, forget against unseen examples; interval: DeLong, 95 %. retrains: mean AUC of
    the retrains, None without any; gap: auc minus that. original: of the model before unlearning. efficacy: AUC of the
    candidate's forget examples against the retrains' (the efficacy game: can it be told from a retrain there?). points:
    at 10, 1 and 0.1 % FPR. over_baseline: auc minus that of a cut on phi on the same examples, with its paired 95 %
    interval; None for the baseline itself. members, nonmembers: examples judged. remark: of the run.
    """

    attack: str
    signal: str
    auc: float
    interval: tuple[float, float]
    retrains: float | None
    gap: float | None
    original: float | None
    efficacy: float | None
    points: tuple[OperatingPoint, ...]
    over_baseline: tuple[float, float, float] | None
    members: int
    nonmembers: int
    remark: str


@dataclass(frozen=True)
class NumberResult:
    """One number of the literature, in percent: of the candidate, mean over the retrains, of the original."""

    name: str
    candidate: float
    retrains: float | None
    original: float | None
    desired: str


@dataclass(frozen=True)
class AttackTable:
    """All attacks on one candidate. absent: attacks that could not be made, with what they need. problems: of the
    bank."""

    candidate: str
    results: tuple[AttackResult, ...]
    numbers: tuple[NumberResult, ...]
    absent: Mapping[str, str]
    problems: tuple[str, ...]


def attack_all(
    material: Material, forget: Mask, *, candidate: str, signals: Sequence[str], problems: Sequence[str] = ()
) -> AttackTable:
    """Make every attack that the material allows.

    material: whose ``others`` are the candidate and then, where there is one, the original. forget: bool ``[n]``, the
    members; all else is unseen. Judged are forget examples against unseen ones that calibrate nothing. signals: of the
    attacks that read any. Attacks against shadows read the bank's.
    """
    judged = forget | ~material.calibration
    baseline = ATTACKS[BASELINE[0]](material, BASELINE[1]).scores
    results, absent = [], {}
    for name, attack in ATTACKS.items():
        if not attack.possible(material):
            absent[name] = attack.needs
            continue
        for signal in _signals(attack, signals):
            try:
                scored = attack(material, signal)
            except NotEstimable as error:
                absent[name] = str(error)
                continue
            compared = None if (name, signal) == BASELINE else baseline
            of_these = judged & scored.judged
            results.append(
                _result(name, signal, scored.scores, compared, forget, of_these, len(material.retrains), scored.remark)
            )
    return AttackTable(candidate, tuple(results), (), absent, tuple(problems))


def literature_numbers(
    models: Mapping[str, Sequence[NDArray[np.floating]]],
    labels: NDArray[np.int64],
    role: NDArray[np.str_],
    *,
    seed: int,
) -> tuple[NumberResult, ...]:
    """The literature's numbers. models: logits ``[n, classes]`` under ``candidate`` (one), ``retrain`` and ``original``
    (any number). role: ``[n]``; without retain examples there are no numbers."""
    if not all((role == name).any() for name in ("forget", "retain", "unseen")):
        return ()
    found = []
    for name, number in NUMBERS.items():
        values: dict[str, float | None] = {}
        for kind, tables in models.items():
            each = []
            for logits in tables:
                parts = [Answered(logits[role == one], labels[role == one]) for one in ("retain", "unseen", "forget")]
                each.append(number.function(parts[0], parts[1], parts[2], seed))
            values[kind] = float(np.mean(each)) if each else None
        candidate = values["candidate"]
        assert candidate is not None
        found.append(NumberResult(name, candidate, values.get("retrain"), values.get("original"), number.desired))
    return tuple(found)


def _signals(attack: Attack, signals: Sequence[str]) -> list[str]:
    if attack.signal != "any":
        return [attack.signal]
    return [name for name in SIGNALS if name in signals]


def _result(
    attack: str,
    signal: str,
    scores: Floats,
    baseline: Floats | None,
    forget: Mask,
    judged: Mask,
    retrains: int,
    remark: str,
) -> AttackResult:
    members, nonmembers = forget & judged, ~forget & judged
    own = scores[retrains, members], scores[retrains, nonmembers]
    places = placements(*own)
    area = auc(*own)
    of_retrains = [auc(row[members], row[nonmembers]) for row in scores[:retrains]]
    mean = float(np.mean(of_retrains)) if of_retrains else None
    before = scores[retrains + 1] if len(scores) > retrains + 1 else None
    over = None
    if baseline is not None:
        plain = placements(baseline[retrains, members], baseline[retrains, nonmembers])
        error = float(np.sqrt(delong_variance(places[0] - plain[0], places[1] - plain[1])))
        difference = area - float(plain[0].mean())
        over = (difference, difference - 1.96 * error, difference + 1.96 * error)
    return AttackResult(
        attack=attack,
        signal=signal,
        auc=area,
        interval=auc_interval(area, delong_variance(*places), len(own[0]), len(own[1]), 0.025),
        retrains=mean,
        gap=None if mean is None else area - mean,
        original=None if before is None else auc(before[members], before[nonmembers]),
        efficacy=auc(own[0], scores[:retrains, members].ravel()) if retrains else None,
        points=tuple(_point(*own, fpr) for fpr in FPRS),
        over_baseline=over,
        members=len(own[0]),
        nonmembers=len(own[1]),
        remark=remark,
    )


def _point(members: Floats, nonmembers: Floats, fpr: float) -> OperatingPoint:
    try:
        rate = tpr_at_fpr(members, nonmembers, fpr)
    except NotEstimable:
        return OperatingPoint(fpr, None, None)
    caught = int((members > threshold_at_fpr(nonmembers, fpr)).sum())
    return OperatingPoint(fpr, rate, clopper_pearson(caught, len(members)))
