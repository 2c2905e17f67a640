"""Every attack that the evidence allows on one candidate, side by side: areas, operating points, paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

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
    Scored,
    ShadowBank,
    auc,
    delong_variance,
    estimable,
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
    few (10 false positives are expected at least). interval: Clopper-Pearson, 95 %, the cut taken as given. calibrated:
    TPR and realised FPR at the cut that the calibration examples give, in which no judged example had a part; None
    where they are too few."""

    fpr: float
    tpr: float | None
    interval: tuple[float, float] | None
    calibrated: tuple[float, float] | None


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
    material: Material,
    forget: Mask,
    *,
    candidates: Sequence[str],
    signals: Sequence[str],
    unlearned: Mapping[str, ShadowBank] = MappingProxyType({}),
    problems: Sequence[str] = (),
) -> list[AttackTable]:
    """Make every attack that the material allows, on each candidate; a table for each.

    material: whose ``others`` are the candidates in order and then, where there is one, the original. forget: bool
    ``[n]``, the members; all else is unseen. Judged are forget examples against unseen ones that calibrate nothing.
    signals: of the attacks that read any; attacks against shadows read the bank's. unlearned: what a candidate's method
    made of the shadows. An attack that cannot be estimated stands in ``absent`` with its sentence."""
    results: dict[str, list[AttackResult]] = {name: [] for name in candidates}
    absent: dict[str, dict[str, str]] = {name: {} for name in candidates}
    baseline = ATTACKS[BASELINE[0]](material, BASELINE[1]).scores
    for name, attack in ATTACKS.items():
        for signal in _signals(attack, signals):
            for group, given in _groups(attack, material, candidates, unlearned):
                if not attack.possible(given):
                    for one in group:
                        absent[one][name] = attack.needs
                    continue
                scored: Scored | NotEstimable = _scored(attack, given, signal)
                for one in group:
                    plain = None if (name, signal) == BASELINE else baseline
                    place = list(candidates).index(one)
                    found = _result(name, signal, scored, plain, forget, given, place, len(candidates))
                    if isinstance(found, str):
                        absent[one][name] = found
                    else:
                        results[one].append(found)
    return [AttackTable(name, tuple(results[name]), (), absent[name], tuple(problems)) for name in candidates]


def _groups(
    attack: Attack, material: Material, candidates: Sequence[str], unlearned: Mapping[str, ShadowBank]
) -> list[tuple[list[str], Material]]:
    """Candidates that share their material: all of them, except where the attack reads their own unlearned shadows."""
    if attack.requires != "unlearned":
        return [(list(candidates), material)]
    return [([name], replace(material, unlearned=unlearned.get(name))) for name in candidates]


def _scored(attack: Attack, material: Material, signal: str) -> Scored | NotEstimable:
    try:
        return attack(material, signal)
    except NotEstimable as error:
        return error


def literature_numbers(
    models: Mapping[str, Sequence[NDArray[np.floating]]],
    labels: NDArray[np.int64],
    role: NDArray[np.str_],
    *,
    seed: int,
) -> tuple[NumberResult, ...]:
    """The literature's numbers. models: logits ``[n, classes]`` under ``candidate`` (one), ``retrain`` and ``original``
    (any number). role: ``[n]``; there are no numbers with fewer than 10 examples of a role."""
    if not all((role == name).sum() >= 10 for name in ("forget", "retain", "unseen")):
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
    scored: Scored | NotEstimable,
    baseline: Floats | None,
    forget: Mask,
    material: Material,
    place: int,
    candidates: int,
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
    row = scores[retrains + place]
    places = placements(row[members], row[nonmembers])
    area = auc(row[members], row[nonmembers])
    of_retrains = [auc(one[members], one[nonmembers]) for one in scores[:retrains]]
    mean = float(np.mean(of_retrains)) if of_retrains else None
    before = scores[-1] if len(scores) > retrains + candidates else None
    over = None
    if baseline is not None:
        other = baseline[retrains + place]
        plain = placements(other[members], other[nonmembers])
        error = float(np.sqrt(delong_variance(places[0] - plain[0], places[1] - plain[1])))
        difference = area - float(plain[0].mean())
        over = (difference, difference - 1.96 * error, difference + 1.96 * error)
    calibration = row[material.calibration & scored.judged]
    return AttackResult(
        attack=attack,
        signal=signal,
        auc=area,
        interval=auc_interval(area, delong_variance(*places), *sizes, 0.025),
        retrains=mean,
        gap=None if mean is None else area - mean,
        original=None if before is None else auc(before[members], before[nonmembers]),
        efficacy=auc(row[members], scores[:retrains, members].ravel()) if retrains else None,
        points=tuple(_point(row[members], row[nonmembers], calibration, fpr) for fpr in FPRS),
        over_baseline=over,
        members=sizes[0],
        nonmembers=sizes[1],
        remark=scored.remark,
    )


def _point(members: Floats, nonmembers: Floats, calibration: Floats, fpr: float) -> OperatingPoint:
    calibrated = None
    if len(calibration) and estimable(fpr, len(calibration)):
        cut = threshold_at_fpr(calibration, fpr)
        calibrated = (float((members > cut).mean()), float((nonmembers > cut).mean()))
    try:
        rate = tpr_at_fpr(members, nonmembers, fpr)
    except NotEstimable:
        return OperatingPoint(fpr, None, None, calibrated)
    caught = int((members > threshold_at_fpr(nonmembers, fpr)).sum())
    return OperatingPoint(fpr, rate, clopper_pearson(caught, len(members)), calibrated)
