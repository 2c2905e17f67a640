"""What attacks do to models like the audited one: every shadow of a bank in turn as the target, its pair left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.influence import auc_influence, share_interval, two_way_variance
from vestige.attacks.metrics.roc import auc_rows, estimable, threshold_at_fpr
from vestige.attacks.registry.attacks import ATTACKS, ON_SHADOWS
from vestige.attacks.scores.ulira import ulira_leave_pair_out
from vestige.attacks.shadows.bank import ShadowBank
from vestige.audit.studies.attacks.measure import FPRS, Floats, Mask, People
from vestige.audit.studies.attacks.table import BASELINE, signals_of
from vestige.learners.errors import ConfigError, DataError

LEAST = 8
"""Fewest shadows of which a growth table starts."""


@dataclass(frozen=True)
class Figure:
    """mean: over the targets. interval: 95 %, with targets and examples both a sample (t, a pair of shadows as one
    model) and the references given: what other shadows to be held against would have changed is not in it."""

    mean: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class BankResult:
    """One attack. auc: mean over the targets; deviation: of the targets' areas. tpr: at 10, 1 and 0.1 % FPR on each
    target's own non-members, the cut taken as given; None where these are too few (10 false positives are expected at
    least on every target). lead: auc minus that of the attack it is compared with; None for that attack itself."""

    attack: str
    signal: str
    auc: Figure
    deviation: float
    tpr: tuple[Figure | None, ...]
    lead: Figure | None


@dataclass(frozen=True)
class BankTable:
    """All attacks on the shadows. shadows: so many make a bank, from which every target's pair is left out. targets:
    models that were judged. members, nonmembers: examples of each, on average. against: what leads are measured from.
    absent: attacks that so few shadows do not allow, with their sentence. unlearned: candidate whose method ran on the
    targets (members are what they were told to forget), None where none ran (members are what they trained on)."""

    shadows: int
    targets: int
    members: float
    nonmembers: float
    against: tuple[str, str]
    results: tuple[BankResult, ...]
    absent: dict[str, str]
    unlearned: str | None = None


def attack_shadows(
    bank: ShadowBank,
    calibration: Mask,
    *,
    signals: Sequence[str],
    shadows: int | None = None,
    people: People | None = None,
    against: tuple[str, str] = BASELINE,
) -> BankTable:
    """Make every attack that has such a form (``ON_SHADOWS``) on each shadow: which examples did it train on?

    calibration: bool ``[m]``, examples that no target is judged on. shadows: size of the banks that attack: the models
    are parted into as many whole banks of that size as there are, so that few shadows and many are tried on the same
    targets; None for all in one. people: to whom each example belongs, or None. Raises ConfigError for an attack to
    compare with that has no such form or that so few shadows do not allow, or an odd size, DataError for a size above
    the bank's.
    """
    size = len(bank) if shadows is None else shadows
    if size > len(bank):
        raise DataError(f"shadows: expected at most the bank's {len(bank)} models, got {size}; make more first")
    if size < 2 or size % 2:
        raise ConfigError(f"shadows: expected an even number of at least 2, got {size}; shadows come in pairs")
    if against[0] not in ON_SHADOWS:
        raise ConfigError(f"against: expected one of {', '.join(ON_SHADOWS)} on shadows, got {against[0]!r}")
    parts = [bank.part(slice(first, first + size)) for first in range(0, len(bank) - size + 1, size)]
    member = np.concatenate([part.member for part in parts])[:, ~calibration]
    owners = None if people is None else people[~calibration]
    try:
        base = _judged(_scores(parts, calibration, against), member, owners)
    except NotEstimable as error:
        raise ConfigError(f"against: {against[0]} cannot be made here: {error}") from None
    results, absent = [], {}
    for name in ON_SHADOWS:
        for signal in signals_of(ATTACKS[name], signals, against):
            try:
                scores = base.scores if (name, signal) == against else _scores(parts, calibration, (name, signal))
            except NotEstimable as error:
                absent[name] = str(error)
                continue
            one = base if (name, signal) == against else _judged(scores, member, owners)
            results.append(_result(name, signal, one, None if one is base else base, member, owners))
    return _table(size, member, against, results, absent, None)


def attack_unlearned(bank: ShadowBank, name: str, *, people: People | None = None) -> BankTable:
    """U-LiRA on every shadow after the method of candidate ``name`` ran on it: which examples was it told to forget?

    bank: what ``make_unlearned`` made. Held against forgotten examples are those of the same requests that the target
    never saw; it is scored by the other pairs' unlearned shadows (the privacy game) and, to compare with, by phi.
    Source: Hayes et al. 2024 (arXiv 2403.01218), section 4, over all shadows in turn.
    """
    asked = np.asarray(bank.forgot.any(axis=0))
    member, phi = bank.forgot[:, asked], [table[:, asked] for table in bank.phi]
    if not np.array_equal(member, bank.member[:, asked]):
        raise DataError(
            "unlearned shadows: expected each to have forgotten what it knew of the requests, got another set"
        )
    owners = None if people is None else people[asked]
    base = _judged(np.stack([table[0] for table in phi]), member, owners)
    results, absent = [_result(*BASELINE, base, None, member, owners)], {}
    try:
        found = ulira_leave_pair_out(phi, member, phi, ~member).scores
        results.append(_result("ulira", "logit", _judged(found, member, owners), base, member, owners))
    except NotEstimable as error:
        absent["ulira"] = str(error)
    return _table(len(bank), member, BASELINE, results, absent, name)


def _table(
    size: int,
    member: Mask,
    against: tuple[str, str],
    results: Sequence[BankResult],
    absent: dict[str, str],
    unlearned: str | None,
) -> BankTable:
    inside = member.sum(1)
    return BankTable(
        shadows=size,
        targets=len(member),
        members=float(inside.mean()),
        nonmembers=float((member.shape[1] - inside).mean()),
        against=against,
        results=tuple(results),
        absent=absent,
        unlearned=unlearned,
    )


def sizes_up_to(count: int) -> list[int]:
    """Those of 8, 16, 32 ... that part ``count`` without a rest, so that growth is seen on the same targets; and it."""
    sizes = [LEAST * 2**k for k in range(count.bit_length()) if LEAST * 2**k < count]
    return [*(size for size in sizes if not count % size), count]


@dataclass(frozen=True, eq=False)
class _Judged:
    """scores: ``[T, n]`` of judged examples. areas: ``[T]``. influence: ``[T, n]`` of each example on each area."""

    scores: NDArray[np.floating]
    areas: Floats
    influence: Floats


def _scores(parts: Sequence[ShadowBank], calibration: Mask, attack: tuple[str, str]) -> NDArray[np.floating]:
    name, signal = attack
    return np.concatenate([ON_SHADOWS[name](part, calibration, signal)[:, ~calibration] for part in parts])


def _judged(scores: NDArray[np.floating], member: Mask, people: People | None) -> _Judged:
    pairs = list(zip(scores, member, strict=True))
    areas = np.concatenate([auc_rows(row[None, inside], row[None, ~inside]) for row, inside in pairs])
    return _Judged(scores, areas, np.stack([auc_influence(row, inside, people) for row, inside in pairs]))


def _result(
    name: str, signal: str, one: _Judged, base: _Judged | None, member: Mask, people: People | None
) -> BankResult:
    return BankResult(
        attack=name,
        signal=signal,
        auc=_figure(one.areas, one.influence, people, (0.0, 1.0), _fewest(member, people)),
        deviation=float(one.areas.std(ddof=1)),
        tpr=tuple(_tpr(one.scores, member, fpr, people) for fpr in FPRS),
        lead=None
        if base is None
        else _figure(one.areas - base.areas, one.influence - base.influence, people, (-1.0, 1.0)),
    )


def _fewest(member: Mask, people: People | None) -> int:
    """Members or non-members (people), whichever are fewer, of the target that has fewest."""
    owners = np.arange(member.shape[1]) if people is None else people
    return min(len(np.unique(owners[side])) for inside in member for side in (inside, ~inside))


def _tpr(scores: NDArray[np.floating], member: Mask, fpr: float, people: People | None) -> Figure | None:
    if not estimable(fpr, int((~member).sum(1).min())):
        return None
    rates, influence = np.empty(len(scores)), np.zeros(scores.shape)
    for target, (row, inside) in enumerate(zip(scores, member, strict=True)):
        caught = row[inside] > threshold_at_fpr(row[~inside], fpr)
        rates[target] = caught.mean()
        influence[target, inside] = (caught - rates[target]) / inside.sum()
    return _figure(rates, influence, people, (0.0, 1.0), _fewest(member, people))


def _figure(
    values: Floats, influence: Floats, people: People | None, limits: tuple[float, float], few: int = 0
) -> Figure:
    """The mean of a value over targets ``[T]``; influence ``[T, n]`` sums to zero for each.

    few: number of examples, where a value of 0 or 1 on every target has no spread to be seen; the exact bound on a
    share of so many then stands in for one."""
    mean = float(values.mean())
    if len(values) < 4:
        return Figure(mean, limits)  # one pair of shadows says nothing about others
    if few and mean in limits:
        slack = 1 - share_interval(np.ones(few, np.bool_))[0]
        return Figure(mean, (max(limits[0], mean - slack), min(limits[1], mean + slack)))
    moves = influence + ((values - mean) / influence.shape[1])[:, None]
    variance, degrees = two_way_variance(moves, np.arange(len(values)) // 2, people)
    width = float(stats.t.ppf(0.975, degrees) * np.sqrt(variance))
    return Figure(mean, (max(limits[0], mean - width), min(limits[1], mean + width)))
