"""Every attack that the evidence allows on one candidate, side by side: areas, operating points, paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Shaped
from numpy.typing import NDArray
from scipy import stats

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.influence import auc_influence, clustered_variance, share_interval
from vestige.attacks.metrics.roc import auc, estimable, threshold_at_fpr, tpr_at_fpr
from vestige.attacks.registry.attack import Attack, Scored
from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.registry.inputs import AttackInputs
from vestige.attacks.registry.numbers import NUMBERS, RoleLogits
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.results.attacks import AttackPoint, AttackRow, AttackTable, NumberResult
from vestige.audit.statistics.intervals import auc_interval
from vestige.learners.arrays import Array, Floats, Labels, Logits, Mask
from vestige.learners.errors import ConfigError

FPRS = (0.1, 0.01, 0.001)
BASELINE = ("threshold", "logit")
"""What every attack is compared with by default: a cut on phi, which needs nothing but the model."""
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


def attack_all(
    inputs: AttackInputs,
    forget: Mask,
    *,
    candidates: Sequence[str],
    signals: Sequence[str],
    unlearned: Mapping[str, ShadowBank] = MappingProxyType({}),
    people: People | None = None,
    against: tuple[str, str] = BASELINE,
    problems: Sequence[str] = (),
) -> list[AttackTable]:
    """Make every attack that the inputs allows, on each candidate; a table for each.

    inputs: whose ``others`` are the candidates in order and then, where there is one, the original. forget: bool
    ``[n]``, the members; all else is unseen. Judged are forget examples against unseen ones that calibrate nothing.
    signals: of the attacks that read any; attacks against shadows read the bank's. unlearned: what a candidate's method
    made of the shadows. people: to whom each example belongs, ``[n]``, or None. against: attack and signal that all
    others are compared with. An attack that cannot be estimated stands in ``absent`` with its sentence; ConfigError
    where that is the one to compare with."""
    results: dict[str, list[AttackRow]] = {name: [] for name in candidates}
    absent: dict[str, dict[str, str]] = {name: {} for name in candidates}
    audited = Audited(inputs, forget, candidates, people)
    baselines = _baselines(against, inputs, candidates, unlearned)
    for name, attack in ATTACKS.items():
        for signal in signals_of(attack, signals, against):
            for group, given in _groups(attack, inputs, candidates, unlearned):
                scored: Scored | NotEstimable = NotEstimable(attack.needs)
                if attack.possible(given):
                    scored = _scored(attack, given, signal)
                for candidate in group:
                    baseline = None if (name, signal) == against else baselines[candidate]
                    row = measure((name, signal), scored, baseline, audited, candidate)
                    if isinstance(row, str):
                        absent[candidate][name] = row
                    else:
                        results[candidate].append(row)
    return [AttackTable(name, against, tuple(results[name]), (), absent[name], tuple(problems)) for name in candidates]


def comparison(name: str, signal: str | None = None) -> tuple[str, str]:
    """The attack and signal that others are to be compared with; ConfigError for one that is none."""
    if name not in ATTACKS:
        raise ConfigError(f"against: expected one of {', '.join(ATTACKS)}, got {name!r}; see vestige attacks")
    reads = ATTACKS[name].signal
    if reads != "any":
        if signal is not None and signal != reads:
            raise ConfigError(f"against: {name} reads {reads}, got {signal!r}; leave it out")
        return name, reads
    if signal is not None and signal not in SIGNALS:
        raise ConfigError(f"against: expected one of {', '.join(SIGNALS)}, got {signal!r}")
    return name, signal or "logit"


def _baselines(
    against: tuple[str, str], inputs: AttackInputs, candidates: Sequence[str], unlearned: Mapping[str, ShadowBank]
) -> dict[str, Scored]:
    """The scores that each candidate's are compared with."""
    attack, found = ATTACKS[against[0]], {}
    for group, given in _groups(attack, inputs, candidates, unlearned):
        if not attack.possible(given):
            raise ConfigError(f"against: {attack.name} needs {attack.needs} ({', '.join(group)}); compare with another")
        scored = _scored(attack, given, against[1])
        if isinstance(scored, NotEstimable):
            raise ConfigError(f"against: {attack.name} cannot be made here: {scored}")
        found.update(dict.fromkeys(group, scored))
    return found


def _groups(
    attack: Attack, inputs: AttackInputs, candidates: Sequence[str], unlearned: Mapping[str, ShadowBank]
) -> list[tuple[list[str], AttackInputs]]:
    """Candidates that share their inputs: all of them, except where the attack reads their own unlearned shadows."""
    if attack.requires != "unlearned":
        return [(list(candidates), inputs)]
    return [([name], replace(inputs, unlearned=unlearned.get(name))) for name in candidates]


def _scored(attack: Attack, inputs: AttackInputs, signal: str) -> Scored | NotEstimable:
    try:
        return attack(inputs, signal)
    except NotEstimable as error:
        return error


def literature_numbers(
    models: Mapping[str, Sequence[Logits]],
    labels: Labels,
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
                rows = [role == part for part in ("retain", "unseen", "forget")]
                parts = [RoleLogits(logits[part], labels[part]) for part in rows]
                each.append(number.function(parts[0], parts[1], parts[2], seed))
            values[kind] = float(np.mean(each)) if each else None
        candidate = values["candidate"]
        assert candidate is not None
        found.append(NumberResult(name, candidate, values.get("retrain"), values.get("original"), number.desired))
    return tuple(found)


def signals_of(attack: Attack, signals: Sequence[str], against: tuple[str, str]) -> list[str]:
    """The signals that an attack is made on: those of ``signals`` that it may read, in the registry's order, and the
    one on which all others are compared with it (``against``: an attack and its signal)."""
    if attack.signal != "any":
        return [attack.signal]
    return [name for name in SIGNALS if name in signals or (attack.name, name) == against]
